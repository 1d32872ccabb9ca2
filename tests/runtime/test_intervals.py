"""Intervals and prediction sets that `Predictor` returns."""

import pickle
from pathlib import Path
from typing import Any

import conformal_models
import numpy as np
import pytest
import tables
from certificates import appended
from paths import FOUR_BLOBS, MODELS

from edge_runtime import InvalidInput, InvalidModel, IsolatedPredictor, NoIntervals, NoSignature, Predictor
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

ROWS = [[40.0, 15.0], [50.5, None], [32.0, 21.5]]


def test_intervals_of_one_width() -> None:
    predictor = Predictor(conformal_models.values())
    values = predictor.predict(ROWS)
    found = predictor.predict_interval(ROWS)
    assert (found.dtype, found.shape) == (values.dtype, (3, 2))
    assert np.allclose(found, np.stack([values - 20, values + 20], axis=1))
    assert np.allclose(predictor.predict_interval(ROWS, coverage=0.5), np.stack([values - 10, values + 10], axis=1))
    # In any form that predict takes.
    for rows in (np.array([[40.0, 15.0]], values.dtype), [40.0, 15.0], {"bill": 40, "depth": "15"}):
        assert predictor.predict_interval(rows).tolist() == found[:1].tolist()
    assert predictor.predict_interval([]).shape == (0, 2)


def test_intervals_in_proportion_to_a_scale(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(conformal_models.scaled())
    rows = np.array([[1, 2], [-3, 0.5], [0, 7]], np.float32)
    with IsolatedPredictor(path) as isolated:
        for predictor in (Predictor(path), isolated, pickle.loads(pickle.dumps(Predictor(path)))):
            assert predictor.predict(rows).tolist() == [4, -5.5, 7]
            assert predictor.predict_interval(rows).tolist() == [[2, 6], [-11.5, 0.5], [7, 7]]
            assert predictor.predict_interval(rows, 0.5).tolist() == [[3, 5], [-8.5, -2.5], [7, 7]]
            assert predictor.predict_interval(rows[:0]).shape == (0, 2)
            assert predictor.predict_interval([]).shape == (0, 2)


def test_many_rows_with_a_scale() -> None:
    predictor = Predictor(conformal_models.scaled())
    rows = np.random.default_rng(0).normal(size=(100_000, 2)).astype(np.float32)
    values, found = predictor.predict(rows).astype(float), predictor.predict_interval(rows).astype(float)
    assert np.allclose(found.mean(1), values, atol=1e-5)
    assert np.allclose(np.diff(found, axis=1)[:, 0], 4 * abs(rows[:, 0]), atol=1e-5)


def test_a_scale_that_the_graph_does_not_have() -> None:
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        Predictor(conformal_models.scaled("width"))
    of_penguins = (MODELS / "penguins.onnx").read_bytes()
    signature = tables.MASS
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        Predictor(appended(of_penguins, SIGNATURE_KEY, signature.to_json()))


def test_sets_of_labels() -> None:
    predictor = Predictor(conformal_models.labels())
    rows = tables.ROWS
    probabilities, predicted = predictor.predict_proba(rows), predictor.predict(rows)
    for coverage, least in ((0.5, 0.5), (0.9, 0.02)):
        found = predictor.predict_set(rows, coverage)
        for row, labels in enumerate(found):
            ranked = sorted(zip(-probabilities[row], predictor.classes_.tolist(), strict=True))
            assert labels[0] == predicted[row]
            assert list(labels) == [label for one, label in ranked if -one >= least or label == predicted[row]]
    assert max(map(len, predictor.predict_set(rows))) > 1
    assert predictor.predict_set([]) == []


def test_sets_of_two_labels() -> None:
    predictor = Predictor(conformal_models.two_labels())
    rows = [["Dream", 2007], ["Biscoe", 2009], [None, None], ["Foo", 2008]]
    for labels, label, of_row in zip(
        predictor.predict_set(rows), predictor.predict(rows), predictor.predict_proba(rows), strict=True
    ):
        assert labels[0] == label
        assert set(labels) == {one for one, share in zip(("no", "yes"), of_row, strict=True) if share >= 0.02} | {label}


def test_labels_are_of_their_own_type() -> None:
    predictor = Predictor(conformal_models.labels())
    (found,) = predictor.predict_set(tables.ROWS[:1])
    assert type(found) is tuple
    assert all(type(label) is str for label in found)


def test_what_a_model_does_not_have() -> None:
    values, labels = Predictor(conformal_models.values()), Predictor(conformal_models.labels())
    with pytest.raises(NoIntervals, match="predict_set returns sets"):
        labels.predict_interval(tables.ROWS[:1])
    with pytest.raises(NoIntervals, match="predict_interval returns intervals"):
        values.predict_set(ROWS)
    for ask, rows in (
        (Predictor(MODELS / "mass.onnx").predict_interval, ROWS),
        (Predictor(FOUR_BLOBS).predict_set, [[1, 2]]),
    ):
        with pytest.raises(NoIntervals, match=r"too few rows were held out .* train it again"):
            ask(rows)
    without = Predictor(MODELS / "outputs.onnx")
    for ask in (without.predict_interval, without.predict_set):
        with pytest.raises(NoSignature):
            ask(ROWS)


@pytest.mark.parametrize("coverage", [0, 1, 90, "0.9", None])
def test_what_is_not_a_coverage(coverage: Any) -> None:
    for ask in (
        Predictor(conformal_models.values()).predict_interval,
        Predictor(conformal_models.scaled()).predict_interval,
        Predictor(conformal_models.labels()).predict_set,
    ):
        with pytest.raises(InvalidInput, match="coverage is a number between 0 and 1"):
            ask([], coverage)
        with pytest.raises(InvalidInput, match=r"the largest possible is 0\.9$"):
            ask([], 0.91)


def test_rows_that_do_not_fit() -> None:
    for predictor in (Predictor(conformal_models.values()), Predictor(conformal_models.scaled())):
        with pytest.raises(InvalidInput):
            predictor.predict_interval([[1, 2, 3]])
