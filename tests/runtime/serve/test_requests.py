from typing import Any

import pytest
from paths import FOUR_BLOBS
from servers import ask
from starlette.applications import Starlette
from starlette.routing import Route

from edge_runtime import InvalidInput, Predictor
from edge_runtime.serve import Limits, ServedModels
from edge_runtime.serve.models import ServedModel
from edge_runtime.serve.requests import Answer, Asked, ModelEndpoint


async def echo(model: ServedModel, asked: Asked) -> Answer:
    if asked.body == b"invalid":
        raise InvalidInput("not a row")
    if asked.body == b"broken":
        raise KeyError("secret")
    return Answer(model.name.encode() + b" " + asked.body)


@pytest.fixture(scope="module")
def app() -> Any:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}, Limits(body=10))
    return Starlette(routes=[Route("/{name}", ModelEndpoint(models, "echo", echo), methods=["POST"])])


def test_an_answer_and_errors(app: Any) -> None:
    assert ask(app, "/blobs", b"1234567890").body == b"blobs 1234567890"
    for path, body, status, error in [
        ("/blobs", b"invalid", 400, "not a row"),
        ("/blobs", b"broken", 500, "the server failed; its log says why"),
        ("/blobs", b"12345678901", 413, "the body is larger than 10 bytes"),
        ("/none", b"", 404, "there is no model 'none'; the server has blobs"),
    ]:
        response = ask(app, path, body)
        assert (response.status, response.json) == (status, {"error": error})


def test_a_body_in_parts_is_limited_too(app: Any) -> None:
    assert ask(app, "/blobs", [b"12345", b"678"]).body == b"blobs 12345678"
    assert ask(app, "/blobs", [b"12345", b"678901"]).status == 413
