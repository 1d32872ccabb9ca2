"""Explanations of answers that numpy computes, so that models are random and may have any number of columns."""

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import Explanation, Feature, Input, InvalidInput, NoBaseline, Signature
from edge_runtime.answering import Answering
from edge_runtime.explanation import explained
from edge_runtime.rows.row_reader import RowReader

Feed = Mapping[str, npt.NDArray[Any]]


class Model:
    """Answers as an artifact would, by `compute`, and keeps how many rows each call had."""

    def __init__(self, signature: Signature, compute: Callable[[Feed], npt.NDArray[Any]], joins: bool = True) -> None:
        self.signature, self.has_independent_rows, self._compute = signature, joins, compute
        self.row_reader = RowReader(signature, np.dtype(np.float32))
        self.calls: list[int] = []

    def outputs_of(self, feed: Feed) -> npt.NDArray[Any]:
        self.calls.append(len(next(iter(feed.values()))))
        return self._compute(feed)

    def explain(self, row: Any, label: Any = None) -> Explanation:
        return explained(cast(Answering, self), self.row_reader.tensors(row), label)


def numbers_model(baselines: list[float], compute: Callable[[Any], Any], **options: Any) -> Model:
    """A regression of numbers: `compute` takes them as float64, shape (rows, columns)."""
    features = tuple(Feature(f"x{place}", missing=0.0, baseline=value) for place, value in enumerate(baselines))
    signature = Signature((Input("x", features),), "value", (), "regression")
    return Model(signature, lambda feed: compute(feed["x"].astype(np.float64))[:, None], **options)


numbers = st.floats(-8, 8, width=32)
columns = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=20)


@given(columns)
def test_of_a_linear_model(given: list[tuple[float, float, float]]) -> None:
    weights, row, baselines = map(list, zip(*given, strict=True))
    found = numbers_model(baselines, lambda x: x @ np.array(weights)).explain(row)
    for place, (weight, value, baseline) in enumerate(given):
        name = f"x{place}"
        assert found.attributions[name] == pytest.approx(weight * (value - baseline), abs=1e-9)
        assert (found.values[name], found.baseline[name]) == pytest.approx((value, baseline))
    assert found.base + math.fsum(found.attributions.values()) == pytest.approx(found.answer, abs=1e-9)
    sizes = [abs(value) for value in found.attributions.values()]
    assert sizes == sorted(sizes, reverse=True)


@given(st.integers(1, 5), st.integers(0, 1000), st.data())
def test_of_a_random_network_as_by_all_orders(count: int, seed: int, data: st.DataObject) -> None:
    random = np.random.default_rng(seed)
    hidden, last, baselines = random.normal(size=(count, 4)), random.normal(size=4), random.normal(size=count)
    row = random.normal(size=count).astype(np.float32).astype(float)
    baselines = baselines.astype(np.float32).astype(float)
    typical = data.draw(st.sets(st.integers(0, count - 1)))
    row[list(typical)] = baselines[list(typical)]

    def compute(x: Any) -> Any:
        return np.tanh(x @ hidden) @ last

    found = numbers_model(baselines.tolist(), compute).explain(row.tolist())
    expected = np.zeros(count)
    for order in itertools.permutations(range(count)):
        mixed = baselines.copy()
        for column in order:
            before = compute(mixed[None])[0]
            mixed[column] = row[column]
            expected[column] += (compute(mixed[None])[0] - before) / math.factorial(count)
    np.testing.assert_allclose([found.attributions[f"x{place}"] for place in range(count)], expected, atol=1e-9)
    # Exactly, whatever the rounding.
    assert all(found.attributions[f"x{place}"] == 0 for place in typical)
    assert found.standard_errors is None
    assert found.base == compute(baselines[None])[0]
    assert found.answer == compute(row[None])[0]


