import math

import pytest
import tables

from edge_runtime import Feature, InvalidInput
from edge_runtime.contract.signature import default_features
from edge_runtime.rows.words import is_option, parse_words

NUMBERS = default_features(2)
PENGUINS = tables.PENGUINS.features
# ISLAND and bill were never missing in training, mass and year were, and ringed must not be missing.


def test_values_in_order() -> None:
    assert parse_words(["-1", " 1e3"], NUMBERS) == [-1, 1000]
    assert parse_words(["Dream", "40", "3000", "TRUE", "2007.0"], PENGUINS) == ["Dream", 40, 3000, 1, "2007"]
    island, bill, mass, ringed, year = parse_words(["NA", "", "?", "0", "null"], PENGUINS)
    assert (island, ringed, year) == ("", 0, "")
    assert all(isinstance(value, float) and math.isnan(value) for value in (bill, mass))


def test_values_by_name_in_any_order() -> None:
    assert parse_words(["x2=-1", "x1=2"], NUMBERS) == [2, -1]
    row = ["year=2007", "ringed=1.0", "mass=3750", "bill=39.1", "island=Torgersen"]
    assert parse_words(row, PENGUINS) == ["Torgersen", 39.1, 3750, 1, "2007"]
    assert parse_words(["ringed=1", "bill=4", "island=", "year="], PENGUINS)[0] == ""


def test_a_feature_may_be_absent_if_it_was_missing_in_training() -> None:
    island, bill, mass, ringed, year = parse_words(["island=Dream", "bill=40", "ringed=0"], PENGUINS)
    assert (island, bill, ringed, year) == ("Dream", 40, 0, "")
    assert isinstance(mass, float)
    assert math.isnan(mass)


def test_equals_signs_in_categories() -> None:
    features = (
        Feature("a", "categorical", categories=("x=1", "y")),
        Feature("b", "categorical", categories=("z",)),
    )
    assert parse_words(["x=1", "z"], features) == ["x=1", "z"]
    assert parse_words(["c=d", "z"], features) == ["c=d", "z"]
    assert parse_words(["x=1", "c=d"], features) == ["x=1", "c=d"]
    assert parse_words(["b=z", "a=x=1"], features) == ["x=1", "z"]
    with pytest.raises(InvalidInput, match="'c' is not a feature; the features are a, b"):
        parse_words(["c=d", "e=f"], features)


def test_the_longest_name_is_meant() -> None:
    features = (Feature("bill"), Feature("bill=a"))
    assert parse_words(["bill=40", "bill=a=20"], features) == [40, 20]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Dream", "40", "3000", "1"], "5 values are needed (island, bill, mass, ringed, year), found 4"),
        (["Dream", "40", "3000", "maybe", "2007"], "ringed: 'maybe' is neither true nor false"),
        (
            ["Dream", "40", "3000", "", "2007"],
            "ringed: the value is missing, and missing values are not accepted for this feature",
        ),
        (["Dream", "forty", "3000", "1", "2007"], "bill: 'forty' is not a number"),
        (["Dream", "40", "3000", "1", "2007.5"], "year: 2007.5 is not an integer"),
        (["island=Dream", "bill=4"], "missing ringed"),
        (["mass=4"], "missing island, bill, ringed"),
        (["island=Dream", "colour=5"], "'colour' is not a feature; the features are island, bill, mass, ringed, year"),
        (["island=Dream", "Masss=5"], "'Masss' is not a feature; did you mean 'mass'?"),
        (["island=Dream", "island=Dream"], "island is given twice"),
        (["ringed=1", "40"], "'40' has no name, but another value has one; name all values, or none"),
        (
            ["Dream", "bill=40", "3000", "1", "2007"],
            "'Dream' has no name, but another value has one; name all values, or none",
        ),
        (["island=Dream", "bill=4", "ringed=2"], "ringed: '2' is neither true nor false"),
    ],
)
def test_wrong_words(words: list[str], message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_words(words, PENGUINS)
    assert str(raised.value) == message


def test_one_feature() -> None:
    with pytest.raises(InvalidInput) as raised:
        parse_words(["1", "2"], (Feature("x"),))
    assert str(raised.value) == "1 value is needed (x), found 2"


@pytest.mark.parametrize(
    "word", ["-1", "-1e-3", "-.5", "-$5", "-1.234,50 €", "-inf", "-nan", "-5kg", "1", "a", "", "x=-"]
)
def test_words_that_are_values(word: str) -> None:
    assert not is_option(word)


@pytest.mark.parametrize("word", ["-", "-h", "--5", "--format", "--top=3", "-a", "-€"])
def test_words_that_are_options(word: str) -> None:
    assert is_option(word)
