"""ONNX Runtime's telemetry: off from the first import of this package on, unless the user has decided.

It would keep files about its use, look up its maker's host, and its thread would not let a forked process end. Only the
environment switches all of it off, and only before anything in the process imports ONNX Runtime. So this package
imports this module before all others, and it imports nothing that takes time.
"""

import os
import sys

SWITCH = "ORT_DISABLE_TELEMETRY"
# The values by which ONNX Runtime takes it for switched off.
_YES = ("1", "on", "true", "y", "yes")


def telemetry() -> tuple[bool, str]:
    """Whether ONNX Runtime's telemetry is off, and why."""
    given = _given()
    if _IS_OURS and given == "1":
        return True, f"edge_runtime sets {SWITCH}=1"
    if given:
        return given.lower() in _YES, f"{SWITCH}={given}"
    return False, "onnxruntime was imported before edge_runtime could switch it off"


def _given() -> str:
    return os.environ.get(SWITCH, "").strip()


_IS_OURS = not _given() and "onnxruntime" not in sys.modules
if _IS_OURS:
    os.environ[SWITCH] = "1"
