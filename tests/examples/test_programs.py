"""The examples that run by themselves: loops, pools, and a frozen program."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from concurrency import HANG
from paths import FOUR_BLOBS
from programs import EXAMPLES, environment, free_port, listens, run_example, running, wait_until

from edge_runtime import Predictor


def test_the_sensor_loop_answers_each_line() -> None:
    result = run_example("sensor_loop.py", FOUR_BLOBS, given="-1,1\nx,1\n1\n1,1\n")
    assert result.stdout.splitlines() == [
        "1 0.99",
        "not answered: could not convert string to float: 'x'",
        "not answered: a row has 2 values (x1, x2), found 1",
        "0 0.98",
    ]
    assert (result.returncode, result.stderr) == (0, "")


def test_the_camera_loop_ends_while_its_thread_predicts() -> None:
    result = run_example("camera_loop.py", FOUR_BLOBS)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("probability") == 10


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_process_pool(method: str) -> None:
    result = run_example("process_pool.py", FOUR_BLOBS, method)
    predictor = Predictor(FOUR_BLOBS)
    rows = [np.random.default_rng(seed).normal(size=(1000, 2)) for seed in range(8)]
    assert result.stdout.split() == [str(predictor.predict(one).sum()) for one in rows]
    assert (result.returncode, result.stderr) == (0, "")


def test_the_asyncio_server(tmp_path: Path) -> None:
    log, port = tmp_path / "log", free_port()
    many = ";".join(["-1,1", "1,1"] * 2000)

    async def talk() -> list[str]:
        reader, writer = await asyncio.open_connection("localhost", port, limit=2**24)
        writer.write(f"-1,1\n{many}\n1,1;1\n".encode())
        answers = [(await reader.readline()).decode().strip() for _ in range(3)]
        writer.close()
        await writer.wait_closed()
        return answers

    with running(log, "asyncio_server", FOUR_BLOBS, port):
        wait_until(lambda: listens(port), log)
        one, labels, refused = asyncio.run(asyncio.wait_for(talk(), HANG))
    assert one == "1"
    assert labels.split() == ["1", "0"] * 2000
    assert refused.startswith("not answered: ")


# What is beside the runtime here, and not where its users install it.
BESIDE = ("matplotlib", "onnx", "pandas", "pyarrow", "scipy", "sklearn", "torch")


@pytest.mark.slow
def test_a_frozen_program_answers(tmp_path: Path) -> None:
    excluded = [word for name in BESIDE for word in ("--exclude-module", name)]
    model = tmp_path / "model.onnx"
    model.write_bytes(FOUR_BLOBS.read_bytes())
    command = [sys.executable, "-m", "PyInstaller", "--log-level", "ERROR", "--add-data", "model.onnx:.", *excluded]
    subprocess.run([*command, EXAMPLES / "frozen_app.py"], cwd=tmp_path, env=environment(), check=True, timeout=300)
    model.unlink()
    program = tmp_path / "dist" / "frozen_app" / "frozen_app"

    def run(*words: str) -> tuple[int, str, str]:
        result = subprocess.run([program, *words], env={}, cwd="/", capture_output=True, text=True, timeout=HANG)
        return result.returncode, result.stdout, result.stderr

    assert run("-1", "1") == (0, "1 0.99\n", "")
    assert run("-1") == (1, "", "error: a row has 2 values (x1, x2), found 1\n")
    size = sum(path.stat().st_size for path in program.parent.rglob("*") if not path.is_symlink())
    # docs/embedding.md states it.
    assert size < 200e6
