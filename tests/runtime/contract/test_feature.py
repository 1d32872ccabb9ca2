"""A feature: how its categories are spelled, and how it is written in a document."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Feature, Notation
from edge_runtime.contract.feature import plain_feature, read_feature

names = st.text()
features = st.one_of(
    st.builds(Feature, names, missing=st.just(0.5), baseline=st.none() | st.just("") | st.floats(-1e9, 1e9)),
    st.builds(Feature, names, st.just("boolean"), baseline=st.none() | st.booleans()),
    st.builds(Feature, names, st.just("date"), baseline=st.none() | st.integers(-(2**53), 2**53)),
    st.builds(Feature, names, st.just("categorical"), categories=st.just((1, 2)), baseline=st.none() | st.integers()),
    st.builds(Feature, names, notation=st.none() | st.builds(Notation, st.just(","), st.sampled_from([".", "'", " "]))),
    st.builds(Feature, names, st.just("boolean"), words=st.none() | st.just(("nein", "ja"))),
    st.builds(
        Feature,
        names,
        st.just("date"),
        minimum=st.none() | st.floats(-1e9, 1e9),
        order=st.sampled_from(["ymd", "dmy", "mdy"]),
    ),
    st.builds(Feature, names, st.just("categorical"), categories=st.just(("007", "7"))),
)


@given(features)
def test_round_trip(feature: Feature) -> None:
    plain = plain_feature(feature)
    assert read_feature(json.loads(json.dumps(plain))) == feature
    assert None not in plain.values()


def test_what_is_written_is_what_is_not_as_by_default() -> None:
    assert plain_feature(Feature("a")) == {"name": "a", "kind": "numeric"}
    assert plain_feature(Feature("a", "date")) == {"name": "a", "kind": "date"}
    assert plain_feature(Feature("a", notation=Notation(prefix="$")))["notation"] == {"prefix": "$"}
    # What does not belong to its kind is not read.
    assert read_feature({"name": "a", "kind": "date", "words": ["no", "yes"], "notation": {}}) == Feature("a", "date")


def test_spellings() -> None:
    feature = Feature("f", "categorical", categories=("1.0", "1", "True", "FALSE", "a", "nan"))
    spellings = feature.spellings
    keys: list[object] = [1.0, "1", "1.0", (True,), "True", (False,), "FALSE", "a"]
    assert [spellings[key] for key in keys] == ["1.0", "1", "1.0", "True", "True", "FALSE", "FALSE", "a"]
    assert "true" not in spellings
    assert (True,) not in Feature("f", "categorical", categories=("a", "1")).spellings


@pytest.mark.parametrize("text", ["007", "-07", "+00", " 01", "08001"])
def test_no_number_spells_a_category_with_a_zero_before_its_digits(text: str) -> None:
    assert list(Feature("f", "categorical", categories=(text,)).spellings) == [text]
    assert Feature("f", "categorical", categories=(text,)).has_spelled(float)
    assert not Feature("f", "categorical", categories=(text,)).has_spelled(tuple)


@pytest.mark.parametrize("text", ["0", "0.5", "-0", "7", "1e3"])
def test_other_zeros(text: str) -> None:
    assert Feature("f", "categorical", categories=(text,)).spellings[float(text)] == text
