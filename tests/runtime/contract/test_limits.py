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
        # A letter alone is a power of 1024.
        ("isolated_bytes=2G", "isolated_bytes", 2 * 1024**3),
        ("isolated_bytes=2gib", "isolated_bytes", 2 * 1024**3),
        ("isolated_bytes=2GB", "isolated_bytes", 2 * 10**9),
        ("isolated_bytes=2Gb", "isolated_bytes", 2 * 10**9),
        ("model_bytes=1.5GiB", "model_bytes", 3 * 512 * 1024**2),
        ("model_bytes=0.5 t", "model_bytes", 1024**4 // 2),
        ("model_bytes=512MB", "model_bytes", 512 * 10**6),
        ("model_bytes=100k", "model_bytes", 100 * 1024),
        ("model_bytes=100 K", "model_bytes", 100 * 1024),
        ("model_bytes=100kb", "model_bytes", 100_000),
        ("model_bytes=3B", "model_bytes", 3),
        ("model_bytes=1.9b", "model_bytes", 1),
        ("model_bytes=1e6", "model_bytes", 10**6),
        ("model_bytes=67,108,864", "model_bytes", 64 * 1024**2),
        ("model_bytes=9223372036854775807", "model_bytes", 2**63 - 1),
        ("metadata_bytes=5 kB", "metadata_bytes", 5000),
        ("line_bytes=1_000", "line_bytes", 1000),
        ("nodes=20", "nodes", 20),
        (" nodes = 20 ", "nodes", 20),
        ("nodes=400,000", "nodes", 400_000),
        ("nodes=1e6", "nodes", 10**6),
        ("nodes=2.0", "nodes", 2),
        ("nodes=None", "nodes", None),
        ("call_seconds=0.5", "call_seconds", 0.5),
        ("call_seconds= 2", "call_seconds", 2.0),
        ("call_seconds=1e-3", "call_seconds", 0.001),
        ("call_seconds=30s", "call_seconds", 30.0),
        ("call_seconds=1.5 MIN", "call_seconds", 90.0),
        ("call_seconds=2h", "call_seconds", 7200.0),
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
        ("node=5", "there is no limit 'node'; did you mean 'nodes'?"),
        ("5", "there is no limit '5'; there are model_bytes, nodes, "),
        ("nodes", "nodes has no value; write it as nodes=VALUE"),
        ("nodes=", "nodes: '' is not a whole number, or none"),
        ("nodes=2.5", "nodes: '2.5' is not a whole number, or none"),
        ("nodes=nan", "nodes: 'nan' is not a whole number, or none"),
        ("nodes=1,5", "nodes: '1,5' is not a whole number, or none"),
        ("nodes=5kB", "nodes: '5kB' is not a whole number, or none"),
        ("nodes=-5", "nodes: '-5' is not a whole number, or none"),
        ("nodes=\u0662", "is not a whole number, or none"),
        ("nodes=0", "nodes must be an integer above 0, or None, found 0"),
        ("model_bytes=5 parsecs", "model_bytes: '5 parsecs' is not a size such as 512MiB or 1.5G, or none"),
        ("model_bytes=\x1b[2J", r"model_bytes: '\\x1b[2J' is not a size such as 512MiB or 1.5G, or none"),
        ("model_bytes=nan", "model_bytes: 'nan' is not a size such as "),
        ("model_bytes=inf", "model_bytes: 'inf' is not a size such as "),
        ("model_bytes=-1G", "model_bytes: '-1G' is not a size such as "),
        ("model_bytes=1,5GiB", "model_bytes: '1,5GiB' is not a size such as "),
        ("model_bytes=1.2.3", "model_bytes: '1.2.3' is not a size such as "),
        ("model_bytes=2GBit", "model_bytes: '2GBit' is not a size such as "),
        ("model_bytes=G", "model_bytes: 'G' is not a size such as "),
        ("model_bytes=0.5B", "model_bytes must be an integer above 0, or None, found 0"),
        ("model_bytes=9999999T", "model_bytes must be an integer above 0 and below 2**63, or None, found 10995115"),
        ("model_bytes=1e999", "model_bytes must be an integer above 0 and below 2**63, or None, found 1000000"),
        ("call_seconds=soon", "call_seconds: 'soon' is not a time such as 2.5 or 10min, or none"),
        ("call_seconds=nan", "call_seconds: 'nan' is not a time such as "),
        ("call_seconds=-1", "call_seconds: '-1' is not a time such as "),
        ("call_seconds=5m", "call_seconds: '5m' is not a time such as "),
        ("call_seconds=0", "call_seconds must be a number above 0 and up to 2,000,000, or None, found 0.0"),
        ("pipe_seconds=1e300", "pipe_seconds must be a number above 0 and up to 2,000,000, or None, found 1e+300"),
        pytest.param("model_bytes=" + 5000 * "9", "is not a size such as 512MiB or 1.5G, or none", id="digits"),
    ],
)
def test_words_that_are_no_limits(word: str, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Limits.from_words([word])
    assert message in str(raised.value)


def test_a_command_knows_only_some_limits() -> None:
    assert Limits.from_words(["line_bytes=5"], ["line_bytes"]) == Limits(line_bytes=5)
    with pytest.raises(InvalidInput, match=r"^nodes has no effect here; the limits that have are line_bytes, columns$"):
        Limits.from_words(["nodes=5"], ["line_bytes", "columns"])
    with pytest.raises(InvalidInput, match=r"no limit 'knots'; there are line_bytes$"):
        Limits.from_words(["knots=5"], ["line_bytes"])


class _Odd:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "5", math.nan, _Odd(), [1]])
def test_a_limit_is_a_number_above_0(value: Any) -> None:
    with pytest.raises(InvalidInput, match="limits: nodes must be an integer above 0, or None, found "):
        Limits(nodes=value)


def test_a_limit_is_what_64_bits_hold() -> None:
    assert Limits(model_bytes=2**63 - 1).model_bytes == 2**63 - 1
    with pytest.raises(
        InvalidInput, match=r"limits: model_bytes must be an integer above 0 and below 2\*\*63, or None"
    ):
        Limits(model_bytes=2**63)


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
