"""A folder for PATH whose `edge-train` and `edge-export` are forks of a process that has torch loaded.

Run as a program, this is that process. What it is told comes from the scripts of the folder: arguments, folder and
environment as a line of JSON, and with it the three standard streams; it answers the exit code.
"""

import contextlib
import importlib
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from warm_commands import COMMANDS, MODULES

_SCRIPT = """#!{python} -S
import json, os, socket, sys
asked = {{"words": [{name!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
    code = int(connection.makefile().readline())
sys.exit(code if code >= 0 else 128 - code)
"""


@contextlib.contextmanager
def warm_path() -> Iterator[Path]:
    """The folder; its scripts work until the end."""
    # The address of a socket may have a hundred characters, fewer than some folders of tests.
    with tempfile.TemporaryDirectory(prefix="warm-") as name:
        folder, address = Path(name), f"{name}/socket"
        for command in COMMANDS:
            script = folder / command
            script.write_text(_SCRIPT.format(python=sys.executable, name=command, address=address))
            script.chmod(0o755)
        words = [sys.executable, __file__, address]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n"
                yield folder
            finally:
                process.kill()


def _serve(address: str) -> None:
    for name in MODULES:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        # Its standard input ends with the process that has started it, however that ends.
        while select.select([server, sys.stdin], [], [])[0] == [server]:
            connection, _ = server.accept()
            process = os.fork()
            if process == 0:
                server.close()
                _answer(connection)  # ends it
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _answer(connection: socket.socket) -> NoReturn:
    """Run what is asked for in a process of its own, and tell how it ended."""
    asked, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while not asked.endswith(b"\n"):
        asked += connection.recv(1 << 16)
    process = os.fork()
    if process == 0:
        connection.close()
        _become(json.loads(asked), streams)
    _, status = os.waitpid(process, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: dict[str, object], streams: list[int]) -> NoReturn:
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    words = asked["words"]
    assert isinstance(words, list)
    name, *arguments = words
    sys.argv = words
    sys.exit(importlib.import_module(COMMANDS[name]).main(arguments))


if __name__ == "__main__":
    _serve(sys.argv[1])
