"""ONNX's own tests of its operators: what ONNX Runtime gives for them, `run` gives, bit for bit."""

import collections
import ctypes
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from edge_runtime import EdgePredictError, Predictor
from edge_runtime.contract.tensors import ML_TYPES

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


def cases() -> Iterator[tuple[str, bytes, list[Any]]]:
    """The name, the file and the inputs of each test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    for case in tests:
        assert case.data_sets is not None or case.model is None
        if case.model is not None:
            yield case.name, case.model.SerializeToString(), list(map(plain, (case.data_sets or [])[0][0]))
            continue
        folder = Path(case.model_dir or "")
        files = folder.glob("test_data_set_0/input_*.pb")
        ordered = sorted(files, key=lambda path: int(path.stem.removeprefix("input_")))
        model = onnx.load(folder / "model.onnx")
        kinds = [value.type.WhichOneof("value") for value in model.graph.input]
        inputs = [read(path.read_bytes(), kind) for path, kind in zip(ordered, kinds, strict=False)]
        yield case.name, model.SerializeToString(), inputs


def plain(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def read(content: bytes, kind: str | None) -> Any:
    if kind == "sequence_type":
        return numpy_helper.to_list(onnx.SequenceProto.FromString(content))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(content))
    return numpy_helper.to_array(onnx.TensorProto.FromString(content))


def raw_outputs(content: bytes, inputs: Mapping[int, Any]) -> list[Any]:
    """What ONNX Runtime gives by itself; bytes for tensors of types that its Python package cannot give."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [spec.name for spec in session.get_inputs()]
    feed = {names[index]: raw_value(value) for index, value in inputs.items()}
    if not any(is_ml_type(spec.type) for spec in session.get_outputs()):
        return list(session.run(None, feed))
    values = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in feed.items()
    }
    return [
        ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
        if is_ml_type(value.data_type())
        else value.numpy()
        for value in session.run_with_ort_values(None, values)
    ]


def is_ml_type(name: str) -> bool:
    return name.removeprefix("tensor(").removesuffix(")") in ML_TYPES


def raw_value(value: Any) -> Any:
    """An OrtValue of the bytes that ONNX stores for a tensor of a type that numpy does not have."""
    if not isinstance(value, np.ndarray) or value.dtype.name not in ML_TYPES.values():
        return value
    proto = numpy_helper.from_array(value)
    content = np.zeros(value.shape, f"u{value.itemsize}")
    content.reshape(-1).view(np.uint8)[: len(proto.raw_data)] = np.frombuffer(proto.raw_data, np.uint8)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(content, proto.data_type)


def same(found: Any, expected: Any) -> bool:
    """Whether both are the very same: types, shapes and bits."""
    if isinstance(expected, bytes):
        return (found if isinstance(found, bytes) else numpy_helper.from_array(found).raw_data) == expected
    if isinstance(expected, np.ndarray):
        if found.dtype != expected.dtype or found.shape != expected.shape:
            return False
        if expected.dtype == object:
            return bool(found.tolist() == expected.tolist())
        return bool(found.tobytes() == expected.tobytes())
    if isinstance(expected, list):
        return type(found) is list and len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and bool(found == expected)


def outcome(content: bytes, inputs: list[Any]) -> str:
    """What became of a test: "not run" by ONNX Runtime itself, "random", "same", or what is wrong."""
    given = {index: value for index, value in enumerate(inputs) if value is not None}
    try:
        expected, again = raw_outputs(content, given), raw_outputs(content, given)
    except Exception:
        return "not run"
    if not same(again, expected):
        return "random"
    try:
        predictor = Predictor(content, device="cpu", threads=1)
        found = predictor.run({predictor.inputs[index].name: value for index, value in given.items()})
    except EdgePredictError as error:
        return f"{type(error).__name__}: {error}"
    has_ml_type = any(isinstance(value, bytes) for value in expected)
    return ("same, ml_dtypes" if has_ml_type else "same") if same(list(found.values()), expected) else "differs"


@pytest.mark.slow
def test_all_that_onnx_runtime_runs() -> None:
    pytest.importorskip("ml_dtypes")
    outcomes: dict[str, list[str]] = collections.defaultdict(list)
    for name, content, inputs in cases():
        outcomes[outcome(content, inputs)].append(name)
    print({what: len(names) for what, names in outcomes.items()})
    expected = ("same", "same, ml_dtypes", "random", "not run")
    assert {what: names for what, names in outcomes.items() if what not in expected} == {}
    assert len(outcomes["same"]) > 1600
    assert len(outcomes["same, ml_dtypes"]) > 50
    assert len(outcomes["random"]) < 10
