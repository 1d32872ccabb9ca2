import os
from pathlib import PurePath

import pytest
from certificates import OUTPUTS
from hypothesis import given, settings
from hypothesis import strategies as st
from written_models import graph, model, node, value

from edge_runtime import (
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    OutOfResources,
    Predictor,
)
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.ort_errors import loading_error, reason_of, translated


def raised_by_onnxruntime(name: str, message: str) -> Exception:
    return type(name, (Exception,), {"__module__": "onnxruntime.capi.onnxruntime_pybind11_state"})(message)  # type: ignore[no-any-return]


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


def test_a_map_that_the_package_does_not_take() -> None:
    error = RuntimeError("Unexpected value type  <class 'str'>, it cannot be linked to C type int64_t for input 'm'.")
    translation = translated(error, "m.onnx")
    assert type(translation) is InvalidInput
    assert str(translation) == "m: ONNX Runtime's Python package does not take such a map with a value of str"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("std::bad_alloc"),
        raised_by_onnxruntime("RuntimeException", "Exception during initialization: std::bad_alloc"),
        raised_by_onnxruntime(
            "Fail", "pthread_create failed, error code: 11 error msg: Resource temporarily unavailable"
        ),
        raised_by_onnxruntime(
            "RuntimeException",
            "Non-zero status code returned while running MatMul node. Name:'/m' Status Message: "
            "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:359 void* onnxruntime::BFCArena::"
            "AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 3200000",
        ),
    ],
)
def test_what_the_system_refuses(error: Exception) -> None:
    for translation in (translated(error, "m.onnx"), loading_error(error, "m.onnx")):
        assert type(translation) is OutOfResources
        assert isinstance(translation, MemoryError)
        assert str(translation).startswith("m.onnx cannot ")
        assert "onnxruntime_src" not in str(translation)


class OutOfTime(Exception):
    """As libraries raise it in a signal handler."""


@pytest.mark.parametrize("error", [TimeoutError("late"), OutOfTime("late")])
def test_what_a_signal_handler_raises_is_passed_on(error: Exception) -> None:
    with pytest.raises(type(error), match="late"):
        translated(error, "m.onnx")


@pytest.mark.parametrize(
    "message",
    [
        "Load model from /a/m.onnx failed:Protobuf parsing failed.",
        "Failed to load model because protobuf parsing failed.",
    ],
)
def test_while_loading(message: str) -> None:
    error = raised_by_onnxruntime("Fail", message)
    translation = loading_error(error, "m.onnx")
    assert type(translation) is InvalidModel
    assert str(translation) == ("m.onnx is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("[ONNXRuntimeError] : 10 : INVALID_GRAPH : a\n  b\tc ", "a b c"),
        ("a : 1 : b", "a : 1 : b"),
        ("a [ONNXRuntimeError] : 1 : FAIL : b", "a b"),
        ("", ""),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Squeeze node. Name:'/s' "
            "Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/squeeze.h:53 static "
            "onnxruntime::TensorShapeVector onnxruntime::SqueezeBase::ComputeOutputShape(const "
            "onnxruntime::TensorShape&, const T&) input_shape[i] == 1 was false. Dimension of input 0 must be 1\n",
            "Squeeze '/s': Dimension of input 0 must be 1",
        ),
        (
            "[ONNXRuntimeError] : 10 : INVALID_GRAPH : Load model from /a b/m.onnx failed:This is an invalid model. In "
            'Node, ("", Relu, "", -1) : ("x": tensor(float),) -> ("y": tensor(float),) , Error Unrecognized attribute',
            "Relu: Unrecognized attribute",
        ),
        (f"{'a' * 5000} end of it", f"{'a' * 300} ... {'a' * 85} end of it"),
    ],
)
def test_reason(message: str, line: str) -> None:
    assert reason_of(Exception(message)) == line


