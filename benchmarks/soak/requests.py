"""Clients of the server: good requests on connections that are kept, bad ones, and connections that break."""

import contextlib
import gzip
import http.client
import json
import socket
import time
from typing import Any

import numpy as np

from benchmarks.soak.caller import Caller

_PATH = "/models/live/predict"
_JSON = {"content-type": "application/json"}
# Bodies, and the status codes that refuse them.
_BAD: tuple[tuple[str, Any, dict[str, str], int], ...] = (
    (_PATH, "[1, ", _JSON, 400),
    (_PATH, '[[1, "x"]]', _JSON, 400),
    (_PATH, "x1,x2\n1,?!\n", {"content-type": "text/csv"}, 400),
    (_PATH, b"\xff\xfe", {"content-type": "text/csv"}, 400),
    (_PATH, "1", {"content-type": "image/png"}, 415),
    (_PATH, b"\x1f\x8b\x08broken", {**_JSON, "content-encoding": "gzip"}, 400),
    ("/models/none/predict", "[1, 2]", _JSON, 404),
    ("/v2/models/live/infer", "{}", _JSON, 400),
    (_PATH, None, {}, 405),
)


def run(caller: Caller) -> None:
    """Ask until the time is over."""
    host, _, port = (caller.folder / "url").read_text().removeprefix("http://").rpartition(":")
    address, random = (host, int(port)), np.random.default_rng(8)
    kept = http.client.HTTPConnection(*address, timeout=60)
    while caller.goes_on():
        for size in (1, 1, 1, 20, 3000):
            caller.counts.answer("request", lambda: _asked(caller, kept, caller.chosen(random, size)))  # noqa: B023
        path, body, headers, status = _BAD[random.integers(len(_BAD))]
        with caller.counts.refusal("bad request", ValueError):
            _refused(kept, path, body, headers, status)
        _broken(address, random)
        caller.counts.calls["connection that breaks"] += 1
        time.sleep(0.005)
    kept.close()


def _asked(caller: Caller, connection: http.client.HTTPConnection, chosen: Any) -> bool:
    body: Any = json.dumps(caller.known.rows[chosen].tolist())
    headers = dict(_JSON)
    if len(chosen) > 1000:
        body, headers["content-encoding"] = gzip.compress(body.encode(), 1), "gzip"
    begin = time.perf_counter_ns()
    connection.request("POST", _PATH, body, headers)
    response = connection.getresponse()
    content = response.read()
    part = caller.part()
    if len(chosen) == 1 and part is not None:
        caller.times["request"].add(part, time.perf_counter_ns() - begin)
    if response.status != 200:
        raise RuntimeError(f"{response.status} {content[:200]!r}")
    return caller.known.answers_fit(chosen, json.loads(content)["answers"])


def _refused(
    connection: http.client.HTTPConnection, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    """Raise ValueError if the request is refused with `status`."""
    connection.request("GET" if body is None else "POST", path, body, headers)
    response = connection.getresponse()
    content = response.read()
    if response.status == status and b"error" in content:
        raise ValueError(content)
    raise RuntimeError(f"{path} {body!r}: {response.status} {content[:200]!r}, not {status}")


def _broken(address: tuple[str, int], random: np.random.Generator) -> None:
    """Send a part of a request, and go; sometimes so that the server hears of it by a reset."""
    request = f"POST {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 40\r\n\r\n[[1, 2], [3, 4]]".encode()
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request[: random.integers(len(request))])
        if random.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
