"""How a command ends when the system fails: each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def ending(raised: str, stdout: Any = subprocess.PIPE, unbuffered: str = "") -> tuple[int, str | None, str]:
    """How a command ends that prints and then raises, in a process of its own: that may not fail again at its end."""
    script = f"""
import sys
from edge_runtime.contract import shell
def command():
    print("in the buffer", end="")
    {raised}
sys.exit(shell.call(command))
"""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    program = [sys.executable, "-c", script]
    result = subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        ("open('nowhere')", "error: nowhere: No such file or directory\n"),
        ("raise OSError(13, 'Permission denied')", "error: Permission denied\n"),
        ("raise OSError('no more')", "error: no more\n"),
        ("raise BrokenPipeError(32, 'Broken pipe')", ""),
    ],
)
def test_errors_of_the_system(raised: str, message: str) -> None:
    """What was printed before is still written."""
    assert ending(raised) == (1, "in the buffer", message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("raised", ["pass", "print('more', flush=True)", "print('x' * 10**6)"])
def test_a_full_disk(raised: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        message = "error: the output cannot be written: No space left on device\n"
        assert ending(raised, full, unbuffered) == (1, None, message)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE")
def test_a_closed_pipe() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert ending("pass", writer) == (1, None, "")
    finally:
        os.close(writer)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_closed_pipe_in_the_place_of_a_file(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    write = f"""
    from pathlib import Path
    from edge_runtime.contract.atomic_files import write_files
    write_files({{Path('/dev/stdout'): b'a report', Path({str(tmp_path / "model.onnx")!r}): b'a model'}})
"""
    try:
        assert ending(write, writer) == (1, None, "")
    finally:
        os.close(writer)
    assert list(tmp_path.iterdir()) == []
    assert ending(write)[:2] == (0, "in the buffera report")