FUNCTIONS = [
    "Compute ",
    "onnxruntime::Squeeze::Compute ",
    "void onnxruntime::TensorSeq::Add(onnxruntime::Tensor&&) ",
    "virtual onnxruntime::common::Status onnxruntime::Cast::Compute(onnxruntime::OpKernelContext*) const ",
    "const T& OrtValue::Get() const [with T = onnxruntime::TensorSeq] ",
    "onnxruntime::Status onnxruntime::Concat::Run(Kind*, const std::vector<a, b>&) const [with K = x; T = y<z, 5>] ",
    "std::unordered_map<std::string, int> onnxruntime::f(std::unordered_map<a, b<c> >, bool) noexcept ",
    "onnxruntime::f(int)::<lambda(long int, double)> ",
]
PLACES = ["/onnxruntime_src/onnxruntime/core/a.cc:94 ", "D:\\a\\_work\\core\\b-1.h:5 ", "tensorprotoutils.cc:619 "]
CONDITIONS = ["", "dims == 1 was false. ", "IsSameDataType(tensor) was false. ", "a.size() > 3 && b < 4 was false. "]


@given(
    st.lists(st.tuples(*map(st.sampled_from, (PLACES, FUNCTIONS, CONDITIONS))), max_size=3),
    st.sampled_from(
        ["Shape mismatch: {3} (got 4)", "Dimension of input 0 must be 1.", "X (y) of a::b is wrong", "1 of 2"]
    ),
)
def test_places_in_the_source_are_dropped(places: list[tuple[str, str, str]], said: str) -> None:
    assert reason_of(Exception("".join(map("".join, places)) + said)) == said


@pytest.mark.parametrize(
    ("name", "message", "kind", "line"),
    [
        (
            "Fail",
            "External data path validation failed for initializer: w. Error: tensorprotoutils.cc:619 "
            'ValidateExternalDataPathFromDir External data path does not exist: "/models/sub/weights.bin"',
            ModelNotFound,
            "m.onnx has its weights in weights.bin, and {folder} has no such file; copy it there, under that name",
        ),
        (
            "RuntimeException",
            "Exception during initialization: filesystem error: cannot get file size: No such file or directory "
            "[/models/sub/weights.bin]",
            ModelNotFound,
            "m.onnx has its weights in weights.bin, and {folder} has no such file; copy it there, under that name",
        ),
        (
            "RuntimeException",
            "[ONNXRuntimeError] : 1 : FAIL : GetFileLength for /models/sub/weights.bin failed:Invalid fd was supplied",
            ModelNotFound,
            "m.onnx has its weights in weights.bin, and {folder} has no such file; copy it there, under that name",
        ),
        (
            "Fail",
            "External data path for model loaded from bytes escapes working directory. "
            'External data path does not exist: "/here/weights.bin"',
            InvalidModel,
            "m.onnx has its weights in other files: open it by its path, with all of them beside it, or pass its "
            "content, and their folder as data_folder",
        ),
        (
            "Fail",
            f'Error: f External data path does not exist: "{os.devnull}/sub/weights.bin"',
            InvalidModel,
            "m.onnx has its weights in other files: open it by its path, with all of them beside it, or pass its "
            "content, and their folder as data_folder",
        ),
        (
            "Fail",
            'External data path escapes model directory. External data path: "../w" resolved path: "/a/w" allowed '
            f'directory: "{os.devnull}"',
            InvalidModel,
            "m.onnx has its weights in other files: open it by its path, with all of them beside it, or pass its "
            "content, and their folder as data_folder",
        ),
        (
            "Fail",
            'External data path escapes model directory. External data path: "../w" resolved path: "/a/w" allowed '
            'directory: "/b"',
            InvalidModel,
            "m.onnx has its weights in ../w, which is /a/w, and ONNX Runtime reads only what lies in /b; put it there, "
            "and open the model there",
        ),
        (
            "RuntimeException",
            "a.cc:33 f::g(int) !model_path.empty() was false. model_path must not be empty. Ensure that a path",
            InvalidModel,
            "m.onnx has its weights in other files: open it by its path, with all of them beside it, or pass its "
            "content, and their folder as data_folder",
        ),
        (
            "Fail",
            "GetExtDataFromTensorProto External initializer: w offset: 0 size to read: 16000 given file_length: 2 are",
            InvalidModel,
            "a file that holds weights of m.onnx is cut: it has 2 bytes, and 16,000 are to be read from one place of "
            "it; copy it again",
        ),
        (
            "Fail",
            "Load model from m.onnx failed:Fatal error: com.acme:Fancy(-1) is not a registered function/op",
            InvalidModel,
            "m.onnx has the custom operator com.acme:Fancy; give the library that has it: custom_operators=path, at "
            "the shell --operators FILE",
        ),
    ],
)
def test_what_is_missing(name: str, message: str, kind: type[EdgePredictError], line: str) -> None:
    translation = loading_error(raised_by_onnxruntime(name, message), "m.onnx")
    assert type(translation) is kind
    assert str(translation) == line.format(folder=PurePath("/models/sub"))


