"""Standard streams that are closed, full, or without a character set."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from concurrency import HANG
from limited import command, limited
from paths import FOUR_BLOBS, MODELS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell closes them")


def closed(how: str, words: list[object], **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the redirections `how` of a shell, and these variables of the environment."""
    script = ["sh", "-c", f'exec "$@" {how}', "sh", *map(str, words)]
    return subprocess.run(script, capture_output=True, text=True, timeout=HANG, env={**os.environ, **variables})


def test_without_stdin_and_stderr(tmp_path: Path) -> None:
    row = [*command("edge-predict"), FOUR_BLOBS, -1, 1]
    right = limited(row).out
    for how in ("<&-", "2>&-", "<&- 2>&-"):
        result = closed(how, row)
        assert (result.returncode, result.stdout, result.stderr) == (0, right, "")
    result = closed("2>&-", [*command("edge-predict"), tmp_path / "none.onnx", -1, 1])
    assert (result.returncode, result.stdout) == (1, "")


def test_nothing_goes_into_the_place_of_closed_streams(tmp_path: Path) -> None:
    """What a library in C writes to stderr must not go into a file that has its number."""
    script = (
        "import os, sys; from edge_runtime.contract import shell\n"
        f"sys.exit(shell.call(lambda: os.write(2, b'C') and open({str(tmp_path / 'made')!r}, 'w').fileno() < 3))"
    )
    result = closed("<&- 2>&-", [sys.executable, "-c", script])
    assert result.returncode == 0
    assert (tmp_path / "made").read_bytes() == b""


def test_without_stdout() -> None:
    for words in (["-1", "1"], ["--describe"], ["--input", os.devnull]):
        result = closed(">&-", [*command("edge-predict"), FOUR_BLOBS, *words])
        assert result.returncode == 1
        assert result.stderr == "error: stdout is closed; the results need somewhere to go\n"
    assert closed("<&- >&- 2>&-", [*command("edge-predict"), FOUR_BLOBS, -1, 1]).returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_full_stdout_or_stderr(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("island,bill,mass,ringed,year,ignored\nBiscoe,40.1,3000,true,2008,1\n")
    result = closed("> /dev/full", [*command("edge-predict"), FOUR_BLOBS, -1, 1])
    assert (result.returncode, result.stderr) == (
        1,
        "error: the output cannot be written: No space left on device\n",
    )
    for buffered in ("", "1"):
        result = closed("2> /dev/full", [*command("edge-predict"), "none.onnx", -1, 1], PYTHONUNBUFFERED=buffered)
        assert result.returncode == 1
        # What would be said on the way does not end it.
        rows = [*command("edge-predict"), MODELS / "penguins.onnx", "--input", table]
        result = closed("2> /dev/full", rows, PYTHONUNBUFFERED=buffered)
        assert (result.returncode, result.stdout) == (0, closed("", rows).stdout)


def test_without_a_character_set(tmp_path: Path) -> None:
    folder = tmp_path / "Möwen"
    folder.mkdir()
    table = folder / "zeilen ü.csv"
    table.write_text("island,bill,mass,ringed,year\nBiscoe,40.1,3000,true,2008\n", encoding="utf-8")
    words = [*command("edge-predict"), MODELS / "penguins.onnx", "--input", table, "--format", "csv"]
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONUTF8"))}
    right = limited(words, env={**usual, "LC_ALL": "C.UTF-8"})
    assert right.code == 0, right
    for plain in ({"LANG": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        found = limited(words, env={**usual, **plain}, encoding="utf-8")
        assert (found.code, found.out.encode("ascii", "backslashreplace"), found.err) == (
            0,
            right.out.encode("ascii", "backslashreplace"),
            "",
        ), plain
