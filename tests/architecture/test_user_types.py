"""The types of the public names, as a type checker in its strict mode shows them to a user's program."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import MODELS, ROOT

PROGRAM = ROOT / "tests" / "typing" / "user_program.py"
PATH = {**os.environ, "PYTHONPATH": str(ROOT / "runtime")}
# Each line is a mistake, and the only one of its kind.
MISTAKES = """
from edge_runtime import Prediction, Predictor
predictor = Predictor("model.onnx", devise="cpu")
task: str = predictor.signature.task
answer: Prediction = predictor.predict_one([1, 2])
answer.lable
length: str = predictor.predict_proba([1, 2]).ndim
Predictor(7)
predictor.run([1, 2])
from edge_runtime import Predicter
"""


def checked(*arguments: str) -> list[tuple[int, str]]:
    """The line and the rule of each complaint."""
    pytest.importorskip("basedpyright", reason="basedpyright is pyright without a download")
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, *arguments]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=PATH).stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    return [(one["range"]["start"]["line"] + 1, one["rule"]) for one in found["generalDiagnostics"]]


@pytest.mark.slow
def test_a_program_in_strict_mode() -> None:
    assert checked() == []


@pytest.mark.slow
def test_mistakes_are_found(tmp_path: Path) -> None:
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    lines = MISTAKES.splitlines()
    found = {line for line, _ in checked("--project", str(tmp_path))}
    fine = {place for place, line in enumerate(lines, start=1) if not line or line == lines[1] or "answer:" in line}
    assert found == set(range(1, len(lines) + 1)) - fine


def test_the_program_runs() -> None:
    command = [sys.executable, str(PROGRAM), str(MODELS / "four_blobs.onnx")]
    written = subprocess.run(command, capture_output=True, text=True, check=True, env=PATH).stdout
    assert '{"row": 7, "label": 1, "probability": 0.99' in written
