"""What in rows is unlike everything in the training data."""

import math
from collections import Counter

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS
from tables import ROWS, named

from edge_runtime import Feature, Input, NoSignature, Predictor, Signature
from edge_runtime.contract.category_codes import encode
from edge_runtime.novelty import Novelty

NAN = math.nan


def test_unseen(penguins: Predictor, mass: Predictor) -> None:
    missing = "is missing, but never was in training"
    assert penguins.unseen(ROWS) == [
        {},
        {"bill": missing},
        {"island": missing},
        {"island": "'Foo' was not seen in training", "year": "'1999' was not seen in training"},
    ]
    # In a row's order; half of the range beyond it is not far yet.
    rows = [
        ["Ö", 18, 8100, 1, 2007],
        ["Dream", 17.9, 8101, 0, 2008],
        ["Dream", 74, 900, 0, 2008],
        ["Dream", 75, 899, 1, ""],
    ]
    assert [list(found.items()) for found in penguins.unseen(rows)] == [
        [("island", "'Ö' was not seen in training")],
        [
            ("bill", "17.9 is far below the 32 seen in training"),
            ("mass", "8101 is far above the 6300 seen in training"),
        ],
        [],
        [("bill", "75 is far above the 60 seen in training"), ("mass", "899 is far below the 2700 seen in training")],
    ]
    assert penguins.unseen(named(rows[0])) == penguins.unseen(rows[:1])
    assert penguins.unseen(["Dream", math.inf, -math.inf, True, 2007]) == [
        {
            "bill": "inf is far above the 60 seen in training",
            "mass": "-inf is far below the 2700 seen in training",
        }
    ]
    # It is nothing new if training does not know of missing values, or saw some.
    assert mass.unseen([[NAN, None], [45, 18]]) == [{}, {}]
    assert mass.unseen([[1000, None], [45, 18]]) == [{"bill": "1000 is far above the 60 seen in training"}, {}]


def test_unseen_where_training_saw_one_number_or_knows_none() -> None:
    content = (MODELS / "mass.onnx").read_bytes()
    old, new = b'"maximum": 60.0, "minimum": 32.0', b'"maximum":  0.1, "minimum":  0.1'
    assert content.count(old) == 1
    constant = Predictor(content.replace(old, new), device="cpu")
    assert constant.unseen([[0.1, 18], [0.2, 18]]) == [
        {},
        {"bill": "0.2 was not seen in training, where it always is 0.1"},
    ]
    unknown = Predictor(content.replace(old, new.replace(b"minimum", b"nothing")), device="cpu")
    assert unknown.unseen([[1e30, 18]]) == [{}]
    with pytest.raises(NoSignature):
        Predictor(MODELS / "tensors.onnx").unseen([1])


def test_the_names_of_features_are_not_in_the_order_of_tensors() -> None:
    feed = {
        "x": np.array([[9000, 40, NAN], [3000, NAN, 1]], np.float32),
        "text": np.array([["Foo", "2007"], ["Dream", ""]], object),
    }
    found = Novelty(tables.PENGUINS).unseen(feed)
    assert [list(reasons) for reasons in found] == [["island", "mass"], ["bill"]]


def test_ranges_are_those_of_the_tensors_type() -> None:
    """0.1 is not a float32, but the number that it is rounded to is not new."""
    signature = Signature((Input("x", (Feature("a", minimum=0.1, maximum=0.1),)),), "y", (), "regression")
    for dtype in (np.float16, np.float32, np.float64):
        assert Novelty(signature).unseen({"x": np.array([[0.1]], dtype)}) == [{}]
    large = Signature((Input("x", (Feature("a", minimum=-1e6, maximum=1e6),)),), "y", (), "regression")
    assert Novelty(large).unseen({"x": np.array([[6e4], [np.inf]], np.float16)}) == [{}, {}]


def test_codes_and_categories_without_missing_values() -> None:
    features = (
        Feature("a", "categorical", categories=(1, 2)),
        Feature("b", "categorical", missing=0.0, categories=("x",)),
    )
    signature = Signature((Input("t", features),), "y", (), "regression")
    assert Novelty(signature).unseen({"t": np.array([["1", "x"], ["3", "y"], ["", ""]], object)}) == [
        {},
        {"a": "'3' was not seen in training", "b": "'y' was not seen in training"},
        {"b": "is missing, but never was in training"},
    ]

    strings = np.array([["1", "x"], ["3", "y"], ["", ""], ["4", "x"]], object)
    counts = {"a": 2, "b": 2}
    assert Novelty(signature).counts({"t": strings}) == counts
    assert Novelty(signature).counts({"t": encode(strings, features)}) == counts


def test_half_a_range_is_not_known() -> None:
    for feature in (Feature("a", minimum=0.0), Feature("a", maximum=1.0), Feature("a")):
        signature = Signature((Input("x", (feature,)),), "y", (), "regression")
        assert Novelty(signature).unseen({"x": np.array([[1e9], [-1e9]], np.float32)}) == [{}, {}]


def test_no_rows() -> None:
    assert Novelty(tables.ISLANDS).unseen({"text": np.zeros((0, 2), object)}) == []


@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_counts_are_those_of_the_rows(columns: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    features = tuple(
        Feature(
            f"x{place}",
            minimum=low,
            maximum=low + float(draw.choice([0, 0.1, 1e30])),
            missing=(None, 0.0, 0.5)[place % 3],
        )
        for place, low in enumerate(draw.choice([-0.1, 0.0, 1e-30, 3.3], columns).tolist())
    )
    novelty = Novelty(Signature((Input("x", features),), "value", (), "regression"))
    ends = np.array([[one.minimum, one.maximum] for one in features], np.float64)
    near = (ends[:, :1] + np.array([-0.5, 0, 1, 1.5]) * (ends[:, 1:] - ends[:, :1])).astype(np.float32)
    near = np.concatenate([near, np.nextafter(near, np.float32(9e37)), np.nextafter(near, np.float32(-9e37))], axis=1)
    near = np.concatenate([near, np.full((columns, 1), np.nan, np.float32)], axis=1)
    values = np.stack([draw.choice(near[place], 40) for place in range(columns)], axis=1)
    expected = Counter(name for reasons in novelty.unseen({"x": values}) for name in reasons)
    assert novelty.counts({"x": values}) == expected
