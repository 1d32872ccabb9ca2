import json
import random
from typing import Any

import pytest

from edge_runtime import Limits
from edge_runtime.contract.json_depth import is_too_deep, levels


def depth_of(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth_of, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def drawn(random_: random.Random, most: int) -> Any:
    """A JSON value with brackets, quotes and backslashes in its strings."""
    if not most or random_.random() < 0.2:
        return "".join(random_.choices('[]{}"\\,:é', k=random_.randrange(6)))
    values = [drawn(random_, most - 1) for _ in range(random_.randrange(3))]
    return values if random_.random() < 0.5 else {str(drawn(random_, 0)): value for value in values}


def test_levels_of_any_json_value() -> None:
    random_ = random.Random(1)
    for _ in range(2000):
        value = [drawn(random_, 8)]
        text = json.dumps(value, ensure_ascii=random_.random() < 0.5)
        assert levels(text.encode(), 0) == (depth_of(value), 0), text
        for most in (depth_of(value) - 1, depth_of(value)):
            if most:
                # A text with fewer characters than levels are allowed is not read.
                assert is_too_deep(text, Limits(json_depth=most)) == (depth_of(value) > most), text


@pytest.mark.parametrize(
    "text", ["[" * 101, '{"a":' * 101, '["]","]",' * 101, "[\n" * 101, '["\\\\",' * 101, '["\\"",' * 101]
)
def test_what_is_too_deep(text: str) -> None:
    assert is_too_deep(text, Limits())
    assert is_too_deep(text.encode(), Limits())
    assert not is_too_deep(text, Limits(json_depth=None))
    assert not is_too_deep(text[: len(text) // 101 * 100], Limits())


@pytest.mark.parametrize(
    "text", ["[],{}" * 1000, '"' + "[" * 1000 + '"', '"\\"' + "{" * 1000, "1" * 1000, "\ud800" * 1000]
)
def test_what_is_not(text: str) -> None:
    assert not is_too_deep(text, Limits())


def test_a_level_goes_on_from_one_part_to_the_next() -> None:
    assert levels(b'{"a":[', 0) == (2, 2)
    assert levels(b"]}\n", 2) == (2, 0)
    assert levels(b"", 5) == (5, 5)


@pytest.mark.parametrize("text", ["[" * 2**22, '"' * 2**22, "\\" * 2**22, '"\\"' * 2**21, "[]" * 2**21])
def test_long_texts_of_odd_kinds(text: str) -> None:
    # In one pass: anything else would take hours.
    assert is_too_deep(text, Limits()) == (text[:2] == "[[")
