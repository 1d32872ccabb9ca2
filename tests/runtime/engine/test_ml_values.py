import importlib.util
import sys

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import InvalidInput, Predictor, TensorSpec
from edge_runtime.engine import ml_values
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.ml_values import given_by_default


def specs(*types: str) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(f"y{index}", type_, ()) for index, type_ in enumerate(types))


@pytest.mark.parametrize(
    ("types", "with_package", "without"),
    [
        (["tensor(float)", "seq(tensor(float))"], "01", "01"),
        (["tensor(float)", "tensor(bfloat16)", "tensor(int4)"], "012", "0"),
        (["tensor(bfloat16)", "tensor(int4)"], "01", "01"),
        (["tensor(bfloat16)", "seq(tensor(float))", "tensor(string)"], "12", "12"),
    ],
)
def test_what_is_given_by_default(
    types: list[str], with_package: str, without: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for found, expected in ((object(), with_package), (None, without)):
        monkeypatch.setattr(ml_values, "find_spec", lambda _, found=found: found)
        assert "".join(spec.name[1:] for spec in given_by_default(specs(*types))) == expected


def model(inputs: str, outputs: str, nodes: str) -> Predictor:
    parser = pytest.importorskip("onnx.parser")
    text = f'<ir_version: 8, opset_import: ["" : 17]> mixed ({inputs}) => ({outputs}) {{ {nodes} }}'
    return Predictor(parser.parse_model(text).SerializeToString(), device="cpu")


BESIDE = "y = Cast <to = 16> (x)  s = SequenceConstruct(x)"


def test_outputs_that_are_not_given_together() -> None:
    predictor = model("float[n] x", "bfloat16[n] y, seq(float[n]) s", BESIDE)
    assert list(predictor.run({"x": [1]})) == ["s"]
    assert predictor.run({"x": [1.5]}, outputs=["y"])["y"].astype(float).tolist() == [1.5]
    with pytest.raises(InvalidInput, match=r"^ONNX Runtime cannot return the outputs y: bfloat16 \[n\] and s: seq"):
        predictor.run({"x": [1]}, outputs=["y", "s"])


def test_inputs_that_are_not_taken_together() -> None:
    nodes = "y = Cast <to = 16> (x)  u = Identity(t)"
    predictor = model("float[n] x, string[m] t", "bfloat16[n] y, string[m] u", nodes)
    with pytest.raises(InvalidInput, match=r"cannot return the output y: bfloat16 \[n\] of a call with t: string"):
        predictor.run({"x": [1], "t": ["a"]})
    assert predictor.run({"x": [1], "t": ["a"]}, outputs=["u"])["u"].tolist() == ["a"]


def test_an_output_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = model("float[n] x", "bfloat16[n] y, float[n] z", "y = Cast <to = 16> (x)  z = Abs(x)")
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(InvalidInput, match=r"^the output y: bfloat16 \[n\] is of a type of ml_dtypes; pip install ml_"):
        predictor.run({"x": [1]}, outputs=["y"])
    assert predictor.run({"x": [-1]}, outputs=["z"])["z"].tolist() == [1]


@pytest.mark.skipif(importlib.util.find_spec("ml_dtypes") is None, reason="needs ml_dtypes")
def test_results_are_copies() -> None:
    if not hasattr(import_onnxruntime().OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        pytest.skip("this ONNX Runtime does not take bfloat16")
    predictor = Predictor(MODELS / "half.onnx", device="cpu")
    first = predictor.run({"x": np.ones(1000)})["narrow"]
    for value in range(5):
        predictor.run({"x": np.full(1000, value)})
    assert (first.astype(float) == 1).all()
    first[0] = 5  # the caller may write to it
