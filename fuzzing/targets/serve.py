"""Requests to edge-serve: bodies of rows and of tensors through the whole application, and bytes that may be HTTP."""

import asyncio
import functools
import gzip
import json
import logging
import struct
from collections.abc import Callable
from random import Random
from typing import Any

from paths import MODELS
from servers import ask_soon
from uvicorn import Config
from uvicorn.server import ServerState

from edge_runtime import InferenceFailed, Predictor
from edge_runtime.serve import ServedModels, ServeLimits, create_app
from edge_runtime.serve.protocol import LimitedProtocol
from fuzzing.mutations import mutated_bytes, mutated_json, mutated_lines
from fuzzing.target import Check, Target, expect

# The first byte of an input chooses among these.
_MODELS = ("penguins", "words", "outputs", "images", "kinds", "sales")
_TYPES = (
    "application/json",
    "text/csv",
    "",
    "application/x-ndjson",
    "text/csv; charset=utf-16",
    "text/tab-separated-values",
)
_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"content-encoding": "gzip"},
    {"content-encoding": "deflate"},
    {"accept": "text/csv"},
    {"accept-encoding": "gzip"},
)


class _Kept(logging.Handler):
    """Keeps the exception that the server writes into its log, in place of an answer."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.error = record.exc_info[1]


def _app() -> Any:
    predictors = {name: Predictor(MODELS / f"{name}.onnx", device="cpu") for name in _MODELS}
    return create_app(ServedModels(predictors, ServeLimits(body=2**20, rows=1000)))


def _prepare(path: str, header: Callable[[int, bytes], dict[str, str]]) -> Check:
    app, loop, kept = _app(), asyncio.new_event_loop(), _Kept()
    logging.getLogger("edge_runtime.serve").addHandler(kept)

    def check(data: bytes) -> None:
        choice, body = data[0] if data else 0, data[1:]
        model = _MODELS[choice % len(_MODELS)]
        response = loop.run_until_complete(ask_soon(app, path.replace("MODEL", model), body, **header(choice, body)))
        if kept.error is not None and not isinstance(kept.error, InferenceFailed):
            error, kept.error = kept.error, None
            raise error
        expect(response.status in (200, 400, 413, 415) or kept.error is not None, f"the status is {response.status}")
        if "json" in response.headers.get("content-type", ""):
            json.loads(response.body)

    check(b"\0{}")
    return check


def _rows_header(choice: int, body: bytes) -> dict[str, str]:
    rest = choice // len(_MODELS)
    return {"content-type": _TYPES[rest % len(_TYPES)], **_HEADERS[choice % len(_HEADERS)]}


def _infer_header(choice: int, body: bytes) -> dict[str, str]:
    # With an uneven choice the JSON ends at the first null, and binary tensors follow.
    end = body.find(b"\0\0\0\0")
    return {"inference-header-content-length": str(end)} if choice // len(_MODELS) % 2 and end >= 0 else {}


_ROW = b'{"island": "Dream", "bill": 40.5, "mass": 3000, "ringed": true, "year": 2007}'
_ROWS = (
    b"\0" + _ROW,
    b"\0[" + _ROW + b"," + _ROW + b"]",
    b'\0{"rows": [["Dream", 40.5, null, 1, 2007]]}',
    b"\5island,bill,mass,ringed,year\nDream,40.5,3000,true,2007\n",
    b"\x0f" + _ROW + b"\n" + _ROW,
    b'\1{"ids": [[1, 2]], "mask": [[1, 1]]}',
    b"\3" + json.dumps([[[[0.5] * 4] * 3] * 2]).encode(),
    bytes([1 + 5 * 5]) + gzip.compress(_ROW, mtime=0),
)


def _tensor(name: str, datatype: str, shape: list[int], **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def _request(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": tensors, **more}).encode()


_INFER = (
    b"\2"
    + _request(
        _tensor("x", "FP32", [1, 2], data=[[1, 2]]),
        id="7",
        outputs=[{"name": "y", "parameters": {"classification": 2}}],
    ),
    b"\0"
    + _request(_tensor("x", "FP32", [1, 3], data=[1, 2, None]), _tensor("text", "BYTES", [1, 2], data=["Dream", ""])),
    b"\1"
    + _request(
        _tensor("ids", "INT64", [1, 2], data=[1, 2]),
        _tensor("mask", "FP32", [1, 2], data=[1, 1]),
        parameters={"binary_data_output": True},
    ),
    b"\7" + _request(_tensor("x", "FP32", [1, 2], parameters={"binary_data_size": 8})) + struct.pack("<ff", 0, 2),
    b"\5"
    + _request(
        _tensor("x", "FP32", [1, 3], data=[1, 2, 3]),
        _tensor("text", "BYTES", [1, 2], parameters={"binary_data_size": 13}),
    )
    + struct.pack("<I", 0)
    + struct.pack("<I5s", 5, b"Dream"),
)


def _mutated(data: bytes, random: Random) -> bytes:
    kept, rest = data[:1], data[1:]
    if random.random() < 0.05:
        return bytes([random.randrange(256)]) + rest
    if rest.startswith(b"\x1f\x8b") and random.random() < 0.5:
        return kept + gzip.compress(mutated_json(_ROW, random), 1, mtime=0)
    end = rest.find(b"\0\0\0\0")
    if end >= 0 and random.random() < 0.7:
        return kept + mutated_json(rest[:end], random) + rest[end:]
    return kept + random.choice((mutated_json, mutated_json, mutated_lines, mutated_bytes))(rest, random)


class _Transport(asyncio.Transport):
    """The other side of a connection, which takes everything."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written, self.closed = b"", False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...


