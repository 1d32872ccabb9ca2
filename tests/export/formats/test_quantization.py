"""Lower precisions: what they keep, what they change, what they refuse."""

import hashlib
import logging
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto
from onnx_models import LOWER, MODELS, Batch, clear_traces, converted, exported_by_torch, model, to_bytes, written
from sklearn.datasets import load_digits
from tiers import mostly_slow
from torch import nn

from edge_export.errors import ExportError
from edge_export.formats import quantization
from edge_export.formats.choices import Precision
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
from edge_runtime import Feature, Input, Predictor, Signature

FLOAT16, INT8, INT8_DYNAMIC = LOWER
# What is quick to make, and what shows most of each precision.
FAST = [("raw", FLOAT16), ("raw", INT8), ("raw", INT8_DYNAMIC), ("mixed", FLOAT16), ("mixed", INT8_DYNAMIC)]
EVERY = mostly_slow([(name, precision) for name in MODELS for precision in LOWER], [*FAST, ("convolutions", INT8)])


def run(proto: ModelProto, batch: Mapping[str, Any]) -> dict[str, Any]:
    """What the file of `proto` gives."""
    return dict(Predictor(to_bytes(proto), device="cpu").run(batch))


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_what_is_kept(name: str, precision: Precision) -> None:
    before, after = model(name).proto, converted(name, precision)
    onnx.checker.check_model(after, full_check=True)
    assert (after.ir_version, after.producer_name, after.producer_version) == (8, "somebody", "")
    assert list(after.metadata_props) == list(before.metadata_props)
    assert [(opset.domain, opset.version) for opset in after.opset_import] in (
        [("", 18)],
        [("", 18), ("com.microsoft", 1)],
    )
    # What ONNX Runtime 1.17 has no kernel for.
    assert "ConvInteger" not in {node.op_type for node in after.graph.node}
    plain, untraced = ModelProto(), ModelProto()
    for copy in (plain, untraced):
        copy.CopyFrom(after)
        del copy.metadata_props[:]
    clear_traces(untraced)
    assert untraced == plain


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_answers_are_near(name: str, precision: Precision) -> None:
    first = Predictor(model(name).content, device="cpu")
    second = Predictor(to_bytes(converted(name, precision)), device="cpu")
    assert (first.inputs, first.outputs) == (second.inputs, second.outputs)
    for rows in (1, 8, 3):
        batch = {key: tensor[:rows] for key, tensor in model(name).batch.items()}
        expected, found = first.run(batch), second.run(batch)
        for output in expected:
            assert found[output].dtype == expected[output].dtype
            if found[output].dtype.kind == "f":
                error = np.abs(found[output] - expected[output]).max() / np.abs(expected[output]).max()
                assert error < (0.005 if precision == FLOAT16 else 0.08)
            else:
                np.testing.assert_array_equal(found[output], expected[output])


@pytest.mark.parametrize("precision", LOWER)
def test_the_model_stays_as_it_is(precision: Precision) -> None:
    before = ModelProto()
    before.CopyFrom(model("raw").proto)
    assert model("raw").convert(precision) != before
    assert model("raw").proto == before


@pytest.mark.parametrize(
    ("name", "precision", "largest"),
    mostly_slow(
        [
            ("recurrent", FLOAT16, 0.6),
            ("attention", FLOAT16, 0.6),
            ("recurrent", INT8_DYNAMIC, 0.45),  # the GRU stays
            ("attention", INT8_DYNAMIC, 0.5),
            ("attention", INT8, 0.5),
            ("convolutions", INT8, 0.6),
        ],
        [("convolutions", INT8, 0.6)],
    ),
)
def test_files_get_smaller(name: str, precision: Precision, largest: float) -> None:
    assert len(to_bytes(converted(name, precision))) < largest * len(model(name).content)


@pytest.mark.parametrize(("name", "precision"), EVERY)
def test_same_model_same_bytes(name: str, precision: Precision) -> None:
    assert to_bytes(model(name).convert(precision)) == to_bytes(converted(name, precision))


