"""A system that lacks what others have: no home, no name, no /proc, /dev/shm and /tmp, nothing that can be written."""

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from limited import command, limited, nameless, unshared
from paths import FOUR_BLOBS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these are Linux's")

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
ROW = [*command("edge-predict"), FOUR_BLOBS, -1, 1]
NO_HOME = {name: value for name, value in os.environ.items() if name != "HOME"}


def shown(words: Sequence[object]) -> str:
    return shlex.join(map(str, words))


def test_without_home_and_name() -> None:
    right = limited(ROW).out
    for words in (ROW, nameless(ROW)):
        for more in ({}, {"HOME": "/nonexistent"}):
            found = limited(words, env={**NO_HOME, **more})
            assert (found.code, found.out, found.err) == (0, right, "")
    found = limited(nameless([*command("edge-predict"), "--doctor"]), env=NO_HOME)
    assert "Traceback" not in found.err
    assert "ONNX Runtime" in found.out


# The places are covered, not unmounted.
WITHOUT = """
mount -t tmpfs -o ro,mode=0 none /dev/shm
mount -t tmpfs -o ro none /sys
mount -t tmpfs -o ro none /proc
"""


def test_without_proc_sys_and_shm(tmp_path: Path) -> None:
    right = limited(ROW).out
    program = f"""
import multiprocessing
import numpy as np
from edge_runtime import Predictor
predictor = Predictor({str(FOUR_BLOBS)!r}, threads=4)
print(predictor.predict(np.zeros((1_000_000, 2))).shape)
"""
    found = unshared(f"{WITHOUT}{shown(ROW)}\n{shown([sys.executable, '-c', program])}", tmp_path)
    assert (found.code, found.out) == (0, f"{right}(1000000,)\n"), found
    found = unshared(f"{WITHOUT}{shown([*command('edge-predict'), FOUR_BLOBS, '--doctor'])}", tmp_path)
    assert found.code == 0, found


@pytest.mark.slow
def test_the_other_commands_without_proc_sys_and_shm(tmp_path: Path) -> None:
    pytest.importorskip("edge_export")
    asks = f"""
import sys
sys.path.insert(0, {str(HELPERS)!r})
from servers import serving
for workers in (1, 2):
    with serving({str(FOUR_BLOBS)!r}, "--workers", workers) as server:
        print(server.ask("/models/four_blobs/predict", "[-1, 1]").json["answers"][0]["label"])
        assert server.end() == 0
"""
    commands: list[list[object]] = [
        [*command("edge-train"), "--epochs", 3, "--output", "."],
        [*command("edge-export"), "model.pt", "--format", "onnx", "--output", "."],
        [*command("edge-predict"), FOUR_BLOBS, -1, 1, "--isolate"],
        [sys.executable, "-c", asks],
    ]
    found = unshared(WITHOUT + "\n".join(map(shown, commands)), tmp_path)
    assert found.code == 0, found
    assert found.out.endswith(f"{limited(ROW).out}1\n1\n"), found
    assert "Traceback" not in found.err, found
    assert (tmp_path / "model.onnx").exists()


@pytest.mark.slow
def test_training_and_export_without_home_and_name() -> None:
    # pytest's own folders are for their owner alone.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        for name, words in (("edge-train", ["--epochs", 5]), ("edge-export", ["model.pt", "--format", "onnx"])):
            found = limited(nameless([*command(name), *words, "--output", "."]), cwd=folder, env=NO_HOME)
            assert found.code == 0, found
            assert "Traceback" not in found.err


@pytest.mark.parametrize("size", ["16k", "200k"])
def test_workers_without_space_for_their_counts(tmp_path: Path, size: str) -> None:
    """They map files, and a page without space would end them by SIGBUS, at the first request or later."""
    pytest.importorskip("uvicorn")
    (tmp_path / "small").mkdir()
    words = [*command("edge-serve"), FOUR_BLOBS, "--port", 0, "--workers", 2]
    script = f"mount -t tmpfs -o size={size} none {tmp_path}/small\n{shown(words)}"
    found = unshared(script, tmp_path, {"TMPDIR": f"{tmp_path}/small"})
    assert found.code == 1, found
    assert found.err.count("\n") == 1, found
    assert "the counts of the workers cannot be written" in found.err


@pytest.mark.slow
def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    read_only = f"""
mount -t tmpfs none {tmp_path}/there
cp {FOUR_BLOBS} {tmp_path}/there/model.onnx
mount -o remount,ro {tmp_path}/there
"""
    right = limited(ROW).out
    row = [*command("edge-predict"), "model.onnx", -1, 1]
    found = unshared(f"{read_only}cd {tmp_path}/there\n{shown(row)}", tmp_path)
    assert (found.code, found.out) == (0, right), found
    for words in (
        [*command("edge-train"), "--output", "."],
        [*command("edge-export"), "model.onnx", "--output", "."],
        [*command("edge-predict"), "model.onnx", "--input", "rows.npz", "--output", "x.npz"],
    ):
        found = unshared(f"{read_only}cd {tmp_path}/there\n{shown(words)}", tmp_path)
        assert found.code == 1, found
        assert found.err.startswith("error: "), found
        assert found.err.count("\n") == 1, found
