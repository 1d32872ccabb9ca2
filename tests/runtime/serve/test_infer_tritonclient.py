"""The Open Inference Protocol as Triton's own client speaks it, with our artifacts and with files from elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from concurrency import HANG
from paths import FOUR_BLOBS, MODELS
from servers import serving

from edge_runtime import Predictor

http = pytest.importorskip("tritonclient.http")
utils = pytest.importorskip("tritonclient.utils")

FILES = ["four_blobs", "penguins", "islands", "images", "words", "mass", "tensors", "outputs", "three_labels"]


@pytest.fixture(scope="module")
def client(foreign: dict[str, Path]) -> Iterator[Any]:
    files = [f"{name}={file}" for name, file in foreign.items()]
    with (
        serving(*(MODELS / f"{name}.onnx" for name in FILES), *files, "--no-verify") as server,
        http.InferenceServerClient("{}:{}".format(*server.address), network_timeout=HANG) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models as other programs make them, if onnx is here to make them."""
    try:
        import onnx
    except ImportError:
        return {}
    folder = tmp_path_factory.mktemp("foreign")
    models = {
        "scalars": "(float s, int64 t) => (float y) { f = Cast<to = 1>(t) y = Add(s, f) }",
        "strings": "(string[n] a, string[n] b) => (string[n] y) { y = StringConcat(a, b) }",
        "halves": "(float16[n, m] x) => (float16[n, m] y, bool[n, m] negative) "
        "{ y = Neg(x) zero = CastLike(z, x) negative = Less(x, zero) }",
        "bytes": "(int8[n] a, uint8[n] b) => (int8[n] c, uint8[n] d) { c = Neg(a) d = Add(b, b) }",
        "ranks": "(float[a, b, c] x) => (float[c, b, a] y) { y = Transpose<perm = [2, 1, 0]>(x) }",
        "fixed": "(double[2, 2] x) => (double[2, 2] y) { y = MatMul(x, x) }",
        "brains": "(bfloat16[n] x, float[n] y) => (bfloat16[n] z, float[n] w) "
        "{ f = Cast<to = 1>(x) g = Neg(f) z = Cast<to = 16>(g) w = Neg(y) }",
        "none": "(int64[n] shape) => (float[k] y, int64[j] size) { y = ConstantOfShape(shape) size = Shape(y) }",
    }
    for name, body in models.items():
        if name == "halves":
            body = body.replace("{", "<float z = {0.0}> {")
        text = f'<ir_version: 9, opset_import: ["" : 20]> g {body}'
        onnx.save(onnx.parser.parse_model(text), folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in models}


INPUTS: dict[str, dict[str, Any]] = {
    "four_blobs": {"x": np.array([[-1, 1], [1, 1], [0, 0]], np.float32)},
    "penguins": {
        "x": np.array([[40, np.nan, 1], [50, 20, 0]], np.float32),
        "text": np.array([["Dream", "2008"], ["", "Ätlantis"]], object),
    },
    "islands": {"text": np.array([["Dream", "2008"]], object)},
    "images": {"image": np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype(np.float32)},
    "words": {"ids": np.array([[3, 9, 27]]), "mask": np.array([[True, True, False]])},
    "mass": {"x": np.array([[np.nan, 3]], np.float32)},
    "outputs": {"x": np.array([[1, 2], [np.inf, -1]], np.float32)},
    "three_labels": {"x": np.array([[1, 2]], np.float32)},
    "scalars": {"s": np.array(1.5, np.float32), "t": np.array(-3)},
    "strings": {"a": np.array(["a", "", "𝄞"], object), "b": np.array(["ä", "b", ""], object)},
    "halves": {"x": np.array([[1.5, -2], [0, 65504]], np.float16)},
    "bytes": {"a": np.array([-1, 127], np.int8), "b": np.array([0, 100], np.uint8)},
    "ranks": {"x": np.arange(24, dtype=np.float32).reshape(2, 3, 4)},
    "fixed": {"x": np.array([[1, 2], [3, 4.5]])},
    "none": {"shape": np.array([0])},
}


def file_of(name: str, foreign: dict[str, Path]) -> Path:
    if name in FILES:
        return MODELS / f"{name}.onnx"
    return foreign[name] if foreign else pytest.skip("onnx is not installed")


def given(arrays: dict[str, Any], binary: bool) -> list[Any]:
    found = []
    for name, array in arrays.items():
        tensor = http.InferInput(name, list(array.shape), utils.np_to_triton_dtype(array.dtype))
        found.append(tensor.set_data_from_numpy(array, binary_data=binary))
    return found


def as_text(array: Any) -> Any:
    """An array of bytes or strings as strings; others as they are."""
    if array.dtype != object:
        return array
    return np.array([e.decode() if isinstance(e, bytes) else e for e in array.ravel()], object).reshape(array.shape)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("binary", [True, False])
def test_outputs_are_those_of_the_predictor(client: Any, foreign: dict[str, Path], name: str, binary: bool) -> None:
    expected = Predictor(file_of(name, foreign), device="cpu").run(INPUTS[name])
    outputs = [http.InferRequestedOutput(output, binary_data=binary) for output in expected]
    result = client.infer(name, given(INPUTS[name], binary), outputs=outputs, request_id="abc")
    assert result.get_response()["id"] == "abc"
    for output, array in expected.items():
        found = as_text(result.as_numpy(output))
        assert found.shape == array.shape
        np.testing.assert_array_equal(found, as_text(array))
        if array.size:
            assert found.dtype == array.dtype


