"""Options, wrong usage, and what cannot be done: one line on stderr, and usage is checked first."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import assert_one_line, by_reader
from paths import MODELS

import edge_runtime
from edge_runtime.cli.command import main
from edge_runtime.engine.devices import cuda_driver_problem

MODEL, PENGUINS, ISLANDS = (MODELS / f"{name}.onnx" for name in ("four_blobs", "penguins", "islands"))

Command = Callable[..., Any]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    reader, writer = os.pipe()
    with os.fdopen(reader) as file:
        monkeypatch.setattr("sys.stdin", file)

        def give(content: bytes) -> None:
            os.write(writer, content)
            os.close(writer)

        yield give


def test_options_may_stand_anywhere(command: Command) -> None:
    expected = command(main, MODEL, -1, 1, "--format", "json", "--device", "cpu").out
    assert command(main, "--device", "cpu", MODEL, "--format=json", -1, 1).out == expected
    assert command(main, MODEL, -1, "--format", "json", 1).out == expected


def test_custom_operators(command: Command) -> None:
    extensions = pytest.importorskip("onnxruntime_extensions")
    model = MODELS / "custom_operators.onnx"
    library = extensions.get_library_path()
    assert command(main, model, 3, 4, "--operators", library, "--format", "json").out == '{"value": 7.0}\n'
    assert_one_line(command(main, model, 3, 4), 1, "NegPos")
    assert_one_line(command(main, model, 3, 4, "--operators", "nowhere.so"), 1, "ONNX Runtime cannot load")


def test_version_and_help(command: Command) -> None:
    assert command(main, "--version") == (0, f"edge-predict {edge_runtime.__version__}\n", "")
    shown = command(main, "--help")
    assert shown.code == 0
    for option in ("--input", "--format", "--device", "--describe", "--verify", "--version"):
        assert option in shown.out


def test_a_wrong_value_is_wrong_usage_with_options_too(command: Command) -> None:
    result = command(main, MODELS / "four_blobs.onnx", "a", 1, "--format", "json")
    assert (result.code, result.out, result.err) == (2, "", "error: x1: 'a' is not a number (see --help)\n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["MODEL"]),
        ([MODEL], ["--input FILE"]),
        ([MODEL, 1], ["2 values are needed (x1, x2), found 1"]),
        ([MODEL, 1, 2, 3], ["2 values are needed (x1, x2), found 3"]),
        *(([MODEL, word], [f"{word!r} is one word; give each value as"]) for word in ("1,2", "1 2", " -1, 2 ")),
        ([MODEL, "1,2,3"], ["2 values are needed (x1, x2), found 1"]),
        ([MODEL, "--input", ""], ["--input needs the name of a file, or - for stdin"]),
        ([MODEL, 1, "two"], ["x2: 'two' is not a number"]),
        ([MODEL, 1, ""], ["x2: the value is empty"]),
        ([MODEL, 1, "1e300"], ["x2: 1e300 does not fit float32"]),
        ([MODEL, -1, 1, "--nothing"], ["no such option: --nothing"]),
        ([MODEL, -1, 1, "-h"], ["no such option: -h"]),
        ([MODEL, -1, 1, "--format", "xml"], ["xml", "json"]),
        ([MODEL, -1, 1, "--device", "tpu"], ["unknown device 'tpu'", "cuda"]),
        ([MODEL, -1, 1, "--device"], ["--device"]),
        ([MODEL, -1, 1, "--input", "rows.csv"], ["give one of these: the values of one row"]),
        ([MODEL, -1, 1, "--verify"], ["give one of these: the values of one row"]),
        ([MODEL, "--describe", "--verify"], ["give one of these: the values of one row"]),
        ([MODEL, "--describe", "--format", "csv"], ["--describe is written as text or json"]),
        ([MODEL, "--verify", "--format", "csv"], ["--verify is written as text or json"]),
    ],
)
def test_wrong_usage(command: Command, arguments: list[object], parts: list[str]) -> None:
    result = command(main, *arguments)
    assert result.out == ""
    assert_one_line(result, 2, *parts)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["Dream", 40, 3000, 1], ["5 values are needed (island, bill, mass, ringed, year), found 4"]),
        (["Dream", 40, 3000, "maybe", 2007], ["ringed: 'maybe' is neither true nor false"]),
        (["Dream", 40, 3000, "", 2007], ["ringed: the value is missing, and missing values are not accepted"]),
        (["Dream", "forty", 3000, 1, 2007], ["bill: 'forty' is not a number"]),
        (["Dream", 40, 3000, 1, "2007.5"], ["year: 2007.5 is not an integer"]),
        (["island=Dream"], ["missing bill, ringed"]),
        (["colour=5"], ["'colour' is not a feature; the features are island, bill, mass, ringed, year"]),
        (["Masss=5"], ["'Masss' is not a feature; did you mean 'mass'?"]),
        (["island=Dream", "island=Dream"], ["island is given twice"]),
        (["ringed=1", 40], ["'40' has no name, but another value has one"]),
        (["Dream", "bill=40", 3000, 1, 2007], ["'Dream' has no name"]),
        (["island=Dream", "bill=4", "ringed=2"], ["ringed: '2' is neither true nor false"]),
        (["ringed=1", "--nothing"], ["no such option: --nothing"]),
        (["--flag-unseen", "--describe"], ["--flag-unseen needs the values of one row, or --input FILE"]),
        (["--flag-unseen"], ["give one of these: the values of one row"]),
        (["--interval", 0.9, "--verify"], ["--interval needs the values of one row, or --input FILE"]),
        (["--interval", 0.9], ["give one of these: the values of one row"]),
    ],
)
def test_wrong_usage_with_a_table(command: Command, words: list[object], parts: list[str]) -> None:
    result = command(main, PENGUINS, *words)
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


def test_a_folder_is_not_a_model(command: Command, tmp_path: Path) -> None:
    assert_one_line(command(main, tmp_path, -1, 1), 1, "is a folder")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["rows.csv: no such file\n"]),
        (b"", ["rows.csv is empty"]),
        (b"x1,x2\n", ["has no rows"]),
        (b"1,2,3\n", ["line 1: 2 values are needed (x1, x2), found 3"]),
        (b"length,width\n1,2\n", ["the line lacks x1, x2"]),
        (b"x3;x4\n1;2\n", ["the line lacks x1, x2"]),
        (
            b"1,\xff\n",
            [
                "rows.csv "
                + by_reader("line 1 is not UTF-8 text; name its encoding", "is not UTF-8 text: invalid start byte")
            ],
        ),
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


@pytest.mark.parametrize("content", [b"-1,1\n1,1\n", b"\xef\xbb\xbfx1,x2\r\n-1,1\r\n1,1\r\n", b"[-1, 1]\n[1, 1]"])
def test_stdin(command: Command, stdin: Callable[[bytes], None], content: bytes) -> None:
    stdin(content)
    result = command(main, MODEL, "--input", "-")
    assert result == (0, "label 1  probability 0.9927\nlabel 0  probability 0.9785\n", "")


def test_empty_stdin(command: Command, stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
    assert_one_line(command(main, MODEL, "--input", "-"), 1, "stdin is empty")


def test_rows_around_a_bad_one_are_answered(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("-1,1\nx,1\n1,1\n")
    result = command(main, MODEL, "--input", rows)
    # Who reads row by row stops there.
    assert result.out == "label 1  probability 0.9927\n" + by_reader("label 0  probability 0.9785\n", "")
    assert_one_line(result, 1, "rows.csv line 2: x1: 'x' is not a number")


def test_many_rows_over_several_batches(command: Command, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("-1,1\n1,1\n" * 5000)
    lines = command(main, MODEL, "--input", rows).out.splitlines()
    assert lines == ["label 1  probability 0.9927", "label 0  probability 0.9785"] * 5000


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("--forma", "did you mean '--format'?"),
        ("--forma=json", "did you mean '--format'?"),
        ("--verfy", "did you mean '--verify'?"),
        ("--detail", "did you mean '--details'?"),
        ("--halp", "did you mean '--help'?"),
        ("--DESCRIBE", "did you mean '--describe'?"),
        ("--xyz", "write a value that begins with - as name=value"),
        ("-x", "write a value that begins with - as name=value"),
    ],
)
def test_a_mistyped_option(command: Command, option: str, advice: str) -> None:
    result = command(main, MODEL, -1, 1, option)
    assert result == (2, "", f"error: no such option: {option}; {advice} (see --help)\n")


@pytest.mark.parametrize(
    ("device", "advice"),
    [
        ("cud", "unknown device 'cud'; did you mean 'cuda'? use auto, cpu, cuda, cuda:N, or"),
        ("CUDAExecutionProvidr", "did you mean 'CUDAExecutionProvider'?"),
        ("gpu", "unknown device 'gpu'; did you mean 'cuda'?"),
    ],
)
def test_a_mistyped_device(command: Command, device: str, advice: str) -> None:
    assert_one_line(command(main, MODEL, -1, 1, "--device", device), 2, advice)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--format", "xml", 1],
        ["--nothing"],
        ["--describe", "--verify"],
        ["--describe", 1],
        ["--describe", "--format", "csv"],
        ["--verify", "--flag-unseen"],
        ["--describe", "--interval", 0.9],
        [1, "--interval", 2],
        ["--verify", "--details"],
        [1, "--details"],
        ["--input", "nowhere.csv", "--details"],
        [1, "--device", "tpu"],
        ["--describe", "--device", "tpu"],
    ],
)
def test_usage_is_checked_before_the_model_is_opened(command: Command, tmp_path: Path, arguments: list[object]) -> None:
    result = command(main, tmp_path / "nowhere.onnx", *arguments)
    assert_one_line(result, 2, "(see --help)")
    assert "nowhere.onnx" not in result.err


def test_the_file_of_rows_is_opened_before_the_model(command: Command, tmp_path: Path) -> None:
    script = """
import sys
from edge_runtime.cli.command import main
code = main(sys.argv[1:])
sys.exit(code if not {"numpy", "onnxruntime"} & set(sys.modules) else 9)
"""
    arguments = [str(MODEL), "--input", str(tmp_path / "nowhere.csv")]
    result = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"error: {tmp_path / 'nowhere.csv'}: no such file\n"


def test_help_has_one_line_for_each_option(command: Command) -> None:
    lines = command(main, "--help").out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("Options"))
    options = [line for line in lines[start + 1 :] if line.strip()]
    assert [line.split()[0] for line in options] == [
        "--input",
        "--output",
        "--keep",
        "--rejects",
        "--strict",
        "--resume",
        "--summary",
        "--delimiter",
        "--decimal",
        "--encoding",
        "--engine",
        "--address",
        "--workers",
        "--format",
        "--top",
        "--flag-unseen",
        "--explain",
        "--interval",
        "--device",
        "--operators",
        "--isolate",
        "--trust",
        "--limit",
        "--describe",
        "--details",
        "--verify",
        "--doctor",
        "--version",
        "--help",
    ]