def test_many_columns_are_estimated_and_what_is_typical_is_not() -> None:
    # Only pairs interact, so that each of a pair is due half of their product.
    model = numbers_model([0.0] * 40, lambda x: (x[:, ::2] * x[:, 1::2]).sum(axis=1))
    row = [float(place % 5) for place in range(30)] + [0.0] * 10
    found = model.explain(row)
    assert found.standard_errors is not None
    for place, value in enumerate(row):
        name, expected = f"x{place}", value * row[place ^ 1] / 2
        assert abs(found.attributions[name] - expected) <= 5 * found.standard_errors[name] + 1e-9
    assert {found.attributions[f"x{place}"] for place in range(30, 40)} == {0}
    assert {found.standard_errors[f"x{place}"] for place in range(30, 40)} == {0}
    assert found.base + math.fsum(found.attributions.values()) == pytest.approx(found.answer, abs=1e-9)
    assert list(found.standard_errors) == list(found.attributions) == list(found.values) == list(found.baseline)
    assert model.explain(row) == found


def test_up_to_14_columns_that_are_not_typical_are_exact() -> None:
    def of(count: int) -> Explanation:
        return numbers_model([0.0] * 20, lambda x: x.prod(axis=1)).explain([1.0] * count + [0.0] * (20 - count))

    assert of(14).standard_errors is None
    assert of(15).standard_errors is not None


def test_a_typical_row_has_no_attributions() -> None:
    model = numbers_model([1.0, 2.0], lambda x: x.sum(axis=1))
    found = model.explain([1, 2])
    assert (found.answer, found.base, dict(found.attributions)) == (3, 3, {"x0": 0, "x1": 0})
    assert model.calls == [1, 1]


def test_rows_are_joined_only_if_they_are_independent() -> None:
    joined, alone = (numbers_model([0.0] * 5, lambda x: x.prod(axis=1), joins=joins) for joins in (True, False))
    assert joined.explain([1.0, 2, 3, 4, 5]) == alone.explain([1.0, 2, 3, 4, 5])
    assert joined.calls == [1, 1, 30]
    assert alone.calls == [1] * 32


def test_calls_are_bounded() -> None:
    model = numbers_model([0.0] * 3000, lambda x: x.sum(axis=1))
    model.explain([1.0] * 20 + [0.0] * 2980)
    assert max(model.calls) == 2**18 // 3000


@pytest.fixture
def classifier() -> Model:
    """Of three labels, from a number, a boolean, a category, an integer code and a date; each may be missing."""
    features = {
        "x": (Feature("mass", missing=0.1, baseline=1.5), Feature("ringed", "boolean", missing=0.1, baseline=False)),
        "text": (
            Feature("island", "categorical", missing=0.1, categories=("Dream", "nan"), baseline="Dream"),
            Feature("year", "categorical", missing=0.1, categories=(2007, 2008), baseline=2008),
        ),
        "date": (Feature("seen", "date", missing=0.1, baseline=86400),),
    }

    def compute(feed: Feed) -> Any:
        dates = feed["date"][:, 0].astype(np.float64) / 1e5
        numbers = np.nan_to_num(feed["x"].astype(np.float64), nan=-1).sum(axis=1) + np.maximum(dates, -1)
        text = (feed["text"] == ["Dream", "2007"]).sum(axis=1) + 2 * (feed["text"] == "").sum(axis=1)
        logits = np.stack([numbers, text, numbers * text], axis=1)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    inputs = tuple(Input(name, group) for name, group in features.items())
    order = ("seen", "mass", "island", "ringed", "year")
    signature = Signature(inputs, "probabilities", ("a", "b", 3), "multiclass_classification", columns=order)
    return Model(signature, compute)


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (
            ["1970-01-01 06:00", 2, "Biscoe", True, 2007],
            {"seen": "1970-01-01 06:00:00", "mass": 2.0, "island": "Biscoe", "ringed": True, "year": 2007},
        ),
        ([None] * 5, dict.fromkeys(["seen", "mass", "island", "ringed", "year"])),
        ({"mass": 0.1}, {"seen": None, "mass": 0.1, "island": None, "ringed": None, "year": None}),
        (
            ["1970-01-02", 1.5, "Dream", 0, 1999],
            {"seen": "1970-01-02", "mass": 1.5, "island": "Dream", "ringed": False, "year": 1999},
        ),
    ],
)
def test_values_of_every_kind(classifier: Model, row: Any, values: dict[str, Any]) -> None:
    found = classifier.explain(row)
    typical = {"seen": "1970-01-02", "mass": 1.5, "island": "Dream", "ringed": False, "year": 2008}
    assert dict(found.values) == values
    assert {type(value) for value in found.values.values()} <= {str, float, bool, int, type(None)}
    assert dict(found.baseline) == typical
    assert {found.attributions[name] for name in values if values[name] == typical[name]} <= {0}
    output = classifier.outputs_of(classifier.row_reader.tensors(row))[0]
    assert found.answer == output.max()
    assert found.label == classifier.signature.labels[output.argmax()]
    assert found.base + math.fsum(found.attributions.values()) == pytest.approx(found.answer, abs=1e-12)
    others = [classifier.explain(row, label) for label in classifier.signature.labels]
    assert [one.label for one in others] == ["a", "b", 3]
    assert [one.answer for one in others] == output.tolist()
    # Probabilities add up to 1, whatever the row.
    for name in values:
        assert math.fsum(one.attributions[name] for one in others) == pytest.approx(0, abs=1e-12)


