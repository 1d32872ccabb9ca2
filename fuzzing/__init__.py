"""Hostile input for everything that reads: targets, two drivers for them, and what they find. `make fuzz` runs them."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Helpers of the tests make models and requests.
if (_HELPERS := str(ROOT / "tests" / "helpers")) not in sys.path:
    sys.path.append(_HELPERS)
