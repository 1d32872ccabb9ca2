"""The progress bar of --verify and --input, on a pseudo-terminal.

Each step waits until the bar was drawn anew, so that nothing depends on how fast the machine is.
"""

import gzip
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import by_reader
from concurrency import HANG
from paths import MODELS

pty = pytest.importorskip("pty")

MODEL = MODELS / "four_blobs.onnx"

SCRIPT = f"""
import sys
import threading
from edge_runtime.contract import progress

progress._DELAY, progress._INTERVAL = 0, 0.01
changed, drawings = threading.Condition(), 0
draw, advance = progress.Progress._draw, progress.Progress.advance

def draw_and_tell(self):
    global drawings
    draw(self)
    with changed:
        drawings += 1
        changed.notify_all()

def advance_and_wait(self, steps=1):
    advance(self, steps)
    # One drawing may have begun before.
    with changed:
        seen = drawings
        if self._thread is not None:
            assert changed.wait_for(lambda: drawings >= seen + 2, {HANG})

progress.Progress._draw, progress.Progress.advance = draw_and_tell, advance_and_wait
"""
COMMAND = SCRIPT + "from edge_runtime.cli.command import main\nsys.exit(main(sys.argv[1:]))"


def on_a_terminal(script: str, folder: Path, *arguments: object, stdout_too: bool = False) -> tuple[int, str, str]:
    """The exit code, stdout, and what a terminal got that is stderr, or both."""
    master, slave = pty.openpty()
    with tempfile.TemporaryFile() as out:
        with subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            cwd=folder,
            env={**os.environ, "COLUMNS": "90"},
            stdin=subprocess.DEVNULL,
            stdout=slave if stdout_too else out,
            stderr=slave,
        ) as process:
            os.close(slave)
            shown = b""
            try:
                while part := os.read(master, 10_000):
                    shown += part
            except OSError:  # the end, on Linux
                pass
        os.close(master)
        out.seek(0)
        return process.returncode, out.read().decode(), shown.decode().replace("\r\n", "\n")


def screen(shown: str) -> list[str]:
    """The lines on a terminal in the end, without empty ones."""
    lines = []
    for line in shown.split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return [line for line in lines if line]


def test_verify(certified: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(certified())
    code, out, shown = on_a_terminal(COMMAND, tmp_path, "model.onnx", "--verify", "--device", "cpu")
    assert code == 0
    assert out.endswith("passed: 6 reference rows on CPUExecutionProvider\n")
    for bar in (
        "[########................]  33%",
        "[################........]  67%",
        "[########################] 100%",
    ):
        assert f"verifying  {bar}  0:0" in shown
    assert screen(shown) == []


def test_a_model_that_does_not_pass(certified: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(certified().replace(b"2**-16", b"2**-15"))
    code, _, shown = on_a_terminal(COMMAND, tmp_path, "model.onnx", "--verify", "--device", "cpu")
    assert code == 1
    assert "verifying  [" in shown
    (line,) = screen(shown)
    assert line.startswith("error: not verified on CPUExecutionProvider: the file was changed after its export")


def test_a_model_without_a_certificate(tmp_path: Path) -> None:
    code, out, shown = on_a_terminal(COMMAND, tmp_path, MODELS / "tensors.onnx", "--verify")
    assert (code, out) == (1, "")
    assert screen(shown)[-1].startswith("error: the model has no certificate")


def test_the_library_is_silent(certified: Callable[..., bytes], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(certified())
    script = SCRIPT + "from edge_runtime import Predictor\nprint(Predictor('model.onnx', 'cpu', verify=True).verify())"
    code, out, shown = on_a_terminal(script, tmp_path)
    assert (code, out) == (0, "Verification(passed: 6 reference rows on CPUExecutionProvider)\n")
    assert shown == ""


@pytest.mark.parametrize("compressed", [False, True])
def test_rows_of_a_file(tmp_path: Path, compressed: bool) -> None:
    content = b"x1,more,x2\n" + b"-1,,1\n1,,1\n" * 5000
    (tmp_path / "rows.csv").write_bytes(gzip.compress(content) if compressed else content)
    name = "rows.csv"
    if compressed:
        (tmp_path / "rows.csv").rename(tmp_path / "rows.csv.gz")
        name = "rows.csv.gz"
    code, out, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", name)
    assert code == 0
    assert out == "label 1  probability 0.9927\nlabel 0  probability 0.9785\n" * 5000
    assert f"answering {name}  [{'#' * by_reader(8, 24)}] 100%  0:0" in shown
    # The reader of tables knows how many rows it has read.
    assert ("10,000 rows (" in shown) == by_reader(True, False)
    # The note keeps a line of its own.
    assert screen(shown) == [f"{name}: ignored columns: more"]


def test_bytes_are_counted_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"-1,1\n" * 2_000_000)
    _, _, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", "rows.csv")
    # It is read in parts of two megabytes.
    percents = [int(part.rpartition("]")[2]) for part in shown.split("%")[:-1]]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len(set(percents)) >= 4


def test_an_error_keeps_a_line_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"-1,1\n" * 5000 + b"a,1\n")
    code, out, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", "rows.csv")
    assert (code, out.count("\n")) == (1, 5000)
    assert screen(shown) == ["error: rows.csv line 5001: x1: 'a' is not a number"]


def test_answers_on_the_terminal_show_the_progress_themselves(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"-1,1\n" * 5000)
    code, _, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", "rows.csv", stdout_too=True)
    assert code == 0
    assert shown == "label 1  probability 0.9927\n" * 5000


def test_a_pipe_has_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows")
    with subprocess.Popen(["sh", "-c", "for n in 1 2 3; do echo -1,1; done > rows"], cwd=tmp_path):
        code, out, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", "rows")
    assert (code, out, shown) == (0, "label 1  probability 0.9927\n" * 3, "")


def test_hostile_names_of_files(tmp_path: Path) -> None:
    name = "rows\x1b[31m\n"
    (tmp_path / name).write_bytes(b"-1,1\n" * 5000)
    code, _, shown = on_a_terminal(COMMAND, tmp_path, MODEL, "--input", name)
    assert code == 0
    assert "answering rows\\x1b[31m\\n  [" in shown
    assert "\x1b" not in shown
