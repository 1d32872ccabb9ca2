"""`edge-train` and `edge-export` as forks of a process that has torch loaded, which most of a short run is spent on.

Run as a program, this is that process. It forks for each line of JSON that it reads, and writes the exit code.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

# What the two commands import until they are done.
COMMANDS = {"edge-train": "edge_train.cli.command", "edge-export": "edge_export.cli.command"}
MODULES = [*COMMANDS.values(), "edge_train.cli.options", "edge_train.cli.run", "edge_train.cli.data"]
MODULES += [
    "edge_train.example",
    "edge_train.table.split",
    "edge_export.pipeline.export",
    "edge_export.formats.onnx_file",
]
MODULES += ["torch._dynamo", "torch.onnx._internal.exporter._core", "onnxruntime"]
MODULES += [
    "onnxscript.function_libs.torch_lib.ops",
    "torch._functorch.aot_autograd",
    "torch.onnx._internal.exporter._compat",
]


class WarmCommands:
    """Runs commands one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, words: Sequence[object], environment: Mapping[str, str], folder: Path) -> tuple[int, str, str]:
        """The exit code of a command (the negative number of the signal that killed it), and what it printed.

        Args:
            words: edge-train or edge-export, and its arguments.
            environment: variables that it has besides those of the process.
            folder: for what it prints.
        """
        out, err = folder / "out", folder / "err"
        asked = {"words": list(map(str, words)), "environment": dict(environment), "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return code, out.read_text(), err.read_text()


@contextlib.contextmanager
def warm_commands(environment: Mapping[str, str]) -> Iterator[WarmCommands]:
    """A process with these environment variables, which ends afterwards."""
    words = [sys.executable, __file__]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield WarmCommands(process)
        process.communicate()
    assert process.returncode == 0


def _serve() -> None:
    for name in MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        process = os.fork()
        if process == 0:
            _become(asked["words"], asked["environment"], {1: asked["out"], 2: asked["err"]})  # ends it
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(words: Sequence[str], environment: Mapping[str, str], streams: Mapping[int, str]) -> NoReturn:
    for descriptor, path in streams.items():
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.update(environment)
    name, *arguments = words
    sys.exit(importlib.import_module(COMMANDS[name]).main(arguments))


if __name__ == "__main__":
    _serve()
