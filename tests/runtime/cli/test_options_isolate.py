"""`edge-predict --isolate`: the same output as without, and one line for a model that takes too much."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line
from concurrency import HANG
from hostile_models import FOLDER, HOSTILE, ROWS, Hostile
from paths import FOUR_BLOBS, MODELS
from programs import processor_seconds

from edge_runtime.cli.command import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")

Command = Callable[..., Any]
PENGUINS = MODELS / "penguins.onnx"


@pytest.fixture
def both(command: Command) -> Callable[..., tuple[Any, Any]]:
    return lambda *arguments: (command(main, *arguments, "--isolate"), command(main, *arguments, "--device", "cpu"))


Both = Callable[..., tuple[Any, Any]]


@pytest.mark.parametrize(
    "arguments",
    [
        [FOUR_BLOBS, -1, 1],
        [FOUR_BLOBS, -1, 1, "--format", "json"],
        [FOUR_BLOBS, -100, 1, "--format", "csv", "--flag-unseen"],
        [MODELS / "three_labels.onnx", -1, 1, "--top", 2],
        [MODELS / "mass.onnx", 1, 2],
        [FOUR_BLOBS, "--describe"],
        [FOUR_BLOBS, "--describe", "--details"],
        [PENGUINS, "--describe", "--format", "json"],
        [MODELS / "kinds.onnx", "--describe"],
        [FOUR_BLOBS, "--verify"],
        [FOUR_BLOBS, "--verify", "--format", "json"],
        [MODELS / "external.onnx", "--describe"],
        # What cannot be done.
        [FOUR_BLOBS, "a", 1],
        [FOUR_BLOBS, 1],
        [MODELS / "outputs.onnx", "--verify"],
        [MODELS / "outputs.onnx", 1, 2],
        [MODELS / "nothing.onnx", 1, 2],
        [MODELS / "make.py", 1, 2],
        [MODELS, 1, 2],
    ],
    ids=lambda arguments: " ".join(map(str, arguments)).replace(str(MODELS), ""),
)
def test_the_same_output(both: Both, arguments: list[Any]) -> None:
    isolated, plain = both(*arguments)
    assert isolated == plain


def test_a_model_is_named_as_it_was_named(both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cut.onnx").write_bytes(FOUR_BLOBS.read_bytes()[:1000])
    monkeypatch.chdir(tmp_path)
    isolated, plain = both("cut.onnx", 1, 1)
    assert isolated == plain
    assert_one_line(isolated, 1, "error: cut.onnx is not")


@pytest.mark.parametrize("output_format", ["text", "json", "csv"])
def test_files(both: Both, output_format: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("x2,x1\n" + "".join(f"{one},{-one}\n" for one in range(5000)))
    isolated, plain = both(FOUR_BLOBS, "--input", rows, "--format", output_format)
    assert isolated == plain
    assert isolated.out.count("\n") >= 5000
    rows.write_text("x2,x1\n1,2\n1,a\n")
    isolated, plain = both(FOUR_BLOBS, "--input", rows)
    assert isolated == plain
    assert isolated.code == 1


def test_arrays(both: Both, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array(ROWS, np.float32))
    isolated, plain = both(FOUR_BLOBS, "--input", tmp_path / "rows.npz", "--format", "json")
    assert isolated == plain
    contents = []
    for one in both(FOUR_BLOBS, "--input", tmp_path / "rows.npz", "--output", tmp_path / "raw.npz"):
        assert one == (0, "", "")
        contents.append((tmp_path / "raw.npz").read_bytes())
    assert contents[0] == contents[1]


def test_stdin(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin(SimpleNamespace):
        @property
        def buffer(self) -> io.BytesIO:
            return io.BytesIO(b"x1,x2\n-1,1\n1,1\n")

    monkeypatch.setattr("sys.stdin", Stdin())
    isolated, plain = both(FOUR_BLOBS, "--input", "-")
    assert isolated == plain
    assert isolated.out.count("label") == 2


def test_each_row_of_a_pipe_is_answered_as_it_comes() -> None:
    command = [sys.executable, "-m", "edge_runtime", str(FOUR_BLOBS), "--input", "-", "--isolate", "--format", "csv"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for row in ("x1,x2\n-1,1\n", "1,1\n"):
            process.stdin.write(row)
            process.stdin.flush()
            if row.startswith("x1"):
                assert process.stdout.readline().startswith("label,")
            assert process.stdout.readline()[:2] in ("0,", "1,")
        process.stdin.close()
        assert process.wait(HANG) == 0


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: one.name)
def test_hostile_models(command: Command, hostile: Hostile, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array(ROWS, np.float32))
    model, output, limits = FOLDER / f"{hostile.name}.onnx", tmp_path / "raw.npz", vars(hostile.limits)
    bounds = [f"--limit={name}={limits[name]}" for name in ("isolated_seconds", "isolated_bytes", "nodes")]
    result = command(main, model, "--input", tmp_path / "rows.npz", "--output", output, "--isolate", *bounds)
    assert_one_line(result, 1)
    assert any(said in result.err for said in hostile.said)
    assert not output.exists()


def test_what_it_does_not_go_with(command: Command) -> None:
    assert_one_line(command(main, "--doctor", "--isolate"), 2, "--doctor goes with MODEL")
    assert_one_line(command(main, FOUR_BLOBS, 1, 1, "--isolate", "--device", "cuda"), 1, "runs on the CPU alone")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes there are")
def test_ctrl_c_ends_both_quietly(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array(ROWS, np.float32))
    command = [sys.executable, "-m", "edge_runtime", str(FOLDER / "endless.onnx"), "--isolate"]
    command += ["--input", str(tmp_path / "rows.npz"), "--limit", "isolated_seconds=none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (isolated := children.read_text().split()) or processor_seconds(int(isolated[0])) < 2:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=HANG) == (b"", b"")
        assert process.returncode == 130
    assert not Path(f"/proc/{isolated[0]}").exists()


def test_custom_operators(both: Both) -> None:
    extensions = pytest.importorskip("onnxruntime_extensions")
    model = MODELS / "custom_operators.onnx"
    isolated, plain = both(model, 3, 4, "--operators", extensions.get_library_path(), "--format", "json")
    assert isolated == plain
    assert isolated.out == '{"value": 7.0}\n'
