"""What is expected of a command."""

from typing import Any


def assert_one_line(result: Any, code: int, *parts: str) -> None:
    """An error as the project promises: this exit code, and one line on stderr with `parts` in it."""
    assert result.code == code, result
    assert result.err.startswith("error: "), result
    assert result.err.count("\n") == 1, result
    for part in parts:
        assert part in result.err, result
