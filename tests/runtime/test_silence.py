"""The runtime opens no socket, and writes no file but those that it is asked for; nor does ONNX Runtime below it."""

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from paths import FOUR_BLOBS as MODEL
from traced import UNTIL_IT_ASKS, bare_environment, traced

from edge_runtime.engine.installation import numbers

# ONNX Runtime makes its files while it is imported, and looks up its maker's host some ten seconds later.
WAIT = "\nimport time; time.sleep(15)"
PREDICT = f"""
from edge_runtime import Predictor
predictor = Predictor({str(MODEL)!r})
print(predictor.predict([[-1, 1]] * 10000).sum(), predictor.predict_one([-1, 1]).label, predictor.provider)
"""
COMMAND = f"""
from edge_runtime.cli.command import main
assert main([{str(MODEL)!r}, "-1", "1"]) == main([{str(MODEL)!r}, "-1", "1", "--format", "json"]) == 0
"""
HAS_TELEMETRY = numbers(onnxruntime.__version__) >= (1, 29)
without_telemetry = pytest.mark.skipif(not HAS_TELEMETRY, reason="this ONNX Runtime sends nothing")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.slow
@pytest.mark.parametrize("script", [PREDICT, COMMAND])
def test_no_socket_and_no_file(script: str, folder: Path, home: Path) -> None:
    result = traced(script + WAIT, folder, bare_environment(home))
    assert (result.files, result.network, result.err) == (set(), [], "")


@pytest.mark.slow
@without_telemetry
def test_this_check_can_fail(folder: Path, home: Path) -> None:
    result = traced(PREDICT + UNTIL_IT_ASKS, folder, bare_environment(home, ORT_DISABLE_TELEMETRY="0"))
    assert any(path.name == "onnxruntime.db" and path.is_relative_to(home) for path in result.files)
    assert any("AF_INET" in call for call in result.network)


def run(script: str, home: Path, **variables: str) -> str:
    """What `script` says on stderr, where HOME is `home`."""
    command = [sys.executable, "-c", script]
    environment = bare_environment(home, **variables)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize("script", [PREDICT, COMMAND])
def test_a_home_that_cannot_be_written(script: str, home: Path) -> None:
    """Below a file nobody can make a folder, not even an administrator."""
    assert run(script, MODEL / "home") == ""
    assert run(script, home) == ""
    assert list(home.iterdir()) == []


@without_telemetry
def test_the_check_of_homes_can_fail(home: Path) -> None:
    assert "telemetry" in run(PREDICT, MODEL / "home", ORT_DISABLE_TELEMETRY="0")
    run(PREDICT, home, ORT_DISABLE_TELEMETRY="0")
    assert list(home.rglob("onnxruntime.db"))
