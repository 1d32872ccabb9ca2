from typing import Any

import numpy as np
import orjson
import pytest
from paths import FOUR_BLOBS, MODELS
from servers import ask

from edge_runtime import Predictor
from edge_runtime.contract.version import __version__
from edge_runtime.serve import ServedModels, ServeLimits, create_app

PATH = "/v2/models/blobs/infer"
X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [-1, 1]}


@pytest.fixture(scope="module")
def app() -> Any:
    names = {"blobs": FOUR_BLOBS, "penguins": MODELS / "penguins.onnx", "outputs": MODELS / "outputs.onnx"}
    return create_app(ServedModels({name: Predictor(file, device="cpu") for name, file in names.items()}))


def infer(app: Any, request: object, path: str = PATH) -> Any:
    return ask(app, path, orjson.dumps(request)).json


def infer_error(app: Any, text: bytes) -> str:
    response = ask(app, PATH, text)
    assert response.status == 400
    error: str = response.json["error"]
    return error


def test_health_and_server_metadata() -> None:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")})
    app = create_app(models)
    assert ask(app, "/v2/health/live").json == {"live": True}
    assert ask(app, "/v2/health/ready").json == {"ready": True}
    models.is_ready = False
    assert ask(app, "/v2/health/ready").status == 503
    about = ask(app, "/v2").json
    assert about["version"] == __version__
    assert "binary_tensor_data" in about["extensions"]


def test_model_metadata(app: Any) -> None:
    expected = {
        "name": "penguins",
        "versions": ["1"],
        "platform": "onnx_onnxv1",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "text", "datatype": "BYTES", "shape": [-1, 2]},
        ],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
    }
    for path in ("/v2/models/penguins", "/v2/models/penguins/versions/1"):
        assert ask(app, path).json == expected
        assert ask(app, f"{path}/ready").json == {"name": "penguins", "ready": True}
    config = ask(app, "/v2/models/penguins/config").json
    assert config["input"][1] == {"name": "text", "data_type": "TYPE_STRING", "dims": [-1, 2]}
    index = ask(app, "/v2/repository/index", b"").json
    assert [(model["name"], model["state"]) for model in index] == [
        (name, "READY") for name in ("blobs", "penguins", "outputs")
    ]


def test_an_answer(app: Any) -> None:
    expected = Predictor(FOUR_BLOBS, device="cpu").run({"x": [[-1, 1]]})["probability"]
    for path in (PATH, "/v2/models/blobs/versions/1/infer"):
        found = infer(app, {"id": "7", "inputs": [X], "parameters": {"priority": 3}}, path)
        (output,) = found.pop("outputs")
        assert found == {"model_name": "blobs", "model_version": "1", "id": "7"}
        assert np.array_equal(np.array(output.pop("data"), np.float32), expected.ravel())
        assert output == {"name": "probability", "datatype": "FP32", "shape": [1, 1]}


def test_numbers_are_cast_as_everywhere(app: Any) -> None:
    as_float = infer(app, {"inputs": [X]})
    assert infer(app, {"inputs": [{**X, "datatype": "INT64"}]}) == as_float
    assert infer(app, {"inputs": [{**X, "datatype": "FP64", "data": [[-1.0, 1.0]]}]}) == as_float


def test_what_is_null_is_not_given(app: Any) -> None:
    absent = {"id": None, "parameters": None, "outputs": None}
    assert infer(app, {"inputs": [{**X, "parameters": None}], **absent}) == infer(app, {"inputs": [X]})


@pytest.mark.parametrize(("island", "year"), [(2, 1), (1, 2)])
def test_inputs_that_do_not_have_as_many_rows(app: Any, island: int, year: int) -> None:
    rows = {"x": island, "text": year}
    values: dict[str, Any] = {"x": ("FP32", [1.0, 2.0, 3.0]), "text": ("BYTES", ["Biscoe", "2007"])}
    inputs = [
        {"name": name, "datatype": datatype, "shape": [rows[name], len(row)], "data": row * rows[name]}
        for name, (datatype, row) in values.items()
    ]
    for _ in range(3):  # the first of them waits for others, until it is known what a call takes
        response = ask(app, "/v2/models/penguins/infer", orjson.dumps({"inputs": inputs}))
        message = f"batch must be the same everywhere: x has {island}, text {year}"
        assert (response.status, response.json) == (400, {"error": message})


