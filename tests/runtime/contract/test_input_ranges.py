"""The ranges of inputs at which a model looks something up: their JSON, and what is outside."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import InvalidInput, InvalidModel, TensorSpec
from edge_runtime.contract.input_ranges import InputRange, InputRanges, SizeBound, ranges_in
from edge_runtime.contract.metadata_keys import RANGES_KEY

CODES = InputRange("codes", (1, 3), (0, -1, None), (2, 899, None))
IDS = InputRange("ids", (1, 1), (0,), (9,))
LAST = InputRange("last", (1,), (1,), (None,), SizeBound("ids", 1, 0))
RANGES = InputRanges((CODES, IDS, LAST))
PLAIN: dict[str, Any] = {"name": "codes", "shape": [1, 2], "low": [0, 0], "high": [2, None], "size": None}


def text(**changes: Any) -> str:
    return json.dumps({"schema_version": 1, "inputs": [{**PLAIN, **changes}]})


def spec(name: str, type_: str, *shape: int | str) -> TensorSpec:
    return TensorSpec(name, f"tensor({type_})", shape)


SPECS = (spec("codes", "int64", "batch", 3), spec("ids", "int64", "batch", "length"), spec("last", "int32", "batch"))


def test_round_trip() -> None:
    assert InputRanges.from_json(RANGES.to_json()) == RANGES
    assert InputRanges((IDS,)).to_json() == (
        '{"inputs": [{"high": [9], "low": [0], "name": "ids", "shape": [1, 1], "size": null}], "schema_version": 1}'
    )
    assert json.loads(RANGES.to_json())["inputs"][2]["size"] == {"input": "ids", "axis": 1, "plus": 0}
    assert InputRanges.from_json(text(more=1)).inputs[0].high == (2, None)
    assert RANGES.names == {"codes", "ids", "last"}


def test_in_one_line() -> None:
    assert str(CODES) == "codes: 0 to 2, -1 to 899, any integer"
    assert str(IDS) == "ids: 0 to 9"
    assert str(LAST) == "last: 1 or more, at most ids.shape[1]+0"
    many = InputRange("many", (11,), (*range(10), None), tuple(range(20, 31)))
    assert str(many) == "many: 11 ranges within at most 30"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": [1, 0]}, "a shape is"),
        ({"shape": [1, 2.0]}, "a shape is"),
        ({"shape": None}, "damaged"),
        ({"low": [0]}, "1 bounds have the shape"),
        ({"low": [0, "1"]}, "a bound is not an integer"),
        ({"high": [True, 3]}, "a bound is not an integer"),
        ({"high": [2**63, 3]}, "a bound is not an integer"),
        ({"low": [-(2**63), 3]}, "a bound is not an integer"),
        ({"size": {"input": "x", "axis": -1, "plus": 0}}, "a size has the axis -1 and plus 0"),
        ({"size": {"input": "x", "axis": 0, "plus": 0.5}}, "a size has the axis 0 and plus 0.5"),
        ({"size": {"input": "x", "axis": 0, "plus": 2**63}}, "a size has the axis 0"),
        ({"size": {"input": 1, "axis": 0, "plus": 0}}, "1 is not a string"),
        ({"name": None}, "None is not a string"),
    ],
)
def test_damaged(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidModel, match=f"^the ranges of inputs is .*{message}"):
        InputRanges.from_json(text(**changes))


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"schema_version": 1}'])
def test_no_ranges_at_all(damaged: str) -> None:
    with pytest.raises(InvalidModel, match="the ranges of inputs is damaged"):
        InputRanges.from_json(damaged)


def test_a_newer_schema_is_not_ignored() -> None:
    with pytest.raises(InvalidModel, match="the ranges of inputs has schema version 2"):
        InputRanges.from_json('{"schema_version": 2, "inputs": []}')


def test_in_a_file() -> None:
    assert ranges_in({}, SPECS) is None
    assert ranges_in({RANGES_KEY: RANGES.to_json()}, SPECS) == RANGES


@pytest.mark.parametrize(
    "specs",
    [
        SPECS[1:],
        (spec("codes", "int64", "batch", 4), *SPECS[1:]),
        (spec("codes", "int64", "batch", 3, 1), *SPECS[1:]),
        (spec("codes", "string", "batch", 3), *SPECS[1:]),
        (spec("codes", "bfloat16", "batch", 3), *SPECS[1:]),
        (SPECS[0], spec("ids", "int64", "batch"), SPECS[2]),
    ],
)
def test_ranges_of_other_tensors(specs: tuple[TensorSpec, ...]) -> None:
    with pytest.raises(InvalidModel, match="the ranges of inputs do not describe this graph"):
        ranges_in({RANGES_KEY: RANGES.to_json()}, specs)
    elsewhere = InputRanges((InputRange("last", (1,), (0,), (None,), SizeBound("ids", 2, 0)),))
    with pytest.raises(InvalidModel, match="do not describe"):
        ranges_in({RANGES_KEY: elsewhere.to_json()}, SPECS)


# --------------------------------------------------------------------------------------------------------------- checks

FEED = {"codes": np.array([[0, -1, -9], [2, 899, 9**9]]), "ids": np.array([[0, 9, 4]]), "last": np.array([1, 3])}


def test_what_is_within_passes() -> None:
    RANGES.check(FEED)
    RANGES.check({**FEED, "codes": np.zeros((0, 3), np.int64)})
    RANGES.check({**FEED, "codes": FEED["codes"][:, ::-1][:, ::-1].astype(np.int32)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codes": [[0, 0, 0], [3, 0, 0]]}, "codes[1, 0] is 3, but the model takes 0 to 2 there"),
        ({"codes": [[0, -2, 0]]}, "codes[0, 1] is -2, but the model takes -1 to 899 there"),
        ({"ids": [[3, 10, -1]]}, "ids[0, 1] is 10, but the model takes 0 to 9 there"),
        ({"last": [0]}, "last[0] is 0, but the model takes 1 to 3 there"),
        ({"last": [1, 4]}, "last[1] is 4, but the model takes 1 to 3 there"),
    ],
)
def test_what_is_outside_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        RANGES.check({**FEED, **{name: np.array(value) for name, value in changes.items()}})
    assert str(raised.value) == f"{message}, since it looks up something at that place"


def test_one_end_alone_and_a_single_number() -> None:
    below, above = InputRange("n", (), (None,), (4,)), InputRange("n", (), (2,), (None,))
    for one in (below, above):
        one.check({"n": np.array(3)})
    with pytest.raises(InvalidInput, match=r"^n is 5, but the model takes at most 4 there"):
        below.check({"n": np.array(5)})
    with pytest.raises(InvalidInput, match=r"^n is 1, but the model takes 2 or more there"):
        above.check({"n": np.array(1)})


def test_fractions_are_cut_as_the_model_does() -> None:
    one = InputRange("x", (1, 2), (0, None), (3, None))
    one.check({"x": np.array([[3.99, np.nan], [-0.99, -7]], np.float32)})
    for value in (4.0, -1.0, np.nan, np.inf, -np.inf, 1e30):
        with pytest.raises(InvalidInput, match=r"^x\[0, 0\] is .*, but the model takes 0 to 3 there"):
            one.check({"x": np.array([[value, 0]], np.float32)})


@given(
    low=st.lists(st.integers(-5, 5), min_size=1, max_size=4),
    width=st.integers(0, 5),
    values=st.lists(st.integers(-12, 12), min_size=1, max_size=24),
)
def test_a_check_fails_if_and_only_if_a_value_is_outside(low: list[int], width: int, values: list[int]) -> None:
    high = [bound + width for bound in low]
    one = InputRange("c", (1, len(low)), tuple(low), tuple(high))
    array = np.resize(np.array(values), (-(-len(values) // len(low)), len(low)))
    if ((array >= low) & (array <= high)).all():
        one.check({"c": array})
    else:
        with pytest.raises(InvalidInput, match=r"^c\["):
            one.check({"c": array})
