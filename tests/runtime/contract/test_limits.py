import math
from dataclasses import replace
from typing import Any

import pytest

from edge_runtime import InvalidInput, Limits
from edge_runtime.contract.limits import how_to_raise


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("model_bytes=512MiB", "model_bytes", 512 * 1024**2),
        ("model_bytes=2GiB", "model_bytes", 2 * 1024**3),
        ("metadata_bytes=5 kB", "metadata_bytes", 5000),
        ("line_bytes=1_000", "line_bytes", 1000),
        ("nodes=20", "nodes", 20),
        ("nodes=None", "nodes", None),
        ("call_seconds=0.5", "call_seconds", 0.5),
        ("call_seconds= 2", "call_seconds", 2.0),
        ("call_seconds=none", "call_seconds", None),
    ],
)
def test_a_word_sets_one_limit(word: str, name: str, value: Any) -> None:
    assert Limits.from_words([word]) == replace(Limits(), **{name: value})


def test_the_last_word_for_a_limit_counts() -> None:
    assert Limits.from_words(["nodes=1", "json_depth=3", "nodes=2"]) == Limits(nodes=2, json_depth=3)
    assert Limits.from_words([]) == Limits()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("node=5", "there is no limit 'node' here; did you mean 'nodes'?"),
        ("5", "there is no limit '5' here; there are model_bytes, nodes, "),
        ("nodes", "nodes: '' is not a whole number, or none"),
        ("nodes=5kB", "nodes: '5kB' is not a whole number, or none"),
        ("nodes=-5", "nodes: '-5' is not a whole number, or none"),
        ("nodes=\u0662", "is not a whole number, or none"),
        ("nodes=0", "nodes must be an integer above 0, or None, found 0"),
        ("model_bytes=5 parsecs", "model_bytes: '5 parsecs' is not a size such as 512MiB, or none"),
        ("model_bytes=\x1b[2J", r"model_bytes: '\\x1b[2J' is not a size such as 512MiB, or none"),
        ("call_seconds=soon", "call_seconds: 'soon' is not a number of seconds, or none"),
        ("call_seconds=nan", "call_seconds must be a number above 0 and up to 2,000,000, or None, found nan"),
        ("call_seconds=-1", "call_seconds must be a number above 0 and up to 2,000,000, or None, found -1.0"),
        ("pipe_seconds=1e300", "pipe_seconds must be a number above 0 and up to 2,000,000, or None, found 1e+300"),
        pytest.param("model_bytes=" + 5000 * "9", "is not a size such as 512MiB, or none", id="digits"),
    ],
)
def test_words_that_are_no_limits(word: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Limits.from_words([word])
    assert message in str(raised.value)


def test_a_command_knows_only_some_limits() -> None:
    assert Limits.from_words(["line_bytes=5"], ["line_bytes"]) == Limits(line_bytes=5)
    with pytest.raises(InvalidInput, match=r"no limit 'nodes' here; there are line_bytes$"):
        Limits.from_words(["nodes=5"], ["line_bytes"])


class _Odd:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "5", math.nan, _Odd(), [1]])
def test_a_limit_is_a_number_above_0(value: Any) -> None:
    with pytest.raises(InvalidInput, match="limits: nodes must be an integer above 0, or None, found "):
        Limits(nodes=value)


@pytest.mark.parametrize("value", [0, math.inf, math.nan, True, "5", 1e10, 10**400])
def test_seconds_are_a_number_above_0(value: Any) -> None:
    with pytest.raises(
        InvalidInput, match="limits: call_seconds must be a number above 0 and up to 2,000,000, or None"
    ):
        Limits(call_seconds=value)


def test_what_is_given_as_limits() -> None:
    assert Limits.checked(None) == Limits()
    limits = Limits(nodes=None)
    assert Limits.checked(limits) is limits
    with pytest.raises(InvalidInput, match=r"limits must be edge_runtime\.Limits, found dict"):
        Limits.checked({"nodes": 5})


def test_a_message_says_how_to_raise_a_limit() -> None:
    assert how_to_raise("nodes") == (
        "; if you trust it, raise the limit: limits=Limits(nodes=...), at the shell --limit nodes=..."
    )
