"""`Predictor.explain` on files, however they are opened."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sales
import tables
from baselines import BASELINES, explained_model
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import (
    EdgePredictError,
    Explanation,
    IsolatedPredictor,
    NoBaseline,
    NoFeatures,
    NoSignature,
    Predictor,
    PredictorClosed,
)

PREDICTORS = {name: Predictor(explained_model(name), device="cpu") for name in BASELINES}
ROWS: dict[str, list[Any]] = {
    "four_blobs": [[-1, 1], [1, 1], [0.5, -0.75], {"x2": 1, "x1": 2}],
    "penguins": [*tables.ROWS, tables.named(tables.ROWS[0])],
    "islands": [["Dream", 2007], [None, 1999]],
    "mass": [[40, 18], [40, None]],
    "sales": [*sales.WRITTEN, *sales.VALUES],
}
CASES = [(name, row) for name, rows in ROWS.items() for row in rows]


def total(found: Explanation) -> float:
    return found.base + sum(found.attributions.values())


@pytest.mark.parametrize(("name", "row"), CASES)
def test_contributions_add_up_to_the_answer(name: str, row: Any) -> None:
    predictor = PREDICTORS[name]
    found = predictor.explain(row)
    answer = predictor.predict_one(row)
    if found.label is None:
        assert found.answer == answer
    else:
        assert (found.label, found.answer) == answer
    assert total(found) == pytest.approx(found.answer, abs=1e-12, rel=1e-12)
    names = predictor.required_signature.feature_names
    assert sorted(found.attributions) == sorted(names)
    typical = {name: value for name, value in BASELINES[name].items() if value != ""}
    base = predictor.predict_proba if found.label is not None else predictor.predict
    if name != "sales":
        row = [typical.get(name) for name in names]
        assert found.base in np.ravel(base([row])).tolist()


def test_of_a_linear_artifact() -> None:
    found = PREDICTORS["mass"].explain([40, 18])
    bill, depth = (float(weight) for (weight,) in tables.MASS_WEIGHT)
    assert found.attributions["bill"] == pytest.approx(bill * (40 - 44.5), abs=1e-3)
    # A missing depth is as the mean.
    assert found.attributions["depth"] == pytest.approx(depth * (18 - 17.0), abs=1e-3)


@pytest.mark.parametrize("name", ["penguins", "four_blobs"])
def test_another_label(name: str) -> None:
    predictor, row = PREDICTORS[name], ROWS[name][0]
    found = [predictor.explain(row, label) for label in predictor.classes_]
    assert [one.answer for one in found] == predictor.predict_proba([row])[0].tolist()
    for column in found[0].attributions:
        assert sum(one.attributions[column] for one in found) == pytest.approx(0, abs=1e-6)


@given(st.floats(-3, 3, width=32), st.floats(-3, 3, width=32))
def test_of_two_columns_by_hand(first: float, second: float) -> None:
    predictor = PREDICTORS["four_blobs"]
    found = predictor.explain([first, second], label=1)
    low, high = BASELINES["four_blobs"].values()
    of: Any = {(x, y): float(predictor.predict_proba([[x, y]])[0, 1]) for x in (first, low) for y in (second, high)}
    expected = (of[first, high] - of[low, high] + of[first, second] - of[low, second]) / 2
    assert found.attributions["x1"] == pytest.approx(expected, abs=1e-6)


def test_what_has_nothing_to_explain() -> None:
    with pytest.raises(NoBaseline, match="what is typical of bill, depth"):
        Predictor(MODELS / "mass.onnx", device="cpu").explain([40, 18])
    with pytest.raises(NoFeatures):
        Predictor(MODELS / "images.onnx", device="cpu").explain(np.zeros((2, 3, 4)))
    with pytest.raises(NoSignature):
        Predictor(MODELS / "tensors.onnx", device="cpu").explain([1])
    assert issubclass(NoBaseline, EdgePredictError)
    assert issubclass(NoBaseline, TypeError)


@pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")
def test_in_isolation() -> None:
    row = tables.ROWS[0]
    with IsolatedPredictor(explained_model("penguins")) as isolated:
        assert isolated.explain(row) == PREDICTORS["penguins"].explain(row)


def test_after_reload_pickle_and_close(tmp_path: Path) -> None:
    file, new = tmp_path / "model.onnx", tmp_path / "new.onnx"
    file.write_bytes((MODELS / "mass.onnx").read_bytes())
    predictor = Predictor(file, device="cpu")
    with pytest.raises(NoBaseline):
        predictor.explain([40, 18])
    new.write_bytes(explained_model("mass"))
    new.replace(file)
    assert predictor.reload()
    found = predictor.explain([40, 18])
    assert found == PREDICTORS["mass"].explain([40, 18])
    assert pickle.loads(pickle.dumps(predictor)).explain([40, 18]) == found
    assert pickle.loads(pickle.dumps(found)) == found
    predictor.close()
    with pytest.raises(PredictorClosed):
        predictor.explain([40, 18])
