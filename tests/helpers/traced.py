"""What a Python program does to files and to the network, as strace sees it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

# Opening a file counts if it is for writing.
_OPENING = ("open", "openat", "openat2")
_WRITING = re.compile(r"\bO_(WRONLY|RDWR|CREAT|TRUNC|TMPFILE)\b")
_CHANGING = (
    *("creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link", "linkat"),
    *("symlink", "symlinkat", "mknod", "mknodat", "truncate", "chmod", "fchmodat", "chown", "fchownat", "utimensat"),
)
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$", re.MULTILINE)
_PATH = re.compile(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"')
# The C library asks a daemon for the user's name, where there is one, through a socket of this machine.
_ASKING_FOR_NAMES = re.compile(r"socket\(AF_UNIX, SOCK_STREAM\|SOCK_CLOEXEC\|SOCK_NONBLOCK, 0|/nscd/socket")
# The last lines of a program that goes on until it has asked the network for a host; `traced` names the file.
UNTIL_IT_ASKS = """
import pathlib, time
for _ in range(3000):
    if "AF_INET" in pathlib.Path("../work.strace").read_text():
        break
    time.sleep(0.1)
"""
# Everything written there is gone, or is read by a person.
_NOWHERE = ("/dev/null", "/dev/tty")


class Traced(NamedTuple):
    """What a program did.

    Attributes:
        files: each file or folder that it made, changed or removed, or tried to.
        network: each of its calls of the network, as strace writes it, but those that ask for the user's name.
        out: what it printed.
        err: the same on stderr.
    """

    files: set[Path]
    network: list[str]
    out: str
    err: str


def bare_environment(home: Path, **variables: str) -> dict[str, str]:
    """An environment with this HOME, in which nobody has decided on telemetry; continuous integration would.

    Bytecode is not written: that of a package that runs for the first time is Python's own matter.
    """
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **variables}


def traced(script: str, folder: Path, environment: dict[str, str]) -> Traced:
    """Run `script` in `folder` with `environment`, and watch it. Skips the test where that is not possible."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    log = folder.parent / f"{folder.name}.strace"
    watching = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", f"trace=network,{','.join((*_OPENING, *_CHANGING))}"]
    if (refused := subprocess.run([*watching, "true"], capture_output=True, text=True)).returncode:
        pytest.skip(f"strace is not allowed here: {refused.stderr.strip()}")
    result = subprocess.run(
        [*watching, sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result
    return Traced(*_read(log.read_text(), folder), result.stdout, result.stderr)


def _read(log: str, folder: Path) -> tuple[set[Path], list[str]]:
    files, network = set(), []
    for name, arguments in _CALL.findall(log):
        if name in _CHANGING or (name in _OPENING and _WRITING.search(arguments)):
            files |= {Path(os.path.normpath(folder / beside / path)) for beside, path in _PATH.findall(arguments)}
        elif name not in _OPENING and not _ASKING_FOR_NAMES.search(call := f"{name}({arguments}"):
            network.append(call)
    return {path for path in files if str(path) not in _NOWHERE}, network
