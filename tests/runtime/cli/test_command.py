import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paths import MODELS

import edge_runtime
from edge_runtime.cli.command import main
from edge_runtime.engine.devices import cuda_driver_problem

MODEL = MODELS / "four_blobs.onnx"
# With buffered output, as people have it, whatever this process was started with.
PROGRAM = ["env", "--unset=PYTHONUNBUFFERED", sys.executable, "-m", "edge_runtime", str(MODEL)]

Command = Callable[..., Any]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    return lambda content: monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def assert_one_line(result: Any, code: int, *parts: str) -> None:
    """An error as the project promises: this exit code, one line on stderr with `parts` in it."""
    assert result.code == code, result
    assert result.err.startswith("error: "), result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


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


def test_formats(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x2,x1,class\n1,-1,a\n1,1,b\nnan,1,c\n")
    note = f"{rows}: ignored columns: class\n"
    text = command(main, MODEL, "--input", rows)
    assert text == (
        0,
        "label 1  probability 0.9927\nlabel 0  probability 0.9785\nlabel 0  probability nan\n",
        note,
    )
    as_json = command(main, MODEL, "--input", rows, "--format", "json")
    answers = [json.loads(line) for line in as_json.out.splitlines()]
    assert answers[0]["label"] == 1
    assert answers[0]["probability"] == answers[0]["probabilities"]["1"] == pytest.approx(0.9927064, abs=1e-6)
    assert answers[1]["label"] == 0
    assert answers[1]["probability"] == answers[1]["probabilities"]["0"] == pytest.approx(0.9785453, abs=1e-6)
    assert answers[2] == {"label": 0, "probability": None, "probabilities": {"0": None, "1": None}}
    as_csv = command(main, MODEL, "--input", rows, "--format", "csv").out.splitlines()
    assert as_csv[0] == "label,probability,probability_0,probability_1"
    assert as_csv[1].split(",")[0] == "1"
    assert float(as_csv[1].split(",")[1]) == answers[0]["probability"]
    assert len(as_csv) == 4
    one = command(main, MODEL, "--format", "json", -1, 1)
    assert json.loads(one.out) == answers[0]


def test_options_may_stand_anywhere(command: Command) -> None:
    expected = command(main, MODEL, -1, 1, "--format", "json", "--device", "cpu").out
    assert command(main, "--device", "cpu", MODEL, "--format=json", -1, 1).out == expected
    assert command(main, MODEL, -1, "--format", "json", 1).out == expected


def test_many_rows_over_several_blocks(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("-1,1\n1,1\n" * 5000)
    lines = command(main, MODEL, "--input", rows).out.splitlines()
    assert lines == ["label 1  probability 0.9927", "label 0  probability 0.9785"] * 5000


@pytest.mark.parametrize("content", [b"-1,1\n1,1\n", b"\xef\xbb\xbfx1,x2\r\n-1,1\r\n1,1\r\n", b"[-1, 1]\n[1, 1]"])
def test_stdin(command: Command, stdin: Callable[[bytes], None], content: bytes) -> None:
    stdin(content)
    result = command(main, MODEL, "--input", "-")
    assert result == (0, "label 1  probability 0.9927\nlabel 0  probability 0.9785\n", "")


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
        assert process.wait(timeout=30) == 0


def test_rows_before_a_bad_one_are_answered(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("-1,1\nx,1\n1,1\n")
    result = command(main, MODEL, "--input", rows)
    assert result.out == "label 1  probability 0.9927\n"
    assert_one_line(result, 1, "rows.csv line 2: x1: 'x' is not a number")


def test_describe(command: Command) -> None:
    text = command(main, MODEL, "--describe")
    assert text.code == 0
    for part in ("x: float32 [batch, 2]", "binary_classification", "labels    0, 1", "x1: numeric", "CPUExecution"):
        assert part in text.out
    described = json.loads(command(main, MODEL, "--describe", "--format", "json", "--device", "cpu").out)
    assert described["signature"]["labels"] == [0, 1]
    assert described["inputs"] == [{"name": "x", "type": "tensor(float)", "shape": ["batch", 2]}]
    assert described["provider"] == "CPUExecutionProvider"
    foreign = command(main, MODELS / "tensors.onnx", "--describe")
    assert "string: string [batch]" in foreign.out
    assert "signature none" in foreign.out


def test_version_and_help(command: Command) -> None:
    assert command(main, "--version") == (0, f"edge-predict {edge_runtime.__version__}\n", "")
    shown = command(main, "--help")
    assert shown.code == 0
    for option in ("--input", "--format", "--device", "--describe", "--verify", "--version"):
        assert option in shown.out


def test_help_and_wrong_usage_load_neither_numpy_nor_onnxruntime() -> None:
    script = """
import sys
from edge_runtime.cli.command import main
main(sys.argv[1:])
sys.exit(bool({"numpy", "onnxruntime"} & set(sys.modules)))
"""
    for arguments in (["--help"], ["--version"], ["m.onnx", "--nothing"], []):
        assert subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["MODEL"]),
        ([MODEL], ["--input FILE"]),
        ([MODEL, 1], ["2 values are needed (x1, x2), found 1"]),
        ([MODEL, 1, 2, 3], ["2 values are needed (x1, x2), found 3"]),
        ([MODEL, 1, "two"], ["x2: 'two' is not a number"]),
        ([MODEL, 1, ""], ["x2: the value is empty"]),
        ([MODEL, 1, "1e300"], ["x2: 1e300 does not fit float32"]),
        ([MODEL, -1, 1, "--nothing"], ["no such option: --nothing"]),
        ([MODEL, -1, 1, "-h"], ["no such option: -h"]),
        ([MODEL, -1, 1, "--format", "xml"], ["xml", "json"]),
        ([MODEL, -1, 1, "--device", "tpu"], ["unknown device 'tpu'", "cuda"]),
        ([MODEL, -1, 1, "--device"], ["--device"]),
        ([MODEL, -1, 1, "--input", "rows.csv"], ["one of the four"]),
        ([MODEL, -1, 1, "--verify"], ["one of the four"]),
        ([MODEL, "--describe", "--verify"], ["one of the four"]),
        ([MODEL, "--describe", "--format", "csv"], ["--describe is written as text or json"]),
        ([MODEL, "--verify", "--format", "csv"], ["--verify is written as text or json"]),
    ],
)
def test_wrong_usage(command: Command, arguments: list[object], parts: list[str]) -> None:
    result = command(main, *arguments)
    assert result.out == ""
    assert_one_line(result, 2, *parts)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["model.onnx: no such file"]),
        (b"", ["model.onnx is empty"]),
        (b"not a model", ["model.onnx is not a model that ONNX Runtime can load"]),
        (MODEL.read_bytes()[:700], ["model.onnx is not a model that ONNX Runtime can load"]),
        ((MODELS / "tensors.onnx").read_bytes(), ["has no edge-predict signature"]),
    ],
)
def test_bad_model(command: Command, tmp_path: Path, content: bytes | None, parts: list[str]) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    result = command(main, path, -1, 1)
    assert result.out == ""
    assert_one_line(result, 1, *parts)


