"""On a machine with an NVIDIA GPU: certificates made on the CPU hold on CUDA without TF32, and tell when it is on."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from concurrency import call_within, held, in_threads
from paths import FOUR_BLOBS as MODEL
from zoo import ZOO

from edge_export import ExportError, export
from edge_export.formats.ort_file import ort_bytes
from edge_runtime import DeviceUnavailable, InvalidInput, Predictor
from edge_runtime.engine import opening
from edge_runtime.engine.devices import CUDA

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    try:
        Predictor(MODEL, device="cuda")
    except DeviceUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("artifacts")
    paths: dict[str, Path] = {}
    for name, exhibit in ZOO.items():
        torch.manual_seed(0)
        path = folder / f"{len(paths)}.onnx"
        # What another version of torch cannot capture is not a matter of CUDA.
        with contextlib.suppress(ExportError):
            export(exhibit.module(), exhibit.example(), path, finite_only=True, **exhibit.options)
            paths[name] = path
    assert len(paths) > len(ZOO) * 0.9
    return paths


def largest_tolerances_used(artifacts: dict[str, Path]) -> dict[str, float]:
    """The largest fraction of a tolerance that each artifact uses on CUDA; above 1 it is refused."""
    return {
        name: max(check.tolerance_used for check in Predictor(path, device="cuda").verify().checks)
        for name, path in artifacts.items()
    }


def test_without_tf32_every_certificate_holds(artifacts: dict[str, Path]) -> None:
    used = largest_tolerances_used(artifacts)
    assert {name: fraction for name, fraction in used.items() if fraction > 1} == {}


def test_a_file_in_ort_format_stays_on_the_cpu(artifacts: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(ort_bytes(artifacts["convolutions"].read_bytes()))
    assert Predictor(path).provider == "CPUExecutionProvider"
    with pytest.raises(DeviceUnavailable, match="runs only on the CPU"):
        Predictor(path, device="cuda")


def test_with_tf32_certificates_fail(artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 keeps 10 bits of a float32's 23: products of matrices and convolutions show it."""
    monkeypatch.setattr(opening, "candidates", lambda device: [(CUDA, {"use_tf32": "1"})])
    used = largest_tolerances_used(artifacts)
    print({name: f"{fraction:.3g}" for name, fraction in used.items()})
    assert any(fraction > 1 for fraction in used.values())


def test_single_rows_through_a_recorded_graph(artifacts: dict[str, Path]) -> None:
    """Each call must read what it was given, not what was there when the graph was recorded."""
    on_cuda, on_cpu = Predictor(MODEL, device="cuda"), Predictor(MODEL, device="cpu")
    random = np.random.default_rng(0)
    for row in random.normal(size=(200, 2)):
        label, probability = on_cuda.predict_one(row.tolist())
        expected = on_cpu.predict_one(row.tolist())
        assert (label, probability) == (expected.label, pytest.approx(expected.probability, abs=1e-6))
    for count in (1, 5, 1, 300, 5, 100_000):
        rows = random.normal(size=(count, 2)).astype(np.float32)
        np.testing.assert_allclose(on_cuda.predict_proba(rows), on_cpu.predict_proba(rows), rtol=0, atol=1e-6)


def test_from_many_threads_on_cuda(artifacts: dict[str, Path]) -> None:
    predictor, on_cpu = Predictor(MODEL, device="cuda"), Predictor(MODEL, device="cpu")
    rows = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    expected = on_cpu.predict_proba(rows)[:, 1]
    wrong: list[float] = []

    numbers = iter(range(8))

    def use() -> None:
        number = next(numbers)
        for _ in range(50):
            label, probability = predictor.predict_one(rows[number].tolist())
            found = probability if label == 1 else 1 - probability
            many = predictor.predict_proba(rows)[number, 1]
            wrong.extend(value for value in (found, many) if abs(value - expected[number]) > 1e-6)

    in_threads(use, 8)
    assert wrong == []


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_tensors_on_the_gpu_are_not_copied(artifacts: dict[str, Path], device: str) -> None:
    predictor = Predictor(artifacts["convolutions"], device=device)
    (name,) = (spec.name for spec in predictor.inputs)
    for count in (4, 1, 9):
        images = torch.randn(count, 1, 12, 12, device="cuda")
        ((_, found),) = predictor.run({name: images}).items()
        expected = Predictor(artifacts["convolutions"], device="cpu").run({name: images.cpu().numpy()})
        there = torch.utils.dlpack.from_dlpack(found)
        assert there.is_cuda
        np.testing.assert_allclose(there.cpu().numpy(), next(iter(expected.values())), atol=1e-5)
    for wrong in (images.double(), images[:, :, :5], images.transpose(2, 3)[:, :, ::2]):
        with pytest.raises(InvalidInput):
            predictor.run({name: wrong})
    with pytest.raises(InvalidInput, match="is on a GPU, but the model runs on CPU"):
        Predictor(artifacts["convolutions"], device="cpu").run({name: images})


def test_auto_takes_cuda_for_large_calls_alone(artifacts: dict[str, Path]) -> None:
    predictor = Predictor(artifacts["convolutions"], threads=1)
    (spec,) = predictor.inputs
    predictor.run({spec.name: np.zeros((1, 1, 12, 12), np.float32)})
    assert (predictor.provider, predictor._runner.placement._cuda) == ("CPUExecutionProvider", None)
    images = np.random.default_rng(0).normal(size=(100_000, 1, 12, 12)).astype(np.float32)
    found = predictor.run({spec.name: images})
    assert predictor._runner.placement._cuda is not None
    expected = Predictor(artifacts["convolutions"], device="cpu").run({spec.name: images})
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-5)
    verification = predictor.verify()
    assert (verification.provider, verification.passed) == ("CUDAExecutionProvider", True)


def test_a_call_within_a_call_on_cuda(artifacts: dict[str, Path]) -> None:
    """As a signal handler or a finalizer makes it."""
    predictor = Predictor(MODEL, device="cuda")
    expected = predictor.predict_one([0.5, 1.5])
    buffers = held(predictor).one
    call_within(buffers, lambda: predictor.predict_one([-1.0, -1.0]))
    assert predictor.predict_one([0.5, 1.5]) == expected
