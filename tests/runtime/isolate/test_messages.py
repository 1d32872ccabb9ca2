"""Messages: what they hold comes back as it was, and whatever else comes is refused."""

import contextlib
import io
import json
import struct
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from identical import assert_identical

from edge_runtime.isolate.messages import MalformedMessage, encoded, read

MOST = 2**24

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | st.floats() | st.text()
dtypes = st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.uint64, np.bool_])
tensors = dtypes.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0)))
strings = arrays.arrays(np.object_, arrays.array_shapes(min_dims=0, min_side=0), elements=st.text())
values = st.recursive(
    scalars | st.binary() | tensors | strings,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(-(2**63), 2**63 - 1), inner),
    max_leaves=6,
)


def source(content: bytes) -> Any:
    """What fills buffers from `content`."""
    stream = io.BytesIO(content)

    def receive(buffer: memoryview) -> None:
        if stream.readinto(buffer) < len(buffer):
            raise EOFError

    return receive


def joined(value: Any) -> bytes:
    return b"".join(bytes(one) for one in encoded(value))


def message(plain: Any, following: bytes = b"") -> bytes:
    text = plain if isinstance(plain, bytes) else json.dumps(plain).encode()
    return struct.pack("<IQ", len(text), len(following)) + text + following


@given(values)
def test_what_is_sent_arrives(value: Any) -> None:
    assert_identical(read(source(joined([value])), MOST), [value])


def test_types_that_numpy_does_not_have() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for name in ("bfloat16", "int4", "float8_e5m2"):
        array = np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, name))
        assert_identical(read(source(joined(array)), MOST), array)


def test_what_is_not_contiguous_arrives_in_its_order() -> None:
    array = np.arange(12).reshape(3, 4).T[::2]
    assert read(source(joined(array)), MOST).tolist() == array.tolist()


@pytest.mark.parametrize("value", [{1, 2}, np.float32(1), np.array([None]), 1j, [object()]])
def test_other_kinds_are_not_sent(value: Any) -> None:
    with pytest.raises(TypeError):
        encoded(value)


@pytest.mark.parametrize(
    "content",
    [
        message(b""),
        message(b"\xff"),
        message(b"[" * 100_000),
        message(b"1" * 10_000),
        message([[[[[[[[[[[1]]]]]]]]]]]),
        message([], b"left over"),
        message({}),
        message({"map": 1}),
        message({"map": [[1]]}),
        message({"map": [[[], 1]]}),
        message({"map": [[2**63, 1]]}),
        message({"map": [[-(2**63) - 1, 1]]}),
        message({"map": [[True, 1]]}),
        message({"map": [], "bytes": 0}),
        message({"bytes": -1}),
        message({"bytes": 2}, b"1"),
        message({"bytes": True}, b"1"),
        message({"bytes": "1"}, b"1"),
        message({"pickle": 0}),
        message({"array": "object", "shape": [1]}, b"12345678"),
        message({"array": "V8", "shape": [1]}, b"12345678"),
        message({"array": "int4096", "shape": []}),
        message({"array": ["float32"], "shape": []}),
        message({"array": "float32", "shape": [2]}, b"1234"),
        message({"array": "float32", "shape": [-1]}),
        message({"array": "float32", "shape": [1.0]}, b"1234"),
        message({"array": "float32", "shape": 1}, b"1234"),
        message({"array": "float32", "shape": [2**62, 2**62]}, b"1234"),
        message({"array": "float32", "shape": [0, 2**63]}),
        message({"array": "float32", "shape": [1] * 1000}, b"1234"),
        message({"array": "bool", "shape": [1]}, b"\x02"),
        message({"strings": [2**61]}),
        message({"strings": [1]}, struct.pack("<Q", 2**63)),
        message({"strings": [1]}, struct.pack("<Q", 1) + b"\xff"),
        struct.pack("<IQ", 2, 2**63),
        struct.pack("<IQ", 2**32 - 1, 0),
    ],
)
def test_whatever_else_comes_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read(source(content), MOST)


@given(st.binary(max_size=100))
def test_nothing_else_is_raised(following: bytes) -> None:
    for content in (following, joined([np.ones(3), "é", {1: 2.0}])[:40] + following):
        with contextlib.suppress(EOFError, MalformedMessage):
            read(source(content), MOST)


@pytest.mark.parametrize(
    "plain",
    [
        {"array": "float32", "shape": [10**4000] * 3000},
        {"strings": [10**4000] * 3000},
        {"map": [[(2**61 - 1) * number, 0] for number in range(100_000)]},
    ],
    ids=["sizes of an array", "sizes of strings", "keys with the same hash"],
)
def test_numbers_that_would_take_minutes_to_compute_with_are_refused_at_once(plain: Any) -> None:
    content, begun = message(plain), time.process_time()
    with pytest.raises(MalformedMessage):
        read(source(content), 2**31)
    assert time.process_time() - begun < 10


def test_no_more_memory_is_taken_than_is_allowed() -> None:
    content = joined(np.zeros(1000, np.float32))
    read(source(content), 6000)
    with pytest.raises(MalformedMessage, match="bytes"):
        read(source(content), 4000)


@pytest.mark.parametrize(
    ("plain", "following"),
    [
        ([[[[]]]] * 100_000, b""),
        ([{"array": "int8", "shape": [0]}] * 30_000, b""),
        ([{"map": []}] * 60_000, b""),
        ([0.5] * 500_000, b""),
        ({"strings": [100_000]}, bytes(800_000)),
        ({"strings": [1]}, (3 * 10**6).to_bytes(8, "little") + b"a" * (3 * 10**6 - 4) + "\U00010000".encode()),
    ],
    ids=["lists", "arrays", "maps", "numbers", "strings", "a long string"],
)
def test_what_is_made_of_a_message_is_counted(plain: Any, following: bytes) -> None:
    """A message may be much smaller than the objects that it makes here."""
    content = message(plain, following)
    tracemalloc.start()
    try:
        read(source(content), 2**31)
        taken = tracemalloc.get_traced_memory()[1]
        assert taken > 3 * len(content)
        tracemalloc.clear_traces()
        tracemalloc.reset_peak()
        with pytest.raises(MalformedMessage):
            read(source(content), taken - 1)
        assert tracemalloc.get_traced_memory()[1] < taken / 2
    finally:
        tracemalloc.stop()


def test_reading_ends_when_it_may_not_go_on() -> None:
    calls: list[int] = []

    def go_on() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        read(source(message([[]] * 1000)), MOST, go_on)
    assert len(calls) == 5
