"""ONNX Runtime's telemetry is off from the import of this package on, whoever imports ONNX Runtime then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.contract.telemetry import SWITCH

IMPORTS = [
    "import onnxruntime",
    "import_onnxruntime()",
    "from edge_runtime import Predictor; import onnxruntime",
]


@pytest.mark.parametrize("imported", IMPORTS)
@pytest.mark.parametrize(
    ("before", "is_off", "reason", "after"),
    [
        (None, True, "edge_runtime sets ORT_DISABLE_TELEMETRY=1", "1"),
        ("", True, "edge_runtime sets ORT_DISABLE_TELEMETRY=1", "1"),
        (" ", True, "edge_runtime sets ORT_DISABLE_TELEMETRY=1", "1"),
        ("1", True, "ORT_DISABLE_TELEMETRY=1", "1"),
        ("True ", True, "ORT_DISABLE_TELEMETRY=True", "True "),
        ("0", False, "ORT_DISABLE_TELEMETRY=0", "0"),
        ("no", False, "ORT_DISABLE_TELEMETRY=no", "no"),
    ],
)
def test_it_is_off_unless_the_user_has_decided(
    before: str | None, is_off: bool, reason: str, after: str, imported: str, tmp_path: Path
) -> None:
    """The variable is there when ONNX Runtime is imported, and its own switch is used too if telemetry is off."""
    (tmp_path / "onnxruntime.py").write_text(
        "import os\nInferenceSession, seen, switched = 1, os.environ['ORT_DISABLE_TELEMETRY'], 0\n"
        "def disable_telemetry_events():\n    global switched\n    switched = 1"
    )
    script = f"""
import edge_runtime, sys
sys.path.insert(0, {str(tmp_path)!r})
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.contract.telemetry import telemetry
{imported}
print([import_onnxruntime().seen, import_onnxruntime().switched, *telemetry()])
"""
    assert output(script, before) == f"{[after, int(is_off), is_off, reason]}\n"


def test_it_is_too_late() -> None:
    """What the application has imported is left alone."""
    script = """
import os, sys
sys.modules["onnxruntime"] = object()
from edge_runtime.contract.telemetry import telemetry
print(*telemetry(), "ORT_DISABLE_TELEMETRY" in os.environ)
"""
    expected = "False onnxruntime was imported before edge_runtime could switch it off False\n"
    assert output(script, None) == expected


def test_what_the_program_says_later_counts() -> None:
    script = """
import os
from edge_runtime.contract.telemetry import telemetry
os.environ["ORT_DISABLE_TELEMETRY"] = "0"
print(*telemetry())
"""
    assert output(script, None) == "False ORT_DISABLE_TELEMETRY=0\n"


def output(script: str, switch: str | None) -> str:
    """What a new process prints, with the variable set to `switch` or not set."""
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    if switch is not None:
        environment[SWITCH] = switch
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
