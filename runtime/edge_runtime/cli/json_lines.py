"""JSON for standard output."""

import json
import math
from typing import Any


def json_line(plain: dict[str, Any]) -> str:
    """`plain` as JSON in one line. Characters that are not printable are escaped, so that none controls a terminal."""
    line = json.dumps(plain, ensure_ascii=False)
    if not line.isprintable():
        line = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)
    return f"{line}\n"


def json_number(value: Any) -> float | None:
    """The shortest decimal that gives `value` again in its own precision; None (null) for NaN and infinity."""
    return float(str(value)) if math.isfinite(value) else None
