import functools
import json
import signal
import socket
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from concurrency import HANG, in_threads
from looping import FOR_EVER, ROW, looping
from paths import FOUR_BLOBS
from servers import LONELY, Server, serving, until

from edge_runtime import Predictor
from edge_runtime.engine.processor_limits import available_processors

INFER = "/v2/models/four_blobs/infer"
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [-1, 1]}]})


def test_sixty_four_clients_at_a_time_get_their_own_answers() -> None:
    predictor, names = Predictor(FOUR_BLOBS, device="cpu"), iter(range(64))
    with serving(FOUR_BLOBS) as server:

        def client() -> None:
            random = np.random.default_rng(next(names))
            with server.connected() as ask:
                for _ in range(20):
                    rows = random.normal(size=(int(random.integers(1, 9)), 2)).astype(np.float32)
                    tensor = {"name": "x", "datatype": "FP32", "shape": list(rows.shape), "data": rows.tolist()}
                    response = ask(INFER, json.dumps({"inputs": [tensor]}))
                    assert response.status == 200
                    found = np.array(response.json["outputs"][0]["data"], np.float32)
                    np.testing.assert_allclose(found, predictor.run({"x": rows})["probability"][:, 0], atol=1e-6)

        in_threads(client, 64)


def test_what_has_begun_is_answered_when_the_server_ends() -> None:
    with serving(FOUR_BLOBS) as server:
        head = f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n"
        with socket.create_connection(server.address, HANG) as begun:
            begun.sendall((head + BODY[:20]).encode())
            # It has been read once a later request is answered.
            assert server.ask(INFER, BODY).status == 200
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(server)
            begun.sendall(BODY[20:].encode())
            with begun.makefile("rb") as file:
                answer = file.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        assert server.end() == 0


def test_clients_that_go_away() -> None:
    request = f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}".encode()
    with serving(FOUR_BLOBS) as server:
        for sent in (request[:9], request[:-9], request, 20 * request):
            for _ in range(50):
                with socket.create_connection(server.address, HANG) as connection:
                    # It is reset, not closed.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.sendall(sent)
        assert server.ask(INFER, BODY).status == 200
        assert server.end() == 0
    assert server.notes == [f"serving four_blobs on {server.url}\n"]


def test_a_second_signal_gives_up_what_is_not_answered() -> None:
    with serving(FOUR_BLOBS) as server, socket.create_connection(server.address, HANG) as begun:
        begun.sendall(f"POST {INFER} HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n{{".encode())
        assert server.ask(INFER, BODY).status == 200
        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server)
        assert server.end() == 0
        with begun.makefile("rb") as file:
            answer = file.read()
    assert answer.startswith(b"HTTP/1.1 503")
    assert answer.endswith(b'{"error":"the server ends"}')
    assert server.notes == [f"serving four_blobs on {server.url}\n"]


def wait_until_refused(server: Server) -> None:
    def is_refused() -> bool:
        try:
            socket.create_connection(server.address).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            return False  # It came in just before the port was closed.
        return False

    until(is_refused)


def test_a_server_that_ends_says_first_that_it_is_not_ready() -> None:
    with serving(FOUR_BLOBS, "--drain", 1000) as server, server.connected() as ask:
        assert server.ask("/v2/health/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.ask("/v2/health/ready").status == 503)
        # It takes requests on new connections, and lets nobody stay for long.
        until(lambda: ask(INFER, BODY).headers.get("connection") == "close")
        assert server.ask(INFER, BODY).status == 200
        # The second time it does not wait.
        assert server.end() == 0


def test_a_changed_file_is_taken_without_a_failed_request(tmp_path: Path, certified: Callable[..., bytes]) -> None:
    file, new = tmp_path / "four_blobs.onnx", tmp_path / "new.onnx"
    content = certified()
    file.write_bytes(content)
    body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]})
    with serving(file) as server, server.connected() as ask:

        def outputs() -> Any:
            response = ask(INFER, body)
            assert response.status == 200, response.body
            return response.json["outputs"]

        before = outputs()

        def counted(result: str, times: int) -> bool:
            assert outputs() == before
            text = ask("/metrics").body.decode().splitlines()
            start = f'edge_serve_reloads_total{{model="four_blobs",result="{result}"}} '
            return f"{start}{times}.0" in text

        for count in (1, 2):
            new.write_bytes(content)
            new.replace(file)
            until(functools.partial(counted, "taken", count))
        # A file that is cut, one that is not verified, and one that is there again.
        for count, wrong in enumerate([content[:500], content.replace(b"\x00\x00 @", b"\x00\x00 A", 1)], start=1):
            new.write_bytes(wrong)
            new.replace(file)
            assert server.line("ERROR four_blobs was changed, and cannot be used; the old one goes on answering")
            until(functools.partial(counted, "refused", count))
        new.write_bytes(content)
        new.replace(file)
        until(lambda: counted("taken", 3))


def test_a_server_is_killed_and_started_again_at_the_same_port() -> None:
    with serving(FOUR_BLOBS, "--host", LONELY) as server, server.connected() as ask:
        assert ask(INFER, BODY).status == 200
        server.process.kill()
        server.process.wait(HANG)
        words = [str(word) for word in server.process.args]  # type: ignore[union-attr]
        again = subprocess.Popen([*words[:-1], str(server.address[1])], stderr=subprocess.PIPE, text=True)
        try:
            assert again.stderr is not None
            assert "serving" in again.stderr.readline()
            assert server.ask(INFER, BODY).status == 200
        finally:
            again.kill()
            again.communicate(timeout=HANG)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [("{", 400, "the request is not JSON"), ("x" * 1_000_001, 413, "the body is larger than 1000000 bytes")],
)
def test_a_refused_request_leaves_the_server_as_it_is(body: str, status: int, message: str) -> None:
    with serving(FOUR_BLOBS, "--max-body", 1) as server:
        for _ in range(3):
            response = server.ask(INFER, body)
            assert response.status == status
            assert message in response.json["error"]
        assert server.ask(INFER, BODY).status == 200


@pytest.mark.parametrize("options", [["--timeout", 1], ["--limit", "call_seconds=0.5"]])
def test_calls_that_would_never_end_leave_the_server_as_it_is(tmp_path: Path, options: list[object]) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(looping())
    with serving(file, "--no-verify", *options) as server:
        path = "/models/model/predict"
        usual, for_ever = (json.dumps({"rows": [row]}) for row in (ROW, FOR_EVER))
        until(lambda: server.ask(path, usual).status == 200)
        expected = server.ask(path, usual)
        # More than there are threads, one after the other.
        for _ in range(2 + available_processors()):
            assert server.ask(path, for_ever).status == 504
        # It may be late while a processor still ends what would not.
        until(lambda: server.ask(path, usual).body == expected.body)