def test_numbers_that_json_does_not_have(app: Any) -> None:
    # Triton's clients write them as they are, and expect them so.
    text = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[2,2],"data":[NaN,1,Infinity,-Infinity]}]}'
    response = ask(app, "/v2/models/outputs/infer", text)
    assert response.status == 200
    assert b"NaN" in response.body
    values = response.json["outputs"][0]["data"]
    expected = Predictor(MODELS / "outputs.onnx", device="cpu").run({"x": [[np.nan, 1], [np.inf, -np.inf]]})
    np.testing.assert_array_equal(np.array(values, np.float32), next(iter(expected.values())).ravel())


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        (b"", 400, "the request is not JSON"),
        (b"[1]", 400, "must be a JSON object"),
        (b"[" * 100_000, 400, "the request is not JSON"),
        (b"\xff", 400, "the request is not JSON"),
        ({}, 400, "the request must have inputs: a list of objects"),
        ({"inputs": [1]}, 400, "the request must have inputs"),
        ({"inputs": []}, 400, "missing x"),
        ({"inputs": [{**X, "name": "y"}]}, 400, "unknown y"),
        ({"inputs": [{**X, "shape": [2]}]}, 400, "the model takes x: float32 [batch, 2]"),
        ({"inputs": [{**X, "shape": [1, 3], "data": [1, 2, 3]}]}, 400, "found shape [1, 3]"),
        ({"inputs": [{**X, "datatype": "BYTES", "data": ["a", "b"]}]}, 400, "x: float32 is expected"),
        ({"inputs": [{**X, "parameters": 3}]}, 400, "parameters must be an object"),
        ({"inputs": [{**X, "parameters": {"binary_data_size": 8}}]}, 400, "binary_data_size is 8, and 0 bytes"),
        ({"inputs": [{**X, "parameters": {"binary_data_size": -1}}]}, 400, "binary_data_size is -1"),
        ({"inputs": [{**X, "parameters": {"shared_memory_region": "r"}}]}, 400, "does not read shared memory"),
        ({"inputs": [X], "outputs": [{"name": "z"}]}, 400, "no output 'z' that is a tensor; it has probability"),
        ({"inputs": [X], "outputs": "probability"}, 400, "the request must have outputs"),
        ({"inputs": [X, X]}, 400, "x is given more than once"),
        ({"inputs": [X], "id": 7}, 400, "id must be a string, found 7"),
        (b'{"inputs": [], "id": "\\ud800"}', 400, "is half a character"),
        (b'{"inputs": [], "id": "\xed\xa0\x80"}', 400, "can't decode byte 0xed"),
        (b'{"inputs": [{"name": "\\uD800", "datatype": "FP32", "shape": [], "data": [NaN]}]}', 400, "half a char"),
        (
            {"inputs": [X], "outputs": [{"name": "probability", "parameters": {"shared_memory_region": "r"}}]},
            400,
            "does not write shared memory",
        ),
        (
            {"inputs": [X], "outputs": [{"name": "probability", "parameters": {"classification": 0}}]},
            400,
            "classification must be",
        ),
    ],
)
def test_requests_that_are_refused(app: Any, request_: Any, status: int, message: str) -> None:
    response = ask(app, PATH, request_ if isinstance(request_, bytes) else orjson.dumps(request_))
    assert (response.status, message in response.json["error"]) == (status, True), response.json


@pytest.mark.parametrize("levels", [900, 980, 1015, 20_000])
@pytest.mark.parametrize(
    "request_",
    [
        b'{"inputs": [{"name": DEEP}]}',
        b'{"inputs": [{"name": "x", "datatype": DEEP, "shape": [1]}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, DEEP]}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": DEEP}]}',
        b'{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1, 2], "data": DEEP}]}',
        b'{"inputs": [{"name": "x", "datatype": "FP32", "parameters": {"binary_data_size": DEEP}}]}',
        b'{"inputs": [], "id": DEEP}',
        b'{"inputs": [], "id": DEEP, "parameters": {"x": NaN, "y": "\\ud800"}}',
        b'{"inputs": [], "outputs": [{"name": DEEP}]}',
        b'{"inputs": [], "outputs": [{"name": "probability", "parameters": {"classification": DEEP}}]}',
    ],
)
def test_values_that_are_nested_deeply(app: Any, request_: bytes, levels: int) -> None:
    response = ask(app, PATH, request_.replace(b"DEEP", b"[" * levels + b"]" * levels))
    assert response.status == 400, response
    assert 10 < len(response.json["error"]) < 500


@pytest.mark.parametrize(
    "input_",
    [
        {"name": "x" * 10**6},
        {"datatype": "F" * 10**6},
        {"shape": [-1] * 10**6},
        {"shape": [1] * 10**6},
        {"shape": [2**63 - 1] * 10**5},
        {"shape": [2**63, 0]},
        {"parameters": {"binary_data_size": [1] * 10**6}},
        {"data": ["x" * 10**6, 1]},
    ],
    ids=range(8),
)
def test_an_error_does_not_send_back_what_was_sent(app: Any, input_: dict[str, Any]) -> None:
    response = ask(app, PATH, orjson.dumps({"inputs": [{**X, **input_}]}))
    assert response.status == 400
    assert 10 < len(response.json["error"]) < 500


@pytest.mark.parametrize("shape", ["9" * 4000, "1" + "0" * 99, "9223372036854775807, 9223372036854775807"])
def test_sizes_that_no_tensor_has(app: Any, shape: str) -> None:
    # With NaN, Python reads the JSON, and integers of any size.
    text = f'{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [1, {shape}], "data": [NaN, 1]}}]}}'
    assert "shape" in infer_error(app, text.encode())