def test_a_baseline_may_be_a_missing_value() -> None:
    features = (Feature("a", missing=0.6, baseline=""), Feature("b", missing=0.0, baseline=1.0))
    signature = Signature((Input("x", features),), "value", (), "regression")
    model = Model(signature, lambda feed: np.nan_to_num(feed["x"].astype(np.float64), nan=7).sum(axis=1)[:, None])
    found = model.explain([2, 4])
    assert (found.base, found.answer) == (8, 6)
    assert dict(found.attributions) == {"a": -5, "b": 3}
    assert dict(found.baseline) == {"a": None, "b": 1}
    assert dict(model.explain([None, 4]).attributions) == {"b": 3, "a": 0}


def test_what_is_not_explained(classifier: Model) -> None:
    row = ["1970-01-02", 1.5, "Dream", 0, 1999]
    with pytest.raises(InvalidInput, match=r"^explain takes one row, found 2$"):
        classifier.explain([row, row])
    with pytest.raises(InvalidInput, match=r"^explain takes one row, found 0$"):
        classifier.explain([])
    with pytest.raises(InvalidInput, match=r"^the model has no label '3'; its labels are a, b, 3$"):
        classifier.explain(row, "3")
    with pytest.raises(InvalidInput, match="cannot be read"):
        classifier.explain(row, np.array(["a", "b"]))
    regression = numbers_model([0.0], lambda x: x[:, 0])
    with pytest.raises(InvalidInput, match="label is for a model with labels, and this one is a regression"):
        regression.explain([1.0], "a")
    features = (Feature("a", baseline=1.0), Feature("b"), Feature("c"))
    old = Model(Signature((Input("x", features),), "value", (), "regression"), lambda feed: feed["x"][:, :1])
    with pytest.raises(NoBaseline, match=r"^the model does not say what is typical of b, c, so .* train and export it"):
        old.explain([1, 2, 3])


def test_as_text(classifier: Model) -> None:
    found = classifier.explain(["1970-01-02", 2, None, True, 2008])
    assert repr(found) == (
        f"Explanation(label={found.label!r}, answer={found.answer:.4g}, base={found.base:.4g}, "
        f"attributions={{{', '.join(f'{name!r}: {value:.4g}' for name, value in found.attributions.items())}}})"
    )
    lines = str(found).splitlines()
    assert lines[0] == f"label {found.label}  probability {found.answer:.4f}"
    assert lines[1].split() == ["contribution", "column", "value", "typical"]
    assert lines[2].split(maxsplit=1) == [f"{found.base:.4f}", "(typical row)"]
    cells = {cell.split()[1]: cell.split() for cell in lines[3:-1]}
    assert cells["mass"] == [f"{found.attributions['mass']:+.4f}", "mass", "2", "1.5"]
    assert cells["island"][2:] == ["missing", "Dream"]
    assert cells["ringed"][2:] == ["true", "false"]
    assert lines[-1] == "typical, and so without a contribution: seen, year"
    many = numbers_model([0.0] * 20, lambda x: x[:, 0] * x[:, 1])
    assert repr(many.explain([2.0] * 20)).endswith("...})")
    regression = str(many.explain([1234.5678] + [2.0] * 19)).splitlines()
    assert regression[0] == "value 2469.14"
    assert regression[1].split() == ["contribution", "standard", "error", "column", "value", "typical"]
    assert regression[3].split()[-3:] == ["x0", "1234.57", "0"]
    assert float(regression[3].split()[0]) == pytest.approx(1234.57, rel=0.05)