def test_a_folder_is_no_model(command: Command, tmp_path: Path) -> None:
    assert_one_line(command(main, tmp_path, -1, 1), 1, "is a folder")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["rows.csv cannot be read: No such file"]),
        (b"", ["rows.csv is empty"]),
        (b"x1,x2\n", ["has no rows below its header"]),
        (b"1,2,3\n", ["line 1: 2 values are needed (x1, x2), found 3"]),
        (b"length,width\n1,2\n", ["the line lacks x1, x2"]),
        (b"x1;x2\n1;2\n", ["the line lacks x1, x2; columns are separated by commas"]),
        (b"1,\xff\n", ["rows.csv is not UTF-8 text"]),
        (b"1,1\n1,1e300\n", ["rows.csv line 2: x2: 1e300 does not fit float32"]),
        (b"[1, 2\n", ["not JSON"]),
    ],
)
def test_bad_input_file(command: Command, tmp_path: Path, content: bytes | None, parts: list[str]) -> None:
    path = tmp_path / "rows.csv"
    if content is not None:
        path.write_bytes(content)
    assert_one_line(command(main, MODEL, "--input", path), 1, *parts)


def test_cuda_without_a_gpu(command: Command) -> None:
    if cuda_driver_problem() is None:
        pytest.skip("this machine has an NVIDIA GPU")
    assert_one_line(command(main, MODEL, -1, 1, "--device", "cuda"), 1, "device 'cuda' cannot be used")


def test_empty_stdin(command: Command, stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
    assert_one_line(command(main, MODEL, "--input", "-"), 1, "stdin is empty")


def test_the_reader_closes_the_pipe() -> None:
    script = f"yes 1,1 | {' '.join(PROGRAM)} --input - | head -n 1"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("label 0  probability 0.9785\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*PROGRAM, "-1", "1"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert result.stderr == "error: the answers cannot be written: No space left on device\n"


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
        assert process.wait(timeout=30) == 130
        assert "Traceback" not in process.stderr.read()