def _prepare_http() -> Check:
    loop, app = asyncio.new_event_loop(), _app()
    failed: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: failed.append(context.get("exception") or RuntimeError(str(context))))
    config = Config(app, log_config=None, lifespan="off", access_log=False)
    config.load()

    async def connection(data: bytes) -> None:
        transport = _Transport()
        protocol = LimitedProtocol(config=config, server_state=ServerState(), app_state={}, seconds=30)
        protocol.connection_made(transport)
        # In pieces, of which the first byte says how long they are.
        size = (data[0] if data else 0) * 4 + 1
        for start in range(1, len(data), size):
            if transport.closed:
                break
            protocol.data_received(data[start : start + size])
            await asyncio.sleep(0)
        for _ in range(8):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        for task in list(protocol.tasks):
            await asyncio.wait_for(task, 20)
        expect(not transport.written or transport.written.startswith(b"HTTP/1.1 "), "the answer is not HTTP")

    def check(data: bytes) -> None:
        loop.run_until_complete(connection(data))
        if failed:
            raise failed.pop()

    check(b"\xffGET /v2 HTTP/1.1\r\nhost: x\r\n\r\n")
    return check


_HTTP = (
    b"\xffGET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    b"\x40POST /models/penguins/predict?top=1 HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(_ROW), _ROW),
    b"\x03POST /v2/models/outputs/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    b"\xffPOST /v2/models/images/infer HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n"
    b"http2-settings: AAMAAABk\r\ncontent-length: 2\r\n\r\n{}",
    b"\xffGET /openapi.json HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n",
    b"\xffOPTIONS * HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
)

TARGETS = (
    Target(
        "edge-serve rows",
        functools.partial(_prepare, "/models/MODEL/predict", _rows_header),
        lambda: _ROWS,
        _mutated,
        weight=3,
    ),
    Target(
        "edge-serve tensors",
        functools.partial(_prepare, "/v2/models/MODEL/infer", _infer_header),
        lambda: _INFER,
        _mutated,
        weight=3,
    ),
    Target("edge-serve HTTP", _prepare_http, lambda: _HTTP, mutated_lines, weight=2),
)
