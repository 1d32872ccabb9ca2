"""The arrays of reference rows: what version 3 stores, selects and generates gives the same arrays everywhere."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_runtime import Certificate, InvalidModel, ReferenceBatch
from edge_runtime.contract.reference_arrays import Generated, Selected, compacted, plain_array, read_array

FLOAT32 = np.dtype(np.float32)


def step(seed: int, place: int, steps: int) -> int:
    """The rule of the docs in Python's integers."""
    x = (place + 0x9E3779B9 * seed) % 2**32
    x ^= x >> 16
    x = x * 0x85EBCA6B % 2**32
    x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    x ^= x >> 16
    return x * steps >> 32


@pytest.mark.parametrize("seed", [0, 1, 7, 2**32 - 1])
def test_generated_numbers_follow_the_rule(seed: int) -> None:
    floats = Generated(seed, -2.5, 2.0**-22, 2**24).array((3, 50), FLOAT32)
    expected = [-2.5 + 2.0**-22 * step(seed, place, 2**24) for place in range(150)]
    np.testing.assert_array_equal(floats, np.array(expected, np.float32).reshape(3, 50))
    integers = Generated(seed, -5, 1, 11).array((150,), np.dtype(np.int64))
    assert integers.tolist() == [-5 + step(seed, place, 11) for place in range(150)]


def test_generated_numbers_are_even() -> None:
    """Fixed for good: a change would break the certificates that were written."""
    values = Generated(0, 0.0, 2.0**-24, 2**24).array((4,), np.dtype(np.float64))
    assert values.tolist() == [0.0, 0.317598819732666, 0.1912347674369812, 0.5232040882110596]
    many = Generated(3, 0.0, 2.0**-24, 2**24).array((100_000,), np.dtype(np.float64))
    assert abs(many.mean() - 0.5) < 0.005
    assert abs(many.std() - 12**-0.5) < 0.005
    assert abs(np.corrcoef(many[1:], many[:-1])[0, 1]) < 0.02
    assert set(Generated(0, 0, 1, 2).array((100,), np.dtype(np.bool_))) == {False, True}
    wide = Generated(0, -(2**31), 1, 2**32).array((1000,), np.dtype(np.int32))
    assert wide.min() < -(2**30) < 2**30 < wide.max()


@given(st.lists(st.integers(0, 12), max_size=4))
def test_no_place_is_selected_twice(shape: list[int]) -> None:
    size = int(np.prod(shape))
    assert sorted(Selected.evenly(shape).places(size)) == list(range(size))


def test_selected_places_lie_apart() -> None:
    places = np.sort(Selected.evenly((8, 50257)).places(400))
    assert np.diff(places).max() < 3 * 8 * 50257 / 400


@example(np.array([[1, 2], [1, 2]], np.float32))
@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
def test_compact_arrays_are_read_as_they_were(array: Any) -> None:
    for compact in (False, True):
        read = read_array(json.loads(json.dumps(plain_array(array, compact))))
        assert (read.dtype, read.shape, read.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert read.flags.c_contiguous


def test_what_is_the_same_everywhere_is_stored_once() -> None:
    assert compacted(np.full((2, 3, 4), np.nan, np.float32)).shape == (1, 1, 1)
    assert compacted(np.array([0.0, -0.0], np.float32)).shape == (2,)
    assert compacted(np.tile(np.arange(4.0), (3, 1))).shape == (1, 4)
    assert compacted(np.array([0, 50256])).dtype == np.uint16
    assert compacted(np.array([-1, 7])).dtype == np.int8
    assert compacted(np.array([2**40, 0])).dtype == np.int64


def batch() -> ReferenceBatch:
    """Of a row that is generated, and an output of which three elements are selected."""
    rule = Generated(0, -1.0, 2.0**-23, 2**24)
    return ReferenceBatch(
        "generated rows",
        {"x": rule.array((1, 5000), FLOAT32), "k": np.ones((1, 2), np.int64)},
        {"y": np.ones(3, np.float32)},
        {"y": np.full(3, 0.5, np.float32)},
        {"x": rule},
        {"y": Selected.evenly((1, 100))},
    )


def test_a_certificate_of_version_3(certificate: Any) -> None:
    written = certificate(reference=(batch(),)).to_json()
    plain = json.loads(written)
    assert plain["schema_version"] == 3
    assert len(written) < 3000
    read = Certificate.from_json(written)
    assert read.to_json() == written
    (again,) = read.reference
    np.testing.assert_array_equal(again.inputs["x"], batch().inputs["x"])
    assert (again.generated, again.selected) == (batch().generated, batch().selected)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("inputs", "x", "generated", "seed"), -1),
        (("inputs", "x", "generated", "steps"), 0),
        (("inputs", "x", "generated", "steps"), 2**33),
        (("inputs", "x", "generated", "scale"), 0.3),
        (("inputs", "x", "generated", "scale"), 0),
        (("inputs", "x", "generated", "offset"), "0"),
        (("inputs", "x", "generated"), None),
        (("inputs", "x", "dtype"), "int64"),
        (("inputs", "x", "dtype"), "string"),
        (("inputs", "x", "shape"), [10**3, 10**9]),
        (("inputs", "k", "stored", "dtype"), "float32"),
        (("inputs", "k", "stored", "shape"), [3]),
        (("inputs", "k", "shape"), [10**3, 10**9]),
        (("selected", "y", "stride"), 0),
        (("selected", "y", "stride"), 10),
        (("selected", "y", "stride"), 1.5),
        (("selected", "y", "shape"), [2]),
        (("selected", "y", "shape"), [-1, -100]),
        (("selected", "z"), {"shape": [3], "stride": 1}),
        (("selected",), []),
    ],
)
def test_what_is_damaged_is_refused(certificate: Any, path: tuple[str, ...], value: object) -> None:
    plain = json.loads(certificate(reference=(batch(),)).to_json())
    part = plain["reference"][0]
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(InvalidModel, match="the certificate is damaged"):
        Certificate.from_json(json.dumps(plain))
