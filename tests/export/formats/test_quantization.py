"""Lower precisions: what they keep, what they change, what they refuse."""

import hashlib
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from google.protobuf.message import Message
from onnx_models import exported_by_torch
from sklearn.datasets import load_digits
from torch import nn

from edge_export.errors import ExportError
from edge_export.formats import quantization
from edge_export.formats.choices import Precision
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
from edge_runtime import Predictor

Batch = Mapping[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Model:
    """An exported module and some rows for it."""

    content: bytes
    batch: Batch

    def convert(self, kind: Precision) -> bytes:
        convert: dict[Precision, Callable[[bytes], bytes]] = {
            Precision.FLOAT16: to_float16,
            Precision.INT8: lambda content: to_int8(content, [self.batch]),
            Precision.INT8_DYNAMIC: to_int8_dynamic,
        }
        return convert[kind](self.content)


def exported(module: nn.Module, **inputs: torch.Tensor) -> Model:
    proto = exported_by_torch(module, **inputs)
    clear_traces(proto)
    proto.producer_name, proto.producer_version = "somebody", ""
    proto.metadata_props.add(key="signature", value="{}")
    return Model(proto.SerializeToString(deterministic=True), {name: t.numpy() for name, t in inputs.items()})


def clear_traces(message: Message) -> None:
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                clear_traces(child)


class Convolutions(nn.Module):
    """Gives what goes into a Relu, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16))
        self.second = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1))
        self.last = nn.Linear(32, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raw = self.first(x)
        return self.last(self.second(torch.relu(raw)).flatten(1)), raw


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 64, batch_first=True)
        self.gru = nn.GRU(64, 16, batch_first=True)
        self.last = nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.gru(self.lstm(x)[0])[0]
        return self.last(hidden[:, -1])  # type: ignore[no-any-return]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(200, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.last = nn.Linear(32, 4)

    def forward(self, tokens: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        hidden = self.layer(self.embed(tokens), src_key_padding_mask=padding)
        return self.last(hidden.mean(1))  # type: ignore[no-any-return]


class Mixed(nn.Module):
    """Missing numbers and a category; a probability, a decision and a count."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.hidden = nn.Linear(12, 32)
        self.last = nn.Linear(32, 1)

    def forward(self, numbers: torch.Tensor, category: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        known = torch.nan_to_num(numbers)
        hidden = torch.relu(self.hidden(torch.cat([known, self.embed(category)], -1)))
        probability = torch.sigmoid(self.last(hidden))
        return probability, probability > 0.5, category + 1


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.left = nn.Linear(8, 3)
        self.right = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.hidden(x))
        result: torch.Tensor = torch.cond(
            hidden.sum() > 2.0, lambda h: self.left(h) * 2, lambda h: torch.tanh(self.right(h)), (hidden,)
        )
        return result


class Raw(nn.Module):
    """A year, a large number and a tiny one, standardised inside."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([2020.0, 5e6, 3e-9]))
        self.register_buffer("scale", torch.tensor([3.0, 1e6, 1e-9]))
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers((x - self.mean) / self.scale)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    torch.manual_seed(0)
    module = Convolutions()
    for _ in range(3):
        module(torch.randn(16, 1, 10, 10))  # so that BatchNorm has something to do
    rows = torch.randn(64, 3)
    raw = Raw()
    return {
        "convolutions": exported(module, x=torch.randn(8, 1, 10, 10)),
        "recurrent": exported(Recurrent(), x=torch.randn(8, 5, 64)),
        "attention": exported(
            Attention(), tokens=torch.randint(0, 200, (8, 6)), padding=torch.arange(6).expand(8, 6) > 3
        ),
        "mixed": exported(Mixed(), numbers=torch.randn(8, 4), category=torch.randint(0, 10, (8,))),
        "branches": exported(Branches(), x=torch.randn(8, 4)),
        "raw": exported(raw, x=rows * raw.scale + raw.mean),
    }


NAMES = ("convolutions", "recurrent", "attention", "mixed", "branches", "raw")
LOWER = (Precision.FLOAT16, Precision.INT8, Precision.INT8_DYNAMIC)
every = pytest.mark.parametrize(("name", "kind"), [(name, kind) for name in NAMES for kind in LOWER])


@every
def test_what_is_kept(models: dict[str, Model], name: str, kind: Precision) -> None:
    model = models[name]
    content = model.convert(kind)
    before, after = onnx.load_from_string(model.content), onnx.load_from_string(content)
    onnx.checker.check_model(after, full_check=True)
    assert (after.ir_version, after.producer_name, after.producer_version) == (8, "somebody", "")
    assert list(after.metadata_props) == list(before.metadata_props)
    assert [(opset.domain, opset.version) for opset in after.opset_import] in (
        [("", 18)],
        [("", 18), ("com.microsoft", 1)],
    )
    # What ONNX Runtime 1.17 has no kernel for.
    assert "ConvInteger" not in {node.op_type for node in after.graph.node}
    del after.metadata_props[:]
    untraced = onnx.load_from_string(content)
    del untraced.metadata_props[:]
    clear_traces(untraced)
    assert untraced == after

    first, second = Predictor(model.content, device="cpu"), Predictor(content, device="cpu")
    assert (first.inputs, first.outputs) == (second.inputs, second.outputs)
    for rows in (1, 8, 3):
        batch = {key: tensor[:rows] for key, tensor in model.batch.items()}
        expected, found = first.run(batch), second.run(batch)
        for output in expected:
            assert found[output].dtype == expected[output].dtype
            if found[output].dtype.kind == "f":
                error = np.abs(found[output] - expected[output]).max() / np.abs(expected[output]).max()
                assert error < (0.005 if kind == Precision.FLOAT16 else 0.08)
            else:
                np.testing.assert_array_equal(found[output], expected[output])


def test_files_get_smaller(models: dict[str, Model]) -> None:
    def share(name: str, kind: Precision) -> float:
        return len(models[name].convert(kind)) / len(models[name].content)

    assert share("recurrent", Precision.FLOAT16) < 0.6
    assert share("attention", Precision.FLOAT16) < 0.6
    assert share("recurrent", Precision.INT8_DYNAMIC) < 0.45  # the GRU stays
    assert share("attention", Precision.INT8_DYNAMIC) < 0.5
    assert share("attention", Precision.INT8) < 0.5
    assert share("convolutions", Precision.INT8) < 0.6


def test_same_model_same_bytes(models: dict[str, Model], tmp_path: Path) -> None:
    here = hashlib.sha256()
    for name, model in models.items():
        (tmp_path / f"{name}.onnx").write_bytes(model.content)
        np.savez(tmp_path / f"{name}.npz", **model.batch)
        for kind in LOWER:
            here.update(model.convert(kind))
    script = """
import hashlib, logging, sys
from pathlib import Path
import numpy as np
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
there = hashlib.sha256()
for name in sys.argv[1:]:
    content, batch = Path(name + ".onnx").read_bytes(), dict(np.load(name + ".npz"))
    there.update(to_float16(content) + to_int8(content, [batch]) + to_int8_dynamic(content))
assert "torch" not in sys.modules
assert not logging.getLogger().handlers
print(there.hexdigest())
"""
    printed = subprocess.run(
        [sys.executable, "-c", script, *models], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert printed.stdout.strip() == here.hexdigest()
    assert printed.stderr == ""


def test_the_tools_leave_nothing_behind(
    models: dict[str, Model],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = logging.getLogger()
    state = (list(root.handlers), list(root.filters), root.level)
    for model in models.values():
        for kind in LOWER:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                model.convert(kind)
    assert (root.handlers, root.filters, root.level) == state
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize("kind", [Precision.INT8, Precision.INT8_DYNAMIC])
def test_products_of_8_bits_fit_in_16(models: dict[str, Model], kind: Precision) -> None:
    """Two products of an activation (0 to 255) and a weight are added in 16 bits by CPUs without VNNI."""
    found = 0
    for name in NAMES:
        for tensor in onnx.load_from_string(models[name].convert(kind)).graph.initializer:
            if tensor.data_type == onnx.TensorProto.INT8:
                largest = np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max(initial=0)
                assert 2 * 255 * largest < 2**15
                found += largest > 0
    assert found > 5


def test_digits_are_still_read() -> None:
    digits = load_digits()
    rows, labels = (digits.data / 16).astype(np.float32), torch.from_numpy(digits.target)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for step in range(200):
        batch = np.arange(48) + 48 * (step % 25)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(rows[batch])), labels[batch]).backward()
        optimizer.step()
    model = exported(module, x=torch.from_numpy(rows[:300]))
    (expected,) = Predictor(model.content, device="cpu").run({"x": rows[1200:]}).values()
    assert (expected.argmax(1) == digits.target[1200:]).mean() > 0.9
    for kind in LOWER:
        (found,) = Predictor(model.convert(kind), device="cpu").run({"x": rows[1200:]}).values()
        assert not np.array_equal(found, expected)
        assert (found.argmax(1) != expected.argmax(1)).mean() < 0.01


def test_which_rows_share_a_batch_matters_for_int8_dynamic_alone(models: dict[str, Model]) -> None:
    batch = dict(models["mixed"].batch)
    company = {**batch, "numbers": np.where(np.arange(8)[:, None] == 7, 100, batch["numbers"]).astype(np.float32)}
    for kind in LOWER:
        predictor = Predictor(models["mixed"].convert(kind), device="cpu")
        alone, together = (next(iter(predictor.run(rows).values()))[:7] for rows in (batch, company))
        assert np.array_equal(alone, together) == (kind != Precision.INT8_DYNAMIC)


def test_nan_is_lost_in_8_bits(models: dict[str, Model]) -> None:
    """As the docstrings say: whoever relies on NaN in, NaN out, stays with floating point."""
    rows = np.array(models["raw"].batch["x"])
    rows[3, 0] = np.nan
    for kind in LOWER:
        (found,) = Predictor(models["raw"].convert(kind), device="cpu").run({"x": rows}).values()
        assert np.isnan(found[3]).all() == (kind == Precision.FLOAT16)
        assert not np.isnan(np.delete(found, 3, axis=0)).any()


def test_float64_rows_are_standardised_in_float32_too() -> None:
    model = written("""<float m = {5e6}, float[8, 1] w = {1, 1, 1, 1, 1, 1, 1, 1}>
        { f = Cast<to=1>(x) c = Sub(f, m) y = MatMul(c, w) }""")
    proto = onnx.load_from_string(model.content)
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    rows = np.full((1, 2, 8), 5e6 + 3)
    (found,) = Predictor(to_float16(proto.SerializeToString()), device="cpu").run({"x": rows}).values()
    np.testing.assert_array_equal(found, np.full((1, 2, 1), 24, np.float32))


def test_float16_needs_standardisation_in_float32(models: dict[str, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    model = models["raw"]
    monkeypatch.setattr(quantization, "_before_layers", lambda graph: [])
    (expected,) = Predictor(model.content, device="cpu").run(model.batch).values()
    (found,) = Predictor(model.convert(Precision.FLOAT16), device="cpu").run(model.batch).values()
    assert not np.abs(found - expected).max() < 0.1


def test_float16_holds_no_transpose_that_onnx_runtime_crashes_on(models: dict[str, Model]) -> None:
    graph = onnx.load_from_string(models["attention"].convert(Precision.FLOAT16)).graph
    kinds = {tensor.name: tensor.type.tensor_type.elem_type for tensor in inferred(graph)}
    moved = [node for node in graph.node if node.op_type == "Transpose" and node.attribute[0].ints[0] == 1]
    assert moved
    factors = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    for node in moved:
        assert node.output[0] not in factors or kinds[node.output[0]] == onnx.TensorProto.FLOAT


def inferred(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return list(onnx.shape_inference.infer_shapes(proto).graph.value_info)


def written(nodes: str) -> Model:
    """A model from x [batch, 2, 8] to y [batch, n, m], in the text form of ONNX."""
    header = '<ir_version: 8, opset_import: ["" : 18]> written (float[batch, 2, 8] x) => (float[batch, n, m] y)'
    proto = onnx.parser.parse_model(f"{header} {nodes}")
    return Model(proto.SerializeToString(), {"x": np.ones((2, 2, 8), np.float32)})


@pytest.mark.parametrize("kind", LOWER)
def test_nothing_to_convert(kind: Precision) -> None:
    message = f"^there is nothing to convert to {kind} in this model; export it as float32$"
    with pytest.raises(ExportError, match=message):
        written("{ y = Add(x, x) }").convert(kind)


def test_operators_without_float16_stay_in_float32() -> None:
    weights = ", ".join(["1"] * 16)
    layer = f"<float[8, 2] w = {{{weights}}}> {{ h = MatMul(x, w) i = IsInf(h) f = Cast<to=1>(i) y = Add(h, f) }}"
    (found,) = (
        Predictor(written(layer).convert(Precision.FLOAT16), device="cpu").run({"x": np.ones((1, 2, 8))}).values()
    )
    np.testing.assert_array_equal(found, np.full((1, 2, 2), 8, np.float32))


def test_int8_dynamic_leaves_convolutions_alone() -> None:
    model = written("<float[3, 2, 1] w = {1, 2, 3, 4, 5, 6}> { y = Conv(x, w) }")
    model.convert(Precision.INT8)
    with pytest.raises(ExportError, match="there is nothing to convert to int8-dynamic"):
        model.convert(Precision.INT8_DYNAMIC)


def test_a_converted_model_is_not_converted_again(models: dict[str, Model]) -> None:
    model = models["raw"]
    with pytest.raises(ExportError, match="there is nothing to convert to int8 in this model"):
        to_int8(model.convert(Precision.INT8), [model.batch])


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "int8 needs rows to calibrate on"),
        ([{"x": np.full((2, 3), np.nan, np.float32)}], "hold NaN or infinity; leave such rows out"),
        ([{"x": np.full((2, 3), np.inf, np.float32)}], "hold NaN or infinity; leave such rows out"),
        ([{"y": np.ones((2, 3), np.float32)}], "int8 is not possible for this model, float32 is: .*'x'"),
        ([{"x": np.ones((2, 4), np.float32)}], "int8 is not possible for this model, float32 is: .*Got: 4 Expected: 3"),
    ],
)
def test_rows_that_cannot_calibrate(models: dict[str, Model], batches: list[Batch], message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        to_int8(models["raw"].content, batches)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("convert", [to_float16, to_int8_dynamic])
def test_what_is_no_model(convert: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ExportError, match="is not possible for this model"):
        convert(b"no model")
