"""ORT format: the same answers, the same bytes, and nothing of the machine that made it."""

import functools
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx_models import Batch, exported_by_torch, to_bytes
from paths import FOUR_BLOBS
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.errors import ExportError
from edge_export.formats.ort_file import ort_bytes
from edge_export.formats.quantization import to_int8
from edge_runtime import Predictor


class Convolutions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten())
        self.last = nn.Linear(16 * 36, 3)

    def forward(self, x: Tensor) -> Any:
        return self.last(self.layers(x)).softmax(-1)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.attend = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, activation="gelu")
        self.recur = nn.LSTM(16, 16, batch_first=True)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.recur(self.attend(self.embed(tokens)))[0][:, -1]
        return hidden, hidden.sum(-1) > 0


NAMES = ("convolutions", "int8", "tokens", "four blobs")
every = pytest.mark.parametrize("name", mostly_slow(NAMES, ["convolutions", "int8", "four blobs"]))


@functools.cache
def made(name: str) -> tuple[bytes, Batch]:
    """The content of an ONNX file, and rows for it."""
    torch.manual_seed(0)
    match name:
        case "convolutions":
            model = exported_by_torch(Convolutions(), x=torch.randn(4, 1, 10, 10))
            return model.content, model.batch
        case "int8":
            content, batch = made("convolutions")
            return to_bytes(to_int8(onnx.load_from_string(content), [batch])), batch
        case "tokens":
            model = exported_by_torch(Tokens(), tokens=torch.randint(0, 50, (4, 7)))
            return model.content, model.batch
        case _:
            return FOUR_BLOBS.read_bytes(), {"x": np.array([[-1, 1], [1, 1]], np.float32)}


@every
def test_same_answers(name: str) -> None:
    content, batch = made(name)
    converted = ort_bytes(content)
    assert converted[4:8] == b"ORTM"
    first, second = Predictor(content, device="cpu"), Predictor(converted, device="cpu")
    assert (first.inputs, first.outputs, first.signature) == (second.inputs, second.outputs, second.signature)
    for rows in (1, 4):
        part = {key: tensor[:rows] for key, tensor in batch.items()}
        expected, found = first.run(part), second.run(part)
        for output in expected:
            np.testing.assert_allclose(found[output], expected[output], atol=1e-6)


def test_the_signature_is_kept() -> None:
    predictor = Predictor(ort_bytes(FOUR_BLOBS.read_bytes()), device="cpu")
    assert predictor.signature is not None
    assert predictor.predict([[-1, 1], [1, 1]]).tolist() == [1, 0]


def test_files_are_for_all_processors_and_compute_in_8_bits() -> None:
    """The names of operators are readable in the file; those that Reorder surround NCHWc layouts."""
    assert b"Reorder" not in ort_bytes(made("convolutions")[0])
    assert b"QLinearConv" in ort_bytes(made("int8")[0])


@every
def test_same_model_same_bytes(name: str) -> None:
    content, _ = made(name)
    # ONNX Runtime itself gives another file each time, most of the time.
    assert len({ort_bytes(content) for _ in range(5)}) == 1


@pytest.mark.slow
def test_same_model_same_bytes_in_another_process(tmp_path: Path) -> None:
    here = hashlib.sha256()
    for name in NAMES:
        (tmp_path / name).write_bytes(made(name)[0])
        here.update(ort_bytes(made(name)[0]))
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.formats.ort_file import ort_bytes
there = hashlib.sha256()
for name in sys.argv[1:]:
    there.update(ort_bytes(Path(name).read_bytes()))
print(there.hexdigest())
"""
    command = [sys.executable, "-c", script, *NAMES]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert printed.stdout.strip() == here.hexdigest()
    assert printed.stderr == ""


@every
def test_nothing_is_left_behind(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    content, _ = made(name)
    capfd.readouterr()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert str(tmp_path).encode() not in ort_bytes(content)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"not a model", b"", FOUR_BLOBS.read_bytes()[:500]])
def test_what_is_not_a_model(content: bytes) -> None:
    with pytest.raises(ExportError, match="ONNX Runtime cannot convert this model to ORT format: ") as caught:
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
        ort_bytes(to_bytes(proto))
