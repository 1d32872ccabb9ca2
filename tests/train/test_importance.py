"""Permutation importance, against its definition and scikit-learn's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance as of_scikit_learn
from sklearn.metrics import log_loss
from torch import Tensor

from edge_runtime import Feature, Input, Signature
from edge_train import Dataset, Network, new_network, table_defaults
from edge_train import importance as importance_module
from edge_train.dataset import Part
from edge_train.importance import ColumnImportance, Importance, importance_line, permutation_importance


class Weighted(Network):
    """The weighted sum of its columns, as a value or through the sigmoid."""

    weights: Tensor

    def __init__(self, weights: list[float], task: Any = "regression") -> None:
        names = tuple(Feature(f"x{place}") for place in range(len(weights)))
        super().__init__(Signature((Input("x", names),), "y", () if task == "regression" else ("a", "b"), task))
        self.register_buffer("weights", torch.tensor(weights)[:, None])
        self.rows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += len(x)
        found = x @ self.weights
        return found if self.signature.task == "regression" else found.sigmoid()


def part(network: Weighted, rows: int, noise: float = 1.0) -> Part:
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, len(network.weights))).astype(np.float32)
    values = (x @ network.weights.numpy())[:, 0] + noise * random.normal(size=rows)
    target = values if network.signature.task == "regression" else values > 0
    return Part({"x": x}, target.astype(np.float32))


def test_what_shuffling_costs_a_linear_model() -> None:
    network = Weighted([0.0, 3.0, -1.0])
    found = permutation_importance(network, part(network, 1000), 0)
    assert found is not None
    assert (found.loss, found.rows, found.repeats) == ("rmse", 1000, 5)
    assert [column.column for column in found.columns] == ["x1", "x2", "x0"]
    # The squared error grows by twice the squared weight, for columns of variance 1.
    for column, weight in zip(found.columns, (3, 1, 0), strict=True):
        assert column.mean == pytest.approx(np.sqrt(1 + 2 * weight**2) - 1, abs=0.2)
    assert found.columns[0].standard_deviation > 0
    assert (found.columns[2].mean, found.columns[2].standard_deviation) == (0, 0)


class Wrapped(BaseEstimator):  # type: ignore[misc]
    """A network as scikit-learn's function takes it."""

    def __init__(self, network: Weighted) -> None:
        self.network = network

    def fit(self) -> None:
        """It is fitted."""

    def predict_proba(self, x: Any) -> Any:
        probability = self.network(torch.from_numpy(x)).numpy()
        return np.hstack([1 - probability, probability])


def test_as_scikit_learn_defines_it() -> None:
    network = Weighted([2.0, 1.0, 0.5], "binary_classification")
    rows = part(network, 1000)

    def score(estimator: Wrapped, x: Any, y: Any) -> float:
        return -float(log_loss(y, estimator.predict_proba(x)))

    theirs = of_scikit_learn(Wrapped(network), rows.inputs["x"], rows.target, scoring=score, n_repeats=50)
    ours = permutation_importance(network, rows, 0)
    assert ours is not None
    assert ours.loss == "log_loss"
    means = {column.column: column.mean for column in ours.columns}
    for place, (mean, deviation) in enumerate(zip(theirs.importances_mean, theirs.importances_std, strict=True)):
        assert means[f"x{place}"] == pytest.approx(mean, abs=4 * deviation / np.sqrt(5))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_columns_of_every_kind(made_table: Callable[..., Dataset], task: str) -> None:
    data = made_table(task=task)
    assert data.test is not None
    before = data.test.sha256
    network = new_network(data, table_defaults(len(data.train))).eval()
    found = permutation_importance(network, data.test, 3)
    assert found is not None
    assert found == permutation_importance(network, data.test, 3)
    assert found != permutation_importance(network, data.test, 4)
    assert {column.column for column in found.columns} == {"number", "city", "noise"}
    assert data.test.sha256 == before


def test_few_rows_say_nothing() -> None:
    network = Weighted([1.0])
    assert permutation_importance(network, part(network, 19), 0) is None
    assert permutation_importance(network, part(network, 20), 0) is not None


@pytest.mark.parametrize("columns", [3, 50, 51, 400])
def test_a_bounded_number_of_answers(columns: int) -> None:
    network = Weighted([0.0] * (columns - 2) + [1.0, 2.0])
    found = permutation_importance(network, part(network, 1500), 0)
    assert found is not None
    assert len(found.columns) == (columns if columns <= 50 else 30)
    assert [column.column for column in found.columns[:2]] == [f"x{columns - 1}", f"x{columns - 2}"]
    assert network.rows <= 250_000 + 2000


@given(st.integers(2, 6), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_each_column_has_its_own_shuffles(columns: int, place: int, seed: int) -> None:
    """Further columns do not change what one is worth."""
    weights = [0.0] * (place % columns) + [1.0]
    few, many = Weighted(weights), Weighted(weights + [0.0] * columns)
    rows = part(few, 30)
    more = np.random.default_rng(1).normal(size=(30, columns)).astype(np.float32)
    wide = Part({"x": np.hstack([rows.inputs["x"], more])}, rows.target)
    found, other = permutation_importance(few, rows, seed), permutation_importance(many, wide, seed)
    assert found is not None
    assert other is not None
    assert found.columns[0].mean == pytest.approx(other.columns[0].mean, rel=1e-4)


def test_the_columns_that_are_tried_are_measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise chance in the trial would make the best of many useless columns look useful."""
    monkeypatch.setattr(importance_module, "_MOST_COLUMNS", 2)
    monkeypatch.setattr(importance_module, "_FEW_COLUMNS", 2)
    network = Weighted([0.0, 1.0, 0.5])
    rows = part(network, 200)
    found = permutation_importance(network, rows, 0)
    monkeypatch.setattr(importance_module, "_MOST_COLUMNS", 3)
    without_a_trial = permutation_importance(network, rows, 0)
    assert found is not None
    assert without_a_trial is not None
    assert found.columns == without_a_trial.columns[:2]


def test_the_most_important_columns_in_a_line() -> None:
    names = ["a", "\x1b[31m", "long " * 20, "d", "e", "f"]
    columns = tuple(ColumnImportance(name, 0.5**place, 0.01) for place, name in enumerate(names))
    line = importance_line(Importance("log_loss", 100, 5, columns))
    assert line.startswith(r"shuffling a column raises the log loss: a 1, \x1b[31m 0.5, long long")
    assert line.endswith(", d 0.125, e 0.0625")
    assert len(line) < 140
    useless = (ColumnImportance("a", 0.0, 0.0), ColumnImportance("b", -0.1, 0.0))
    nothing = "shuffling a column does not raise the RMSE, whichever it is"
    assert importance_line(Importance("rmse", 100, 5, useless)) == nothing
    assert importance_line(Importance("rmse", 100, 5, (ColumnImportance("c", 2.0, 0.0), *useless))).endswith(": c 2")
