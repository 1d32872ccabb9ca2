"""One row at the shell, and what every command does with pipes, signals and full disks."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tables
from concurrency import HANG
from paths import MODELS

from edge_runtime.cli.command import main

MODEL, PENGUINS, MASS = (MODELS / f"{name}.onnx" for name in ("four_blobs", "penguins", "mass"))
GENTOO = "label Gentoo  probability 0.9788\n"
NAN = float("nan")
# With buffered output, as usual, however this process was started.
PROGRAM = ["env", "--unset=PYTHONUNBUFFERED", sys.executable, "-m", "edge_runtime", str(MODEL)]

Command = Callable[..., Any]


def test_one_row(command: Command) -> None:
    assert command(main, MODEL, -1, 1) == (0, "label 1  probability 0.9927\n", "")
    assert command(main, MODEL, 1, 1) == (0, "label 0  probability 0.9785\n", "")


@pytest.mark.parametrize(
    ("values", "label"),
    [(["-1", "1e-3"], 1), (["-1e-3", "-.5"], 1), (["1e0", "+1"], 0), (["-1E0", "-1"], 0), (["0", "-0"], 1)],
)
def test_numbers_as_people_write_them(command: Command, values: list[str], label: int) -> None:
    result = command(main, MODEL, *values)
    assert result.code == 0, result
    assert result.out.startswith(f"label {label}  probability 0.")


@pytest.mark.parametrize("values", [["nan", "1"], ["-nan", "1"], ["inf", "-inf"], ["-inf", "1"], ["-Infinity", "0"]])
def test_numbers_that_are_not_finite(command: Command, values: list[str]) -> None:
    result = command(main, MODEL, *values)
    assert result.code == 0, result
    assert result.out.startswith("label ")


@pytest.mark.parametrize(
    "words",
    [
        ["Torgersen", 39.1, 3750, "true", 2007],
        [" Torgersen ", "39.1", "3.75e3", "TRUE", "2007.0"],
        ["Torgersen", 39.1, 3750, 1, 2007],
        ["year=2007", "ringed=1.0", "mass=3750", "bill=39.1", "island=Torgersen"],
    ],
)
def test_one_row_of_a_table(command: Command, words: list[object]) -> None:
    assert command(main, PENGUINS, *words) == (0, GENTOO, "")
    assert command(main, PENGUINS, *words, "--format", "text") == (0, GENTOO, "")


def test_missing_values(command: Command) -> None:
    expected = command(main, PENGUINS, "NA", "", "?", 0, "null").out
    probability = tables.penguins([("", NAN, NAN, 0, "")]).max()
    assert expected == f"label Gentoo  probability {probability:.4f}\n"
    for words in (["ringed=0", "island=", "bill="], ["ringed=false", "island=?", "year=", "bill=nan"]):
        assert command(main, PENGUINS, *words) == (0, expected, "")


def test_values_with_equals_signs(command: Command) -> None:
    name = 'Ö=1, "ö"'
    row = [40, 3000, 0, 2007]
    assert command(main, PENGUINS, f"island={name}", "bill=40", "mass=3000", "ringed=0", "year=2007").out == (
        command(main, PENGUINS, name, *row).out
    )
    assert "unseen" not in command(main, PENGUINS, name, *row, "--flag-unseen").out


def test_the_longest_name_is_meant(command: Command, tmp_path: Path) -> None:
    old, new = b'"name": "depth"', b'"name":"bill=a"'
    assert len(old) == len(new)
    model = tmp_path / "model.onnx"
    model.write_bytes(MASS.read_bytes().replace(old, new))
    assert command(main, model, "bill=40", "bill=a=20") == (0, "value 3090\n", "")


def test_a_row_of_words_does_without_typer() -> None:
    script = """
import sys
from edge_runtime import Signature
from edge_runtime.cli.command import main
from edge_runtime.rows.text_rows import read_rows
code = main(sys.argv[1:])
sys.exit(code or "typer" in sys.modules)
"""
    for words in (["Dream", "-40", "nan", "true", ""], ["ringed=1", "mass=-5", "bill=-2", "island=Dream"]):
        result = subprocess.run([sys.executable, "-c", script, str(PENGUINS), *words], capture_output=True, text=True)
        assert (result.returncode, result.stdout[:6]) == (0, "label "), result


def test_help_and_wrong_usage_load_neither_numpy_nor_onnxruntime() -> None:
    script = """
import sys
from edge_runtime.cli.command import main
main(sys.argv[1:])
sys.exit(bool({"numpy", "onnxruntime"} & set(sys.modules)))
"""
    for arguments in (["--help"], ["--version"], ["m.onnx", "--nothing"], []):
        assert subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True).returncode == 0


def test_piped_rows_are_answered_as_they_come() -> None:
    with subprocess.Popen([*PROGRAM, "--input", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for row, answer in (
            (b"-1,1\n", b"label 1  probability 0.9927\n"),
            (b"1,1\n", b"label 0  probability 0.9785\n"),
        ):
            process.stdin.write(row)
            process.stdin.flush()
            assert process.stdout.readline() == answer
        process.stdin.close()
        assert process.wait(HANG) == 0


def test_the_reader_closes_the_pipe() -> None:
    script = f"yes 1,1 | {' '.join(PROGRAM)} --input - | head -n 1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=HANG)
    assert (result.stdout, result.stderr) == ("label 0  probability 0.9785\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*PROGRAM, "-1", "1"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "error: the output cannot be written: No space left on device\n"


def test_closed_streams() -> None:
    for script, message in (
        ('"$@" -1 1 >&-', "stdout is closed"),
        ('"$@" --input - <&-', "stdin is closed"),
    ):
        result = subprocess.run(["bash", "-c", script, "bash", *PROGRAM], capture_output=True, text=True)
        assert result.returncode == 1
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_label_outside_the_terminals_alphabet(tmp_path: Path) -> None:
    old = b'"labels": [0, 1], "output": "probability", "schema_version": 1'
    new = '"labels":["ja","ö"],"output":"probability","schema_version":1'.encode()
    assert len(old) == len(new)  # the file stays whole
    model = tmp_path / "model.onnx"
    model.write_bytes(MODEL.read_bytes().replace(old, new))
    for encoding, shown in (("ascii", b"label \\xf6  probability 0.9927\n"), ("utf-8", "label ö  ".encode())):
        program = ["env", f"PYTHONIOENCODING={encoding}", *PROGRAM[2:-1], str(model), "-1", "1"]
        result = subprocess.run(program, capture_output=True)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.startswith(shown)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_interrupt() -> None:
    with subprocess.Popen(
        [*PROGRAM, "--input", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("1,1\n")
        process.stdin.flush()
        assert process.stdout.readline() == "label 0  probability 0.9785\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(HANG) == 130
        assert "Traceback" not in process.stderr.read()


INTERRUPTED_AT_IMPORT = """
import os, signal, sys
wanted = sys.argv.pop(1)
class AtImport:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            print("interrupted", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, AtImport())
from edge_runtime.cli.command import main
sys.exit(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("module", ["edge_runtime.contract.shell", "edge_runtime.contract.values", "typer", "numpy"])
def test_interrupted_while_it_loads(module: str) -> None:
    arguments = [module, str(MODEL), "--verify"]
    result = subprocess.run([sys.executable, "-c", INTERRUPTED_AT_IMPORT, *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "interrupted\n")
