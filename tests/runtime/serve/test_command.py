import shutil
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import assert_one_line
from paths import FOUR_BLOBS, MODELS
from servers import Server, serving

from edge_runtime.serve.command import main


def get(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        content: bytes = response.read()
    return content


def test_models_are_served_under_their_names() -> None:
    with serving(FOUR_BLOBS, f"birds={MODELS / 'penguins.onnx'}", "--no-verify") as server:
        assert get(f"{server.url}/v2/models/four_blobs/ready") == b'{"name":"four_blobs","ready":true}'
        assert get(f"{server.url}/v2/models/birds/ready") == b'{"name":"birds","ready":true}'
        assert server.end() == 0
        assert server.notes == [f"serving four_blobs, birds on {server.url}\n"]


def test_ctrl_c() -> None:
    with serving(FOUR_BLOBS) as server:
        assert server.end(signal.SIGINT) == 130
        assert len(server.notes) == 1


def test_a_name_may_have_any_character_but_a_slash(tmp_path: Path) -> None:
    file = tmp_path / "a=b.onnx"
    shutil.copy(FOUR_BLOBS, file)
    with serving(file, f"ä b={file}") as server:
        assert b'"name":"a=b"' in get(f"{server.url}/v2/models/a=b")
        assert '"name":"ä b"'.encode() in get(f"{server.url}/v2/models/%C3%A4%20b")


def test_by_which_names_a_server_is_asked() -> None:
    def status(server: Server, host: str) -> int:
        return server.ask("/v2/health/live", headers={"host": host}).status

    with serving(FOUR_BLOBS, "--no-verify") as server:
        assert [status(server, host) for host in ("localhost", "127.0.0.1", "site.example")] == [200, 200, 403]
    with serving(FOUR_BLOBS, "--no-verify", "--allowed-host", "models.example", "--workers", 2) as server:
        assert [status(server, host) for host in ("models.example:80", "site.example")] == [200, 403]
    with serving(FOUR_BLOBS, "--no-verify", "--host", "0.0.0.0") as server:
        assert status(server, "site.example") == 200
    with serving(FOUR_BLOBS, "--no-verify", "--host", "0.0.0.0", "--allowed-host", "models.example") as server:
        assert [status(server, host) for host in ("models.example", "site.example")] == [200, 403]


def test_another_address() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(FOUR_BLOBS, "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert get(f"{server.url}/v2/health/live") == b'{"live":true}'


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_cannot_be_served(tmp_path: Path, workers: int) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(FOUR_BLOBS.read_bytes()[:1000])
    with pytest.raises(AssertionError, match=r"exit code 1: \['error: damaged: [^']*'\]"):
        Server(damaged, "--workers", workers)


def test_certificates_are_replayed_first(tmp_path: Path, certified: Callable[..., bytes]) -> None:
    changed, sound, without = tmp_path / "changed.onnx", tmp_path / "sound.onnx", MODELS / "mass.onnx"
    sound.write_bytes(certified())
    changed.write_bytes(certified(reference=()).replace(b"outputs", b"outputz"))
    with pytest.raises(AssertionError, match=r"exit code 1: .'error: changed: "):
        Server(changed)
    with serving(changed, "--no-verify") as server:
        assert get(f"{server.url}/v2/health/live") == b'{"live":true}'
    with serving(sound, without) as server:
        assert server.notes[0] == "mass has no certificate, so it is served without being verified\n"


def test_a_port_in_use(command: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(command(main, FOUR_BLOBS, "--port", port), 1, f"port {port} of 127.0.0.1 is in use", "--port")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "MODEL is missing"),
        (["none.onnx"], 1, "none.onnx: no such file"),
        ([FOUR_BLOBS, FOUR_BLOBS], 2, "two models are called 'four_blobs'"),
        ([f"={FOUR_BLOBS}"], 2, "needs a printable name without /"),
        ([f"a/b={FOUR_BLOBS}"], 2, "needs a printable name without /"),
        ([f"..={FOUR_BLOBS}"], 2, "needs a printable name without /"),
        ([f"a\r\nb={FOUR_BLOBS}"], 2, "needs a printable name without /"),
        ([FOUR_BLOBS, "--timeout", "nan"], 2, "--timeout: nan is not a number"),
        ([FOUR_BLOBS, "--max-delay", "inf"], 2, "--max-delay: inf is not from 0 to 60000"),
        ([FOUR_BLOBS, "--limit", "call_seconds=0"], 2, "--limit: call_seconds must be a number above 0"),
        ([FOUR_BLOBS, "--limit", "nodes=1"], 1, "more than 1 node; if you trust it"),
        *(
            ([FOUR_BLOBS, "--limit", f"{name}=1"], 2, f"--limit: {name} has no effect here; the limits that have are ")
            for name in ("line_bytes", "json_depth", "unpacked_bytes", "columns", "isolated_bytes", "isolated_seconds")
        ),
        ([FOUR_BLOBS, "--port", "70000"], 2, "--port: 70000 is not from 0 to 65535"),
        ([FOUR_BLOBS, "--workers", "0"], 2, "--workers: 0 is not 1 or more"),
        ([FOUR_BLOBS, "--port", "0", "--device", "nothing"], 2, "nothing"),
        ([FOUR_BLOBS, "--port", "0", "--host", "256.1.1.1"], 1, "256.1.1.1 is not an address of this machine"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(command: Any, arguments: list[object], code: int, message: str) -> None:
    arguments = [*arguments, "--port", "0"] if "--port" not in arguments else arguments
    assert_one_line(command(main, *arguments), code, message)


def test_help(command: Any) -> None:
    result = command(main, "--help")
    assert result.code == 0
    assert "--no-verify" in result.out
    assert command(main, "--version").out.startswith("edge-serve ")