def test_every_type_of_tensor(client: Any) -> None:
    arrays = {
        "float16": np.array([[1, -2]], np.float16),
        "float32": np.array([[1, -2]], np.float32),
        "float64": np.array([0.1]),
        "int8": np.array([-128], np.int8),
        "int64": np.array([-(2**63)]),
        "uint8": np.array([0, 1, 255], np.uint8),
        "bool": np.array([True, False]),
    }
    predictor = Predictor(MODELS / "tensors.onnx", device="cpu")
    for spec in predictor.inputs:
        if spec.name not in arrays:
            shape = [size if isinstance(size, int) else 1 for size in spec.shape]
            arrays[spec.name] = np.full(shape, "a" if spec.dtype == object else 1, spec.dtype)
    expected = predictor.run(arrays)
    result = client.infer("tensors", given(arrays, True))
    for output, array in expected.items():
        np.testing.assert_array_equal(as_text(result.as_numpy(output)), as_text(array))


def test_bfloat16(client: Any, foreign: dict[str, Path]) -> None:
    pytest.importorskip("ml_dtypes")
    file_of("brains", foreign)
    x = http.InferInput("x", [2], "BF16").set_data_from_numpy(np.array([1.5, -2], np.float32))
    y = given({"y": np.array([1, 2], np.float32)}, True)
    assert client.get_model_metadata("brains")["outputs"][0]["datatype"] == "BF16"
    result = client.infer("brains", [x, *y])
    assert result.as_numpy("z").tolist() == [-1.5, 2]
    assert result.as_numpy("w").tolist() == [-1, -2]


def test_health_metadata_and_configuration(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("penguins")
    assert client.is_model_ready("penguins", "1")
    assert not client.is_model_ready("nothing")
    assert not client.is_model_ready("penguins", "9")
    assert client.get_server_metadata()["name"] == "edge-serve"
    assert client.get_model_metadata("penguins")["inputs"][1]["datatype"] == "BYTES"
    assert client.get_model_config("penguins")["backend"] == "onnxruntime"
    assert len(client.get_model_repository_index()) >= len(FILES)
    with pytest.raises(utils.InferenceServerException, match="loaded when the server starts"):
        client.load_model("penguins")


def test_a_choice_of_outputs(client: Any) -> None:
    names = list(Predictor(MODELS / "outputs.onnx", device="cpu").run(INPUTS["outputs"]))
    wanted = [http.InferRequestedOutput(names[1], binary_data=False), http.InferRequestedOutput(names[0])]
    result = client.infer("outputs", given(INPUTS["outputs"], True), outputs=wanted)
    assert [output["name"] for output in result.get_response()["outputs"]] == [names[1], names[0]]
    assert result.as_numpy(names[2]) is None
    everything = client.infer("outputs", given(INPUTS["outputs"], False))
    assert [output["name"] for output in everything.get_response()["outputs"]] == names


def test_classification(client: Any) -> None:
    predictor = Predictor(MODELS / "penguins.onnx", device="cpu")
    probabilities = predictor.run(INPUTS["penguins"])["probabilities"]
    wanted = [http.InferRequestedOutput("probabilities", class_count=2)]
    found = as_text(client.infer("penguins", given(INPUTS["penguins"], True), outputs=wanted).as_numpy("probabilities"))
    assert found.shape == (2, 2)
    for row, strings in zip(probabilities, found, strict=True):
        best = np.argsort(-row)[:2]
        assert [string.split(":")[1:] for string in strings] == [[str(i), predictor.classes_[i]] for i in best]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(client: Any, algorithm: str) -> None:
    arrays = {"image": np.zeros((500, 2, 3, 4), np.float32)}
    result = client.infer(
        "images",
        given(arrays, True),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    expected = Predictor(MODELS / "images.onnx", device="cpu").run(arrays)["probabilities"]
    np.testing.assert_array_equal(result.as_numpy("probabilities"), expected)


def test_clients_at_the_same_time(client: Any) -> None:
    requests = [client.async_infer("four_blobs", given(INPUTS["four_blobs"], True)) for _ in range(32)]
    expected = Predictor(FOUR_BLOBS, device="cpu").run(INPUTS["four_blobs"])["probability"]
    for request in requests:
        np.testing.assert_array_equal(request.get_result().as_numpy("probability"), expected)


@pytest.mark.parametrize(
    ("name", "arrays", "status", "message"),
    [
        ("nothing", {"x": np.zeros((1, 2), np.float32)}, "404", "there is no model 'nothing'"),
        ("four_blobs", {"y": np.zeros((1, 2), np.float32)}, "400", "unknown y"),
        ("four_blobs", {"x": np.zeros((1, 3), np.float32)}, "400", r"found shape \[1, 3\]"),
        ("four_blobs", {"x": np.array([["a", "b"]], object)}, "400", "float32 is expected, found"),
    ],
)
def test_errors(client: Any, name: str, arrays: dict[str, Any], status: str, message: str) -> None:
    with pytest.raises(utils.InferenceServerException, match=message) as error:
        client.infer(name, given(arrays, True))
    assert error.value.status() == status
