"""An export opens no socket, and writes its files, what torch keeps beside them for a moment, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from traced import UNTIL_IT_ASKS, Traced, bare_environment, traced

from edge_runtime.engine.installation import numbers

EXPORT = """
from edge_export.cli.command import main
assert main({arguments}) == 0
"""
WAIT = "import time; time.sleep(15)"


def export(arguments: list[str], trained: Path, tmp_path: Path, last: str = WAIT, **variables: str) -> Traced:
    for name in ("work", "home", "temporary"):
        (tmp_path / name).mkdir()
    shutil.copy(trained, tmp_path / "work" / "model.pt")
    environment = bare_environment(tmp_path / "home", TMPDIR=str(tmp_path / "temporary"), **variables)
    return traced(EXPORT.format(arguments=arguments) + last, tmp_path / "work", environment)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--format", "ort", "--precision", "float16"]])
def test_no_socket_and_no_other_file(options: list[str], trained: Path, tmp_path: Path) -> None:
    """Not for int8: the onnx package names a temporary file after the network card there, of which a note is kept.

    Nor for --report: matplotlib keeps a list of the fonts.
    """
    result = export(["model.pt", *options], trained, tmp_path)
    assert (result.network, result.err) == ([], "")
    asked_for = (tmp_path / "work", tmp_path / "temporary")
    assert {path for path in result.files if not any(path.is_relative_to(folder) for folder in asked_for)} == set()
    assert not [path for path in (tmp_path / "temporary").rglob("*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.skipif(numbers(onnxruntime.__version__) < (1, 29), reason="this ONNX Runtime sends nothing")
def test_this_check_can_fail(trained: Path, tmp_path: Path) -> None:
    result = export(["model.pt", "--format", "onnx"], trained, tmp_path, UNTIL_IT_ASKS, ORT_DISABLE_TELEMETRY="0")
    assert any(path.name == "onnxruntime.db" for path in result.files)
    assert any("AF_INET" in call for call in result.network)


def test_telemetry_is_off_whoever_imports_onnxruntime_then(tmp_path: Path) -> None:
    script = "import edge_export, os, onnxruntime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    result = subprocess.run(
        [sys.executable, "-c", script], env=bare_environment(tmp_path), capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("1\n", "")
    assert list(tmp_path.iterdir()) == []
