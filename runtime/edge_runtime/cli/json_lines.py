"""JSON for standard output."""

import math
from typing import Any

from edge_runtime.contract.terminal import json_string


def json_line(plain: dict[str, Any]) -> str:
    """`plain` as JSON in one line. Characters that are not printable are escaped, so that none controls a terminal."""
    return f"{json_string(plain)}\n"


def json_number(value: Any) -> float | None:
    """The shortest decimal that gives `value` again in its own precision; None (null) for NaN and infinity."""
    return float(str(value)) if math.isfinite(value) else None
