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
    with serving(MODELS / "images.onnx", "--timeout", 2) as server, contextlib.ExitStack() as stack:

        def sending(content: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(server.address, HANG))
            connection.sendall(content)
            return connection

        silent, headers, nothing = sending(b""), sending(HEAD), sending(HEAD + b"content-length: 10\r\n\r\n")
        later = sending(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\nGET /v2")
        body = sending(HEAD + b"content-length: 10\r\n\r\n{")
        assert rest(silent) == rest(headers) == rest(nothing) == b""
        assert rest(later).endswith(b'{"live":true}')
        answer = rest(body)
        assert b"408 Request Timeout" in answer
        assert b"the request was not complete after 2 seconds" in answer


def test_headers_that_are_too_long() -> None:
    with serving(MODELS / "images.onnx") as server:
        for sent in (b"x: " + bytes([97]) * 10**6, b"x: y\r\n" * 10**5, b""):
            with socket.create_connection(server.address, HANG) as connection:
                connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n")
                with contextlib.suppress(ConnectionError):
                    # In pieces, since the server may read all of it at once.
                    for start in range(0, len(sent), 10_000):
                        connection.sendall(sent[start : start + 10_000])
                    connection.sendall(b"\r\n\r\n")
                answer = connection.recv(12)
                assert answer == b"HTTP/1.1 400" if sent else b"HTTP/1.1 200"


def test_requests_that_offer_another_protocol() -> None:
    text = b'{"inputs": []}'
    framings = (
        b"content-length: %d\r\n\r\n%b" % (len(text), text),
        b"transfer-encoding: chunked\r\n\r\n5\r\n%b\r\n9\r\n%b\r\n0\r\n\r\n" % (text[:5], text[5:]),
    )
    offer = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    last = b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with serving(MODELS / "images.onnx") as server:
        for framing in framings:
            # Whole, and byte by byte.
            sent = 2 * (HEAD + offer + framing) + last
            for size in (len(sent), 1):
                with socket.create_connection(server.address, HANG) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for start in range(0, len(sent), size):
                        connection.sendall(sent[start : start + size])
                    answer = rest(connection)
                assert answer.count(b"missing image") == 2
                assert answer.endswith(b'{"live":true}')
        with socket.create_connection(server.address, HANG) as connection:
            connection.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            assert rest(connection).startswith(b"HTTP/1.1 400")
    assert "upgrade" not in "".join(server.notes).lower()
    assert "Invalid" not in "".join(server.notes)


def test_a_client_that_does_not_read_its_answers() -> None:
    # Small requests, and together more answers than the system keeps for a client.
    request, count = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", 1000
    with serving(MODELS / "images.onnx", "--timeout", 2) as server, socket.socket() as stuck, server.connected() as ask:

        def files() -> float:
            text = ask("/metrics").body.decode()
            return float(re.findall(r"^process_open_fds (\S+)", text, re.MULTILINE)[0])

        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(HANG)
        stuck.connect(server.address)
        before = files()
        stuck.sendall(count * request)
        assert stuck.recv(12) == b"HTTP/1.1 200"
        # The server lets go of the connection, and so of the answers; what the system has of them is still there.
        until(lambda: files() < before)
        assert 0 < len(rest(stuck)) < count * len(ask("/").body)


def test_heads_without_a_body_are_sent_at_once() -> None:
    with serving(MODELS / "images.onnx") as server, socket.create_connection(server.address, HANG) as connection:
        for request, status in (
            (b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n", b"200"),
            (HEAD + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n", b"100"),
            (b"{}", b"400"),
        ):
            connection.sendall(request)
            content = connection.recv(4096)
            assert content.startswith(b"HTTP/1.1 " + status)
        # The head and the body come together.
        assert content.endswith(b"}")
