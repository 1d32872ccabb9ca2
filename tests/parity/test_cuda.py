"""On a machine with an NVIDIA GPU: certificates made on the CPU hold on CUDA without TF32, and tell when it is on."""

from pathlib import Path

import pytest
import torch
from zoo import ZOO

from edge_export import export
from edge_export.ort_file import ort_bytes
from edge_runtime import DeviceUnavailable, Predictor, session

MODEL = Path(__file__).parents[1] / "runtime" / "models" / "four_blobs.onnx"

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    try:
        Predictor(MODEL, device="cuda")
    except DeviceUnavailable as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("artifacts")
    paths = {}
    for name, exhibit in ZOO.items():
        torch.manual_seed(0)
        path = folder / f"{len(paths)}.onnx"
        export(exhibit.module(), exhibit.example(), path, finite_only=True, **exhibit.options)
        paths[name] = path
    return paths


def largest_shares(artifacts: dict[str, Path]) -> dict[str, float]:
    """The largest share of what is allowed that each artifact uses on CUDA; above 1 it is refused."""
    return {
        name: max(check.share for check in Predictor(path, device="cuda").verify().checks)
        for name, path in artifacts.items()
    }


def test_without_tf32_every_certificate_holds(artifacts: dict[str, Path]) -> None:
    shares = largest_shares(artifacts)
    assert {name: share for name, share in shares.items() if share > 1} == {}


def test_a_file_in_ort_format_stays_on_the_cpu(artifacts: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "model.ort"
    path.write_bytes(ort_bytes(artifacts["convolutions"].read_bytes()))
    assert Predictor(path).provider == "CPUExecutionProvider"
    with pytest.raises(DeviceUnavailable, match="prepared for the CPU alone"):
        Predictor(path, device="cuda")


def test_with_tf32_certificates_fail(artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 keeps 10 bits of a float32's 23: products of matrices and convolutions show it."""
    monkeypatch.setattr(session, "_candidates", lambda device: [(session.CUDA, {"use_tf32": "1"})])
    shares = largest_shares(artifacts)
    print({name: f"{share:.3g}" for name, share in shares.items()})
    assert any(share > 1 for share in shares.values())