@pytest.mark.parametrize("digits", ["1e400", "-1e400", "1e999999999", "9" * 400, "9" * 5000, "3.5e38"])
def test_numbers_that_are_too_large(app: Any, digits: str) -> None:
    for other in ("1", "NaN"):
        text = f'{{"inputs": [{{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [{other}, {digits}]}}]}}'
        assert len(infer_error(app, text.encode())) < 500


def test_many_inputs(app: Any) -> None:
    inputs = [{**X, "name": f"x{place}"} for place in range(20_000)]
    assert "missing x, unknown x0, x1" in infer_error(app, orjson.dumps({"inputs": inputs}))
    assert infer_error(app, orjson.dumps({"inputs": [X] * 20_000})) == "x is given more than once"
    # Of a name that comes twice in an object, the last value counts, as JSON readers have it.
    twice = b'{"inputs": [], ' + orjson.dumps({"inputs": [X]})[1:]
    assert ask(app, PATH, twice).json == infer(app, {"inputs": [X]})


def test_paths_that_are_refused(app: Any) -> None:
    body = orjson.dumps({"inputs": [X]})
    for path, content, status, message in [
        ("/v2/models/none/infer", body, 404, "there is no model 'none'"),
        ("/v2/models/blobs/versions/2/infer", body, 404, "blobs has no version '2'"),
        ("/v2/models/none", None, 404, "there is no model 'none'"),
        ("/v2/models", None, 404, "there is nothing at /v2/models; GET /openapi.json says what there is"),
        ("/v2/models/blobs/versions/2", None, 404, "blobs has no version '2'"),
        ("/v2/repository/models/blobs/load", b"", 400, "models are loaded when the server starts"),
        (PATH, None, 405, f"GET is not for {PATH}; use POST"),
    ]:
        response = ask(app, path, content)
        assert (response.status, message in response.json["error"]) == (status, True), path


def large(rows: int) -> tuple[bytes, dict[str, str]]:
    """A request whose call takes a while."""
    parameters = {"binary_data_size": rows * 96}
    tensor = {"name": "image", "datatype": "FP32", "shape": [rows, 2, 3, 4], "parameters": parameters}
    text = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    return text + bytes(rows * 96), {"inference_header_content_length": str(len(text))}


def test_a_call_that_takes_too_long() -> None:
    models = ServedModels({"images": Predictor(MODELS / "images.onnx", device="cpu")}, ServeLimits(seconds=1e-5))
    body, headers = large(100_000)
    response = ask(create_app(models), "/v2/models/images/infer", body, **headers)
    assert (response.status, response.json) == (504, {"error": "there was no answer within 1e-05 seconds"})


def test_more_requests_than_may_wait() -> None:
    app = create_app(ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}, ServeLimits(waiting=0)))
    responses = [ask(app, PATH, orjson.dumps({"inputs": [X]})) for _ in range(3)]
    assert [response.status for response in responses] == [503] * 3
    assert responses[0].headers["retry-after"] == "1"
    assert responses[0].json == {"error": "0 requests wait already; come again"}
    text = ask(app, "/metrics").body.decode()
    assert 'edge_serve_requests_total{code="503",endpoint="infer",model="blobs"} 3.0' in text
    assert 'edge_serve_request_duration_seconds_count{endpoint="infer",model="blobs"} 3.0' in text


def test_binary_tensors_and_classes(app: Any) -> None:
    rows = np.array([[-1, 1], [1, 1]], np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": rows.nbytes}}
    text = orjson.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    response = ask(app, PATH, text + rows.tobytes(), inference_header_content_length=str(len(text)))
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers["inference-header-content-length"])
    (output,) = orjson.loads(response.body[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 8}
    expected = Predictor(FOUR_BLOBS, device="cpu").run({"x": rows})["probability"]
    assert np.array_equal(np.frombuffer(response.body[length:], np.float32), expected.ravel())
    wanted = {"name": "probability", "parameters": {"classification": 2}}
    found = infer(app, {"inputs": [X], "outputs": [wanted]})["outputs"][0]
    assert found == {"name": "probability", "datatype": "BYTES", "shape": [1, 1], "data": ["0.992706:0"]}


@pytest.mark.parametrize(("length", "message"), [("9", "not JSON"), ("1000", "is not the length"), ("x", "is not the")])
def test_a_wrong_length_of_the_json(app: Any, length: str, message: str) -> None:
    response = ask(app, PATH, orjson.dumps({"inputs": [X]}), inference_header_content_length=length)
    assert (response.status, message in response.json["error"]) == (400, True)


def test_bytes_that_belong_to_no_tensor(app: Any) -> None:
    text = orjson.dumps({"inputs": [X]})
    response = ask(app, PATH, text + b"1234", inference_header_content_length=str(len(text)))
    assert response.json == {"error": "4 bytes are left in the body after its tensors"}
