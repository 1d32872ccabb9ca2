import pytest

from edge_runtime import EdgePredictError, InferenceFailed, InvalidInput, InvalidModel, ModelNotFound
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.ort_errors import loading_error, reason_of, translated


def raised_by_onnxruntime(name: str, message: str) -> Exception:
    return type(name, (Exception,), {})(message)  # type: ignore[no-any-return]


def test_every_exception_of_onnxruntime_is_translated() -> None:
    import_onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    exceptions = [value for value in vars(state).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(exceptions) >= 10
    for exception in exceptions:
        translation = translated(exception("[ONNXRuntimeError] : 1 : FAIL : the\nreason"), "m.onnx")
        assert isinstance(translation, EdgePredictError)
        assert str(translation).endswith("the reason")
        assert "m.onnx" in str(translation)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("NoSuchFile", ModelNotFound, "m.onnx: no such file, or one that it refers to is missing: why"),
        ("InvalidProtobuf", InvalidModel, "m.onnx is not a model that ONNX Runtime can load: why"),
        ("InvalidGraph", InvalidModel, "m.onnx is not a model that ONNX Runtime can load: why"),
        ("NoModel", InvalidModel, "m.onnx is not a model that ONNX Runtime can load: why"),
        ("ModelLoaded", InvalidModel, "m.onnx is not a model that ONNX Runtime can load: why"),
        ("ModelRequiresCompilation", InvalidModel, "m.onnx is not a model that ONNX Runtime can load: why"),
        ("InvalidArgument", InvalidInput, "m.onnx cannot take these inputs: why"),
        ("ValueError", InvalidInput, "m.onnx cannot take these inputs: why"),
        ("TypeError", InvalidInput, "m.onnx cannot take these inputs: why"),
        ("Fail", InferenceFailed, "ONNX Runtime failed on m.onnx: why"),
        ("RuntimeError", InferenceFailed, "ONNX Runtime failed on m.onnx: why"),
    ],
)
def test_translations(name: str, kind: type[EdgePredictError], message: str) -> None:
    translation = translated(raised_by_onnxruntime(name, "[ONNXRuntimeError] : 2 : NAME : why"), "m.onnx")
    assert type(translation) is kind
    assert str(translation) == message


def test_while_loading() -> None:
    error = raised_by_onnxruntime("Fail", "Load model from /a/m.onnx failed:Protobuf parsing failed.")
    translation = loading_error(error, "m.onnx")
    assert type(translation) is InvalidModel
    assert str(translation) == (
        "m.onnx is not a model that ONNX Runtime can load (Protobuf parsing failed); edge-export makes one"
    )
    missing = loading_error(raised_by_onnxruntime("NoSuchFile", "why"), "m.onnx")
    assert type(missing) is ModelNotFound


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : a\n  b\tc ", "a b c"),
        ("a : 1 : b", "a : 1 : b"),
        ("a [ONNXRuntimeError] : 1 : FAIL : b", "a [ONNXRuntimeError] : 1 : FAIL : b"),
        ("", ""),
    ],
)
def test_reason(message: str, line: str) -> None:
    assert reason_of(Exception(message)) == line
