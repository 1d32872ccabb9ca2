"""ORT format: the same answers, the same bytes, and nothing of the machine that made it."""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx_models import exported_by_torch
from paths import FOUR_BLOBS
from torch import nn

from edge_export.errors import ExportError
from edge_export.formats.ort_file import ort_bytes
from edge_export.formats.quantization import to_int8
from edge_runtime import Predictor

Batch = dict[str, np.ndarray]


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten())
        self.last = nn.Linear(16 * 36, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.layers(x)).softmax(-1)  # type: ignore[no-any-return]


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.attend = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
        self.recur = nn.LSTM(16, 16, batch_first=True)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = self.recur(self.attend(self.embed(tokens)))[0][:, -1]
        return hidden, hidden.sum(-1) > 0


def exported(module: nn.Module, **inputs: torch.Tensor) -> tuple[bytes, Batch]:
    proto = exported_by_torch(module, **inputs)
    return proto.SerializeToString(deterministic=True), {name: tensor.numpy() for name, tensor in inputs.items()}


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[bytes, Batch]]:
    torch.manual_seed(0)
    content, batch = exported(Convolutions(), x=torch.randn(4, 1, 10, 10))
    return {
        "convolutions": (content, batch),
        "int8": (to_int8(content, [batch]), batch),
        "tokens": exported(Tokens(), tokens=torch.randint(0, 50, (4, 7))),
        "four blobs": (FOUR_BLOBS.read_bytes(), {"x": np.array([[-1, 1], [1, 1]], np.float32)}),
    }


@pytest.mark.parametrize("name", ["convolutions", "int8", "tokens", "four blobs"])
def test_same_answers(models: dict[str, tuple[bytes, Batch]], name: str) -> None:
    content, batch = models[name]
    converted = ort_bytes(content)
    assert converted[4:8] == b"ORTM"
    first, second = Predictor(content, device="cpu"), Predictor(converted, device="cpu")
    assert (first.inputs, first.outputs, first.signature) == (second.inputs, second.outputs, second.signature)
    for rows in (1, 4):
        part = {key: tensor[:rows] for key, tensor in batch.items()}
        expected, found = first.run(part), second.run(part)
        for output in expected:
            np.testing.assert_allclose(found[output], expected[output], atol=1e-6)


def test_the_signature_is_kept(models: dict[str, tuple[bytes, Batch]]) -> None:
    predictor = Predictor(ort_bytes(models["four blobs"][0]), device="cpu")
    assert predictor.signature is not None
    assert predictor.predict([[-1, 1], [1, 1]]).tolist() == [1, 0]


def test_files_are_for_all_processors_and_compute_in_8_bits(models: dict[str, tuple[bytes, Batch]]) -> None:
    """The names of operators are plain text in the file; those that Reorder surround NCHWc layouts."""
    assert b"Reorder" not in ort_bytes(models["convolutions"][0])
    assert b"QLinearConv" in ort_bytes(models["int8"][0])


def test_same_model_same_bytes(models: dict[str, tuple[bytes, Batch]], tmp_path: Path) -> None:
    here = hashlib.sha256()
    for name, (content, _) in models.items():
        (tmp_path / name).write_bytes(content)
        # ONNX Runtime itself gives another file each time, most of the time.
        assert len({ort_bytes(content) for _ in range(5)}) == 1
        here.update(ort_bytes(content))
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.formats.ort_file import ort_bytes
there = hashlib.sha256()
for name in sys.argv[1:]:
    there.update(ort_bytes(Path(name).read_bytes()))
print(there.hexdigest())
"""
    command = [sys.executable, "-c", script, *models]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert printed.stdout.strip() == here.hexdigest()
    assert printed.stderr == ""


def test_nothing_is_left_behind(
    models: dict[str, tuple[bytes, Batch]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for content, _ in models.values():
        assert str(tmp_path).encode() not in ort_bytes(content)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"no model", b"", FOUR_BLOBS.read_bytes()[:500]])
def test_what_is_no_model(content: bytes) -> None:
    with pytest.raises(ExportError, match="ONNX Runtime cannot bring this model into ORT format: ") as caught:
        ort_bytes(content)
    assert "\n" not in str(caught.value)


def test_an_operator_that_does_not_exist() -> None:
    node = onnx.helper.make_node("Nonsense", ["x"], ["y"])
    tensors = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    proto = onnx.helper.make_model(
        onnx.helper.make_graph([node], "graph", tensors[:1], tensors[1:]),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=8,
    )
    with pytest.raises(ExportError, match="Nonsense"):
        ort_bytes(proto.SerializeToString())
