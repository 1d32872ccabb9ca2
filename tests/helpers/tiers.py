"""Which tests are left to `make test-all`, and how many examples hypothesis draws."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest
from hypothesis import Phase, settings


def mostly_slow(values: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """`values` as parameters of a test, marked as slow unless they are among `fast`."""
    values = list(values)
    assert set(fast) <= set(values)
    return [value if value in fast else pytest.param(*_each(value), marks=pytest.mark.slow) for value in values]


def examples(few: int, many: int) -> settings:
    """`few` examples in `make test`, `many` in `make test-all`, not shrunk: for tests that take seconds an example."""
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    return settings(max_examples=many if is_thorough() else few, phases=phases)


def is_thorough() -> bool:
    """Whether this is a run of `make test-all`, which draws many examples."""
    assert settings.default is not None
    return not settings.default.derandomize


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
