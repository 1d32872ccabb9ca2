import asyncio
import gzip
from typing import Any

import pytest
from paths import FOUR_BLOBS
from servers import ask
from starlette.applications import Starlette
from starlette.routing import Route

from edge_runtime import InvalidInput, Predictor
from edge_runtime.serve import ServedModels, ServeLimits
from edge_runtime.serve.models import ServedModel
from edge_runtime.serve.refusals import Refused
from edge_runtime.serve.requests import Answer, Asked, ModelEndpoint, read_body


async def echo(model: ServedModel, asked: Asked) -> Answer:
    if asked.body == b"invalid":
        raise InvalidInput("not a row")
    if asked.body == b"half":
        raise InvalidInput("'\ud800' is not a number")
    if asked.body == b"broken":
        raise KeyError("secret")
    return Answer(model.name.encode() + b" " + asked.body)


@pytest.fixture(scope="module")
def app() -> Any:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}, ServeLimits(body=10))
    return Starlette(routes=[Route("/{name}", ModelEndpoint(models, "echo", echo), methods=["POST"])])


def test_an_answer_and_errors(app: Any) -> None:
    assert ask(app, "/blobs", b"1234567890").body == b"blobs 1234567890"
    for path, body, status, error in [
        ("/blobs", b"invalid", 400, "not a row"),
        ("/blobs", b"half", 400, "'\\ud800' is not a number"),
        ("/blobs", b"broken", 500, "the server failed; its log says why"),
        ("/blobs", b"12345678901", 413, "the body is larger than 10 bytes"),
        ("/none", b"", 404, "there is no model 'none'; the server has blobs"),
    ]:
        response = ask(app, path, body)
        assert (response.status, response.json) == (status, {"error": error})


def test_bodies_and_answers_may_be_compressed(app: Any) -> None:
    body = gzip.compress(b"1234567890")
    assert ask(app, "/blobs", body[:2], content_encoding="gzip").status == 400
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")}, ServeLimits(body=100_000))
    large = Starlette(routes=[Route("/{name}", ModelEndpoint(models, "echo", echo), methods=["POST"])])
    assert ask(large, "/blobs", body, content_encoding="gzip").body == b"blobs 1234567890"
    for size in (2_000, 90_000):
        response = ask(large, "/blobs", b"x" * size, accept_encoding="gzip")
        assert response.headers["content-encoding"] == "gzip"
        assert gzip.decompress(response.body) == b"blobs " + b"x" * size
    # Larger than is allowed when it is decompressed.
    assert ask(large, "/blobs", gzip.compress(bytes(100_001)), content_encoding="gzip").status == 413


def test_a_client_that_is_gone() -> None:
    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    with pytest.raises(Refused, match="the client is gone"):
        asyncio.run(read_body({}, gone, 10, 10))


def test_a_body_that_does_not_come() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": True}

    with pytest.raises(Refused, match=r"not complete after 0.05 seconds") as refused:
        asyncio.run(read_body({}, never, 10, 0.05))
    assert refused.value.status == 408


def test_a_client_that_asks_before_it_sends_is_refused_at_once() -> None:
    async def sent() -> dict[str, Any]:
        raise AssertionError("nothing is to be read")

    with pytest.raises(Refused, match="larger than 10 bytes"):
        asyncio.run(read_body({b"content-length": b"11", b"expect": b"100-continue"}, sent, 10, 10))


def test_not_much_is_read_of_a_body_that_is_too_large() -> None:
    read = []

    async def endless() -> dict[str, Any]:
        read.append(1)
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"12345", "more_body": True}

    with pytest.raises(Refused, match="larger than 10 bytes"):
        asyncio.run(read_body({}, endless, 10, 10))
    assert len(read) <= 10


def test_what_has_failed_is_in_the_log(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    ask(app, "/blobs", b"broken")
    assert "KeyError: 'secret'" in caplog.text


def test_a_body_in_parts_is_limited_too(app: Any) -> None:
    assert ask(app, "/blobs", [b"12345", b"678"]).body == b"blobs 12345678"
    assert ask(app, "/blobs", [b"12345", b"678901"]).status == 413