X, Y = "(float[n] x) => (float[n] y)", '["" : 17]'
ODD = {
    "custom": (
        '["" : 17, "com.acme" : 1]',
        "y = com.acme.Fancy(x)",
        r"has the custom operator com\.acme:Fancy; give the ",
    ),
    "undeclared": (Y, "y = com.acme.Fancy(x)", r"has the custom operator com\.acme:Fancy; give the library"),
    "extensions": (
        '["" : 17, "ai.onnx.contrib" : 1]',
        "y = ai.onnx.contrib.StringUpper(x)",
        "has the custom operator ai.onnx.contrib:StringUpper; onnxruntime-extensions has it",
    ),
    "operator": (Y, "y = Relux(x)", "has the operator Relux, which this ONNX Runtime does not know in opset 17$"),
    "opset": (
        '["" : 99]',
        "y = Relu(x)",
        r"is of opset 99 of ai\.onnx, and this ONNX Runtime knows those up to \d+; upgrade",
    ),
    "dangling": (Y, "y = Add(x, z)", r"can load \(Node input 'z' is not a graph input"),
    "output": (Y, "q = Relu(x)", r"can load \(Graph output \(y\) does not exist in the graph\)$"),
    "cycle": (Y, "z = Add(x, y)  y = Relu(z)", r"can load \(the graph is not acyclic\)$"),
    "twice": (Y, "y = Relu(x)  y = Abs(x)", r"can load \(Duplicate definition of name \(y\)\)$"),
    "attribute": (Y, "y = Relu <foo = 1> (x)", r"can load \(Relu: Unrecognized attribute: foo for operator Relu\)$"),
}


@pytest.mark.parametrize("odd", ODD)
def test_models_that_are_odd(odd: str) -> None:
    parser = pytest.importorskip("onnx.parser")
    opsets, nodes, message = ODD[odd]
    text = f"<ir_version: 8, opset_import: {opsets}> odd {X} {{ {nodes} }}"
    with pytest.raises(InvalidModel, match=message) as raised:
        Predictor(parser.parse_model(text).SerializeToString(), device="cpu")
    check_line(raised.value)


def check_line(error: BaseException) -> None:
    line = str(error)
    assert len(line.splitlines()) == 1
    assert len(line) < 700
    for noise in ("onnxruntime_src", ".cc:", ".h:", "ONNXRuntimeError", "onnxruntime::"):
        assert noise not in line


@settings(deadline=None)
@given(st.data())
def test_damaged_files_are_refused_in_one_line(data: st.DataObject) -> None:
    content = bytearray(OUTPUTS.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] = data.draw(st.integers(0, 255))
    try:
        Predictor(bytes(content), device="cpu").run({"x": [[1, 2]]})
    except EdgePredictError as error:
        check_line(error)


def test_names_as_long_as_a_file() -> None:
    name = "n" * 10**6
    main = graph([node("Foo", ["x"], ["y"], domain=name)], [value("x", [1])], [value("y", [1])])
    with pytest.raises(InvalidModel) as raised:
        Predictor(model(main), "cpu")
    assert len(str(raised.value)) < 1000