@pytest.mark.slow
def test_same_model_same_bytes_in_another_process(tmp_path: Path) -> None:
    here = hashlib.sha256()
    for name in MODELS:
        (tmp_path / f"{name}.onnx").write_bytes(model(name).content)
        np.savez(tmp_path / f"{name}.npz", **dict(model(name).batch))  # type: ignore[arg-type]
        for precision in LOWER:
            here.update(to_bytes(converted(name, precision)))
    script = """
import hashlib, logging, sys
import numpy as np, onnx
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
there = hashlib.sha256()
for name in sys.argv[1:]:
    proto, batch = onnx.load(name + ".onnx"), dict(np.load(name + ".npz"))
    for made in (to_float16(proto), to_int8(proto, [batch]), to_int8_dynamic(proto)):
        there.update(made.SerializeToString(deterministic=True))
assert not logging.getLogger().handlers
print(there.hexdigest())
"""
    printed = subprocess.run(
        [sys.executable, "-c", script, *MODELS], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert printed.stdout.strip() == here.hexdigest()
    assert printed.stderr == ""


@pytest.mark.parametrize("name", mostly_slow(MODELS, ["raw"]))
def test_the_tools_leave_nothing_behind(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = model(name)
    capfd.readouterr()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = logging.getLogger()
    state = (list(root.handlers), list(root.filters), root.level)
    for precision in LOWER:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made.convert(precision)
    assert (root.handlers, root.filters, root.level) == state
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("name", "precision"),
    mostly_slow(
        [(name, precision) for name in MODELS for precision in (INT8, INT8_DYNAMIC)],
        [("raw", INT8), ("raw", INT8_DYNAMIC), ("convolutions", INT8), ("mixed", INT8_DYNAMIC)],
    ),
)
def test_products_of_8_bits_fit_in_16(name: str, precision: Precision) -> None:
    """Two products of an activation (0 to 255) and a weight are added in 16 bits by CPUs without VNNI."""
    initializers = converted(name, precision).graph.initializer
    weights = [tensor for tensor in initializers if tensor.data_type == onnx.TensorProto.INT8]
    largest = [np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max(initial=0) for tensor in weights]
    assert 0 < max(largest) <= (2**15 - 1) / (2 * 255)


def trained_on_digits(rows: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for step in range(200):
        batch = np.arange(48) + 48 * (step % 25)
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(rows[batch]), labels[batch]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return module


@pytest.mark.slow
def test_digits_are_still_read() -> None:
    digits = load_digits()
    rows = (digits.data / 16).astype(np.float32)
    module = trained_on_digits(torch.from_numpy(rows), torch.from_numpy(digits.target))
    made = exported_by_torch(module, x=torch.from_numpy(rows[:300]))
    (expected,) = run(made.proto, {"x": rows[1200:]}).values()
    assert (expected.argmax(1) == digits.target[1200:]).mean() > 0.9
    for precision in LOWER:
        (found,) = run(made.convert(precision), {"x": rows[1200:]}).values()
        assert not np.array_equal(found, expected)
        assert (found.argmax(1) != expected.argmax(1)).mean() < 0.01


@pytest.mark.parametrize("precision", mostly_slow(LOWER, [FLOAT16, INT8_DYNAMIC]))
def test_which_rows_are_in_a_batch_matters_for_int8_dynamic_alone(precision: Precision) -> None:
    batch = dict(model("mixed").batch)
    company = {**batch, "numbers": np.where(np.arange(8)[:, None] == 7, 100, batch["numbers"]).astype(np.float32)}
    alone, together = (next(iter(run(converted("mixed", precision), rows).values()))[:7] for rows in (batch, company))
    assert np.array_equal(alone, together) == (precision != INT8_DYNAMIC)


@pytest.mark.parametrize("precision", LOWER)
def test_nan_is_lost_in_8_bits(precision: Precision) -> None:
    """As the docstrings say: users who rely on NaN in, NaN out, stay with floating point."""
    rows = np.array(model("raw").batch["x"])
    rows[3, 0] = np.nan
    (found,) = run(converted("raw", precision), {"x": rows}).values()
    assert np.isnan(found[3]).all() == (precision == FLOAT16)
    assert not np.isnan(np.delete(found, 3, axis=0)).any()


# -------------------------------------------------------------------------------------------------------------- float16


def test_float64_rows_are_standardized_in_float32_too() -> None:
    proto = written("""<float m = {5e6}, float[8, 1] w = {1, 1, 1, 1, 1, 1, 1, 1}>
        { f = Cast<to=1>(x) c = Sub(f, m) y = MatMul(c, w) }""").proto
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    (found,) = run(to_float16(proto), {"x": np.full((1, 2, 8), 5e6 + 3)}).values()
    np.testing.assert_array_equal(found, np.full((1, 2, 1), 24, np.float32))


def test_float16_needs_standardization_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_before_layers", lambda graph, signature: [])
    (expected,) = run(model("raw").proto, model("raw").batch).values()
    (found,) = run(model("raw").convert(FLOAT16), model("raw").batch).values()
    assert not np.abs(found - expected).max() < 0.1


@pytest.mark.slow
def test_float16_holds_no_transpose_that_onnx_runtime_crashes_on() -> None:
    graph = converted("attention", FLOAT16).graph
    kinds = {tensor.name: tensor.type.tensor_type.elem_type for tensor in inferred(graph)}
    moved = [node for node in graph.node if node.op_type == "Transpose" and node.attribute[0].ints[0] == 1]
    assert moved
    factors = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    for node in moved:
        assert node.output[0] not in factors or kinds[node.output[0]] == onnx.TensorProto.FLOAT


def test_a_transpose_that_onnx_runtime_crashes_on_is_found() -> None:
    graph = written("{ a = Transpose<perm=[1,0,2]>(x) b = Transpose<perm=[0,2,1]>(x) y = MatMul(a, b) }").proto.graph
    for node in graph.node:
        node.name = node.output[0]
    assert quantization._unsafe_transposes(graph) == ["a"]


def inferred(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return list(onnx.shape_inference.infer_shapes(proto).graph.value_info)


def test_operators_without_float16_stay_in_float32() -> None:
    weights = ", ".join(["1"] * 16)
    layer = f"<float[8, 2] w = {{{weights}}}> {{ h = MatMul(x, w) i = IsInf(h) f = Cast<to=1>(i) y = Add(h, f) }}"
    (found,) = run(written(layer).convert(FLOAT16), {"x": np.ones((1, 2, 8))}).values()
    np.testing.assert_array_equal(found, np.full((1, 2, 2), 8, np.float32))


# ------------------------------------------------------------------------------------------------ what is not converted


@pytest.mark.parametrize("precision", LOWER)
def test_nothing_to_convert(precision: Precision) -> None:
    message = f"^this model has nothing to convert to {precision}; export it as float32$"
    with pytest.raises(ExportError, match=message):
        written("{ y = Add(x, x) }").convert(precision)


def test_int8_dynamic_leaves_convolutions_alone() -> None:
    made = written("<float[3, 2, 1] w = {1, 2, 3, 4, 5, 6}> { y = Conv(x, w) }")
    made.convert(INT8)
    with pytest.raises(ExportError, match="this model has nothing to convert to int8-dynamic"):
        made.convert(INT8_DYNAMIC)


def test_a_converted_model_is_not_converted_again() -> None:
    with pytest.raises(ExportError, match="this model has nothing to convert to int8"):
        to_int8(converted("raw", INT8), [model("raw").batch])


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "int8 needs rows to calibrate on; give some, or choose int8-dynamic"),
        ([{"x": np.full((2, 3), np.nan, np.float32)}], "hold NaN or infinity; drop such rows"),
        ([{"x": np.full((2, 3), np.inf, np.float32)}], "hold NaN or infinity; drop such rows"),
        ([{"y": np.ones((2, 3), np.float32)}], "int8 is not possible for this model; export it as float32: .*'x'"),
        ([{"x": np.ones((2, 4), np.float32)}], "int8 is not possible for this model; .*Got: 4 Expected: 3"),
    ],
)
def test_rows_that_cannot_calibrate(batches: list[Batch], message: str) -> None:
    with pytest.raises(ExportError, match=message) as caught:
        to_int8(model("raw").proto, batches)
    assert "\n" not in str(caught.value)


def test_a_missing_value_may_be_calibrated_on_only_where_training_had_some() -> None:
    with_one = Signature((Input("x", (Feature("a", missing=0.1), Feature("b"))),), "y", (), "regression")
    for row, is_finite in (([np.nan, 1.0], True), ([1.0, np.nan], False), ([np.inf, 1.0], False)):
        assert quantization._is_finite({"x": np.array([row], np.float32)}, with_one) == is_finite
    assert not quantization._is_finite({"x": np.array([[np.nan, 1.0]], np.float32)}, None)
    assert quantization._is_finite({"ids": np.array([[1, 2]])}, None)


@pytest.mark.parametrize("convert", [to_float16, to_int8_dynamic])
def test_a_model_that_is_not_valid(convert: Callable[[ModelProto], ModelProto]) -> None:
    proto = written("<float[8, 1] w = {1, 1, 1, 1, 1, 1, 1, 1}> { h = MatMul(x, w) y = Add(h, nowhere) }").proto
    with pytest.raises(ExportError, match="is not possible for this model; export it as float32: ") as caught:
        convert(proto)
    assert "\n" not in str(caught.value)
