"""`edge-train` and `edge-export` as forks of a process that has torch loaded, which most of a short run is spent on.

Run as a program, this is that process. Over a socket, it is sent arguments, folder and environment as a line of JSON,
and with it the three standard streams. It answers the exit code, or the negative number of the signal that ended the
command.
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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

_COMMANDS = {"edge-train": "edge_train.cli.command", "edge-export": "edge_export.cli.command"}
# What the two commands import until they are done.
_MODULES = [*_COMMANDS.values(), "edge_train.cli.options", "edge_train.cli.run", "edge_train.cli.data"]
_MODULES += ["edge_train.example", "edge_train.table.split", "edge_export.pipeline.export"]
_MODULES += ["edge_export.formats.onnx_file", "torch._dynamo", "torch._functorch.aot_autograd"]
_MODULES += ["torch.onnx._internal.exporter._core", "torch.onnx._internal.exporter._compat", "onnxruntime"]
_MODULES += ["onnxscript.function_libs.torch_lib.ops"]

_SCRIPT = """#!{python} -S
import json, os, socket, sys
asked = {{"words": [{name!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [json.dumps(asked).encode() + b"\\n"], [0, 1, 2])
    code = int(connection.makefile().readline())
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextlib.contextmanager
def warm_commands(environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder for PATH with the two commands, which work until the end.

    Args:
        environment: the variables of the process that they are forks of; each has those of who starts it.
    """
    # The address of a socket may have a hundred characters, fewer than some folders of tests.
    with tempfile.TemporaryDirectory(prefix="warm-") as name:
        folder, address = Path(name), f"{name}/socket"
        for command in _COMMANDS:
            script = folder / command
            script.write_text(_SCRIPT.format(python=sys.executable, address=address, name=command))
            script.chmod(0o755)
        words = [sys.executable, __file__, address]
        pipe = subprocess.PIPE
        with subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == "ready\n"
                yield folder
            finally:
                process.kill()


def _serve(address: str) -> None:
    for name in _MODULES:
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
    content, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
    while not content.endswith(b"\n"):
        content += connection.recv(1 << 16)
    process = os.fork()
    if process == 0:
        connection.close()
        _become(json.loads(content), streams)
    _, status = os.waitpid(process, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: dict[str, Any], streams: list[int]) -> NoReturn:
    for descriptor, stream in enumerate(streams):
        os.dup2(stream, descriptor)
        os.close(stream)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["words"]
    name, *arguments = sys.argv
    sys.exit(importlib.import_module(_COMMANDS[name]).main(arguments))


if __name__ == "__main__":
    _serve(sys.argv[1])
