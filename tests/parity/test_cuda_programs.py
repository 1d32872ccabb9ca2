"""On a machine with an NVIDIA GPU: training, serving, strings, forks and the doctor on CUDA."""

import json
import os
import subprocess
import sys
import traceback
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from paths import FOUR_BLOBS, MODELS
from servers import serving

from edge_runtime import DeviceUnavailable, InferenceFailed, Predictor

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def on_cuda() -> None:
    try:
        Predictor(FOUR_BLOBS, device="cuda").close()
    except DeviceUnavailable as error:
        pytest.skip(str(error))


def run(*words: object, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.returncode == code, done.stderr
    return done


def table(path: Path, rows: int) -> Path:
    random = np.random.default_rng(0)
    numbers = random.normal(size=(rows, 2))
    towns = random.integers(0, 9, rows)
    labels = np.where(numbers[:, 0] * numbers[:, 1] + (towns > 4) + 0.3 * random.normal(size=rows) > 0.5, "yes", "no")
    lines = [f"{a:.4f},{b:.4f},town {town},{y}" for (a, b), town, y in zip(numbers, towns, labels, strict=True)]
    path.write_text("\n".join(["a,b,town,y", *lines]) + "\n")
    return path


def test_training_comes_to_the_same_quality_as_on_the_cpu(tmp_path: Path) -> None:
    data = table(tmp_path / "table.csv", 4000)
    accuracy = {}
    for device in ("cpu", "cuda"):
        folder = tmp_path / device
        run("edge_train", data, "--target", "y", "--device", device, "--epochs", 30, "--output", folder)
        accuracy[device] = json.loads((folder / "metrics.json").read_text())["test"]["accuracy"]
    assert accuracy["cuda"] == pytest.approx(accuracy["cpu"], abs=0.03)
    assert accuracy["cuda"] > 0.8
    run("edge_export", tmp_path / "cuda" / "model.pt", "--format", "onnx")
    for device in ("cpu", "cuda"):
        run("edge_runtime", tmp_path / "cuda" / "model.onnx", "--verify", "--device", device)


def test_training_twice_on_cuda_gives_the_same_network(tmp_path: Path) -> None:
    data = table(tmp_path / "table.csv", 1000)
    for folder in ("one", "two"):
        run("edge_train", data, "--target", "y", "--device", "cuda", "--epochs", 5, "--output", tmp_path / folder)
    assert (tmp_path / "one" / "model.pt").read_bytes() == (tmp_path / "two" / "model.pt").read_bytes()


def test_more_processes_than_gpus_are_refused_in_one_line(tmp_path: Path) -> None:
    import torch

    data = table(tmp_path / "table.csv", 300)
    count = torch.cuda.device_count()
    done = run(
        *("edge_train", data, "--target", "y", "--device", "cuda", "--output", tmp_path / "out"),
        code=1,
        WORLD_SIZE=str(count + 1),
        RANK=str(count),
        LOCAL_RANK=str(count),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT="29555",
    )
    assert f"cuda:{count}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_gpus_train_one_network_together(tmp_path: Path) -> None:
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("NCCL connects different GPUs; this machine has one")
    data = table(tmp_path / "table.csv", 4000)
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")
    options = ("edge_train", data, "--target", "y", "--device", "cuda", "--epochs", 10)
    run(*options, "--output", tmp_path / "one")
    run(*torchrun, *options, "--output", tmp_path / "two")
    one, two = (
        json.loads((tmp_path / folder / "metrics.json").read_text())["test"]["accuracy"] for folder in ("one", "two")
    )
    assert one == pytest.approx(two, abs=0.03)


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_strings_are_looked_up_for_cuda_too(device: str) -> None:
    predictor, on_cpu = (Predictor(MODELS / "penguins.onnx", device=one) for one in (device, "cpu"))
    random = np.random.default_rng(0)
    islands = [*predictor.required_signature.features[0].categories, "Atlantis", None]
    for count in (1, 7, 3000):
        rows = [
            [
                islands[random.integers(len(islands))],
                random.uniform(30, 60),
                random.uniform(2700, 6300),
                bool(random.integers(2)),
                int(random.integers(2006, 2011)),
            ]
            for _ in range(count)
        ]
        np.testing.assert_allclose(predictor.predict_proba(rows), on_cpu.predict_proba(rows), rtol=0, atol=1e-5)
        assert predictor.predict(rows).tolist() == on_cpu.predict(rows).tolist()
        one, expected = predictor.predict_one(rows[0]), on_cpu.predict_one(rows[0])
        assert (one.label, one.probability) == (expected.label, pytest.approx(expected.probability, abs=1e-5))


def test_served_on_cuda() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2)).round(4).tolist()
    expected = Predictor(FOUR_BLOBS, device="cpu").predict_proba(rows)
    with serving(FOUR_BLOBS, "--device", "cuda") as server:
        url = f"{server.url}/v2/models/{FOUR_BLOBS.stem}/infer"
        (spec,) = Predictor(FOUR_BLOBS, device="cpu").inputs
        tensor = {"name": spec.name, "shape": [50, 2], "datatype": "FP32", "data": rows}
        body = json.dumps({"inputs": [tensor]}).encode()
        for _ in range(20):
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as answer:
                (output,) = json.load(answer)["outputs"]
            np.testing.assert_allclose(output["data"], expected[:, 1], rtol=0, atol=1e-5)


def test_the_doctor_finds_cuda() -> None:
    # It may find something else that is wrong there.
    command = [sys.executable, "-m", "edge_runtime", "--doctor", str(FOUR_BLOBS)]
    for more in ([], ["--format", "json"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True)
        assert "CUDAExecutionProvider" in done.stdout
        print(done.stdout)


def _exit_code_of_child(task: object) -> int:
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = task()  # type: ignore[operator]
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are POSIX")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_after_a_fork() -> None:
    """CUDA does not outlive a fork: what was asked for by name says so, and "auto" goes on on the CPU."""
    row = [0.5, 1.5]
    on_cuda, chosen = Predictor(FOUR_BLOBS, device="cuda"), Predictor(FOUR_BLOBS)
    expected = Predictor(FOUR_BLOBS, device="cpu").predict_one(row)
    large = np.zeros((2_000_000, 2), np.float32)
    on_cuda.predict_one(row)
    chosen.predict_proba(large)

    def refused() -> int:
        try:
            on_cuda.predict_one(row)
        except InferenceFailed:
            return 0
        return 1

    def answers() -> int:
        same = chosen.predict_one(row).label == expected.label
        return 0 if same and len(chosen.predict_proba(large)) == len(large) else 1

    assert (_exit_code_of_child(refused), _exit_code_of_child(answers)) == (0, 0)
    assert on_cuda.predict_one(row).label == expected.label
