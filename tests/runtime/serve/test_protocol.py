import contextlib
import re
import socket

from concurrency import HANG
from paths import MODELS
from servers import serving, until

HEAD = b"POST /v2/models/images/infer HTTP/1.1\r\nhost: x\r\n"


def rest(connection: socket.socket) -> bytes:
    """What comes until the other side closes the connection."""
    with contextlib.suppress(ConnectionResetError), connection.makefile("rb") as file:
        return file.read()
    return b""


def test_clients_that_are_too_slow_lose_their_connections() -> None:
    with serving(MODELS / "images.onnx", "--timeout", 0.5) as server, contextlib.ExitStack() as stack:
        silent, headers, later, body = (
            stack.enter_context(socket.create_connection(server.address, HANG)) for _ in range(4)
        )
        headers.sendall(HEAD)
        later.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /v2")
        body.sendall(HEAD + b"content-length: 10\r\n\r\n{")
        assert rest(silent) == rest(headers) == b""
        assert rest(later).endswith(b'{"live":true}')
        answer = rest(body)
        assert b"408 Request Timeout" in answer
        assert b"the request was not complete after 0.5 seconds" in answer


def test_a_client_that_does_not_read_its_answer() -> None:
    rows = 300_000  # whose answer is more than the system keeps for a client
    tensor = b'{"name": "image", "datatype": "FP32", "shape": [%d, 2, 3, 4], "parameters": {"binary_data_size": %d}}'
    text = b'{"inputs": [' + tensor % (rows, rows * 96) + b"]}"
    head = HEAD + b"inference-header-content-length: %d\r\ncontent-length: %d\r\n\r\n"
    with serving(MODELS / "images.onnx", "--timeout", 2) as server, socket.socket() as stuck, server.connected() as ask:

        def files() -> float:
            text = ask("/metrics").body.decode()
            return float(re.findall(r"^process_open_fds (\S+)", text, re.MULTILINE)[0])

        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(HANG)
        stuck.connect(server.address)
        stuck.sendall(head % (len(text), len(text) + rows * 96) + text + bytes(rows * 96))
        assert stuck.recv(12) == b"HTTP/1.1 200"
        before = files()
        # The server lets go of the connection, and so of the answer; what the system has of it is still there.
        until(lambda: files() < before)
        assert 0 < len(rest(stuck)) < rows * 30
