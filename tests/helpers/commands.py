"""What is expected of a command."""

import importlib.util
import os
import subprocess
import sys
from typing import Any

from concurrency import HANG


def assert_one_line(result: Any, code: int, *parts: str) -> None:
    """An error as the project promises: this exit code, and one line on stderr with `parts` in it."""
    assert result.code == code, result
    assert result.err.startswith("error: "), result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result


def by_reader(of_tables: Any, of_rows: Any) -> Any:
    """What is expected of `--input`: of the reader of tables, or, where pyarrow is missing, of the reader of rows."""
    return of_tables if importlib.util.find_spec("pyarrow") else of_rows


def assert_python_runs(script: str) -> None:
    """`script`, in a Python of its own, ends well and says nothing on stderr."""
    environment = dict(os.environ)
    # coverage waits for ever for its own lock if a signal handler raises, or another thread forks, while it is held.
    if "signal" in script or "fork" in script:
        environment.pop("COVERAGE_PROCESS_CONFIG", None)
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=HANG, env=environment
    )
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
