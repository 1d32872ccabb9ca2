"""`Predictor` for models of tables with strings, booleans and missing values, and for regression."""

import hashlib
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tables
from certificates import entry_in
from concurrency import in_threads
from paths import MODELS
from tables import ROWS, named

from edge_runtime import (
    Certificate,
    InvalidInput,
    NoProbabilities,
    Prediction,
    Predictor,
    ReferenceBatch,
)
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

NAN = math.nan
READ = [
    ("Torgersen", 39.1, 3750, 1, "2007"),
    ("Dream", NAN, 3000, 0, ""),
    ("", 50, NAN, 0, "2009"),
    ("Foo", 46.5, 4500, 1, "1999"),
]


def test_numbers_and_strings(penguins: Predictor) -> None:
    expected = tables.penguins(READ)
    probabilities = penguins.predict_proba(ROWS)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
    assert probabilities.dtype == np.float32
    labels = [penguins.classes_[index] for index in expected.argmax(axis=1)]
    assert len(set(labels)) > 1
    assert penguins.predict(ROWS).tolist() == labels
    assert penguins.predict(list(map(named, ROWS))).tolist() == labels
    for row, label, probability in zip(ROWS, labels, expected.max(axis=1), strict=True):
        near: Any = pytest.approx(probability, abs=1e-6)
        for form in (row, tuple(row), [row], named(row), [named(row)]):
            assert penguins.predict_one(form) == Prediction(label, near)
            assert penguins.predict(form).tolist() == [label]
    assert [feature.name for feature in penguins.required_signature.features] == list(tables.PENGUINS.columns)


def test_data_frames(penguins: Predictor) -> None:
    frame = pytest.importorskip("pandas").DataFrame(list(map(named, ROWS)))
    np.testing.assert_allclose(penguins.predict_proba(frame), tables.penguins(READ), rtol=0, atol=1e-6)
    assert penguins.predict_one(frame.iloc[3]) == penguins.predict_one(ROWS[3])
    assert penguins.unseen(frame) == penguins.unseen(ROWS)
    assert penguins.predict(frame[:0]).shape == (0,)
    assert penguins.predict_proba(frame[:0]).shape == (0, 3)


def test_data_frames_of_numbers_alone() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    blobs = Predictor(MODELS / "four_blobs.onnx", device="cpu")
    rows = {"more": ["a", "b"], "x2": [1.0, 1.0], "x1": [-1.0, 3.0]}
    expected = blobs.predict_proba([[-1, 1], [3, 1]])
    for frame in (pandas.DataFrame(rows), polars.DataFrame(rows), pandas.DataFrame([[-1, 1], [3, 1]])):
        np.testing.assert_array_equal(blobs.predict_proba(frame), expected)
    assert blobs.predict_one({"x2": 1, "x1": -1}) == blobs.predict_one([-1, 1])
    assert blobs.predict_one(pandas.Series({"x2": 1, "x1": -1})) == blobs.predict_one([-1, 1])
    assert blobs.predict_one(pandas.Series([-1, 1])) == blobs.predict_one([-1, 1])
    with pytest.raises(InvalidInput, match="missing x1"):
        blobs.predict_one({"x2": 1})


def test_strings_alone(islands: Predictor) -> None:
    rows = [["Dream", 2007], [None, None], ["Foo", "2009"], ["Biscoe", 2009.0]]
    logits = (tables.OF_ISLAND[[3, 1, 0, 2], :1] + tables.OF_YEAR[[2, 1, 4, 4], :1])[:, 0]
    probabilities = islands.predict_proba(rows)
    np.testing.assert_allclose(probabilities[:, 1], 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-6)
    assert islands.predict(rows).tolist() == ["yes", "no", "yes", "no"]
    assert islands.predict(np.array([["Dream", "2007"]])).tolist() == ["yes"]
    answer = islands.predict_one(rows[3])
    near: Any = pytest.approx(1 / (1 + math.exp(logits[3])), abs=1e-6)
    assert answer == Prediction("no", near)
    assert type(answer.probability) is float


def test_regression(mass: Predictor) -> None:
    rows: list[list[Any]] = [[40, 20], [50.5, None], [45, "NA"]]
    expected = [40 * 90 - 20 * 25.5, 50.5 * 90 - 17 * 25.5, 45 * 90 - 17 * 25.5]
    values = mass.predict(rows)
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert (values.shape, values.dtype) == ((3,), np.dtype(np.float32))
    for row, value in zip(rows, expected, strict=True):
        for form in (row, dict(zip(("bill", "depth"), row, strict=True))):
            answer = mass.predict_one(form)
            assert type(answer) is float
            assert answer == pytest.approx(value, rel=1e-6)
            np.testing.assert_allclose(mass.predict(form), [value], rtol=1e-6)
    assert mass.predict_one({"bill": 45}) == mass.predict_one([45, None])
    assert mass.predict(np.zeros((0, 2))).shape == (0,)
    many = np.random.default_rng(0).normal(size=(20_000, 2)).astype(np.float32)
    np.testing.assert_allclose(mass.predict(many), (many @ tables.MASS_WEIGHT)[:, 0], rtol=0, atol=1e-3)
    assert not np.shares_memory(mass.predict(rows), mass.predict(rows))


def test_regression_has_no_probabilities(mass: Predictor) -> None:
    with pytest.raises(NoProbabilities, match="is a regression"):
        mass.predict_proba([40, 20])
    with pytest.raises(TypeError, match="predict and predict_one"):
        _ = mass.classes_


def test_missing_values_that_are_not_accepted(penguins: Predictor, mass: Predictor) -> None:
    for method in (penguins.predict, penguins.predict_proba, penguins.predict_one, penguins.unseen):
        with pytest.raises(InvalidInput, match="ringed: the value is missing"):
            method(["Dream", 40, 3000, None, 2007])
        with pytest.raises(InvalidInput, match="missing ringed"):
            method({"island": "Dream", "bill": 40})
    with pytest.raises(InvalidInput, match="bill: None is not a number"):
        mass.predict_one([None, 20])


def test_predict_one_takes_one_row(penguins: Predictor) -> None:
    with pytest.raises(InvalidInput, match="one row, found 2"):
        penguins.predict_one(ROWS[:2])


def test_pickled_and_shared(penguins: Predictor) -> None:
    again = pickle.loads(pickle.dumps(penguins))
    probabilities, labels = penguins.predict_proba(ROWS), penguins.predict(ROWS)

    def work() -> None:
        for _ in range(50):
            np.testing.assert_array_equal(again.predict_proba(ROWS), probabilities)
            np.testing.assert_array_equal(again.predict(ROWS), labels)

    in_threads(work, 4)


def test_a_row_of_two_inputs_of_numbers() -> None:
    predictor = Predictor(MODELS / "two_inputs.onnx", device="cpu")
    assert predictor.predict_one([1, 2]) == 3
    assert predictor.predict([{"b": 0.5, "a": 0.25}, {"a": 4, "b": 5}]).tolist() == [0.75, 9]
    assert predictor.predict(np.arange(6).reshape(3, 2)).tolist() == [1, 5, 9]


def test_verify(certified: Callable[..., bytes], certificate: Callable[..., Certificate]) -> None:
    content = (MODELS / "penguins.onnx").read_bytes()
    feed = {
        "x": np.array([[mass, bill, ringed] for _, bill, mass, ringed, _ in READ], np.float32),
        "text": np.array([[island, year] for island, *_, year in READ], object),
    }
    expected = tables.penguins(READ).astype(np.float32)
    reference = ReferenceBatch(
        "rows", feed, {"probabilities": expected}, {"probabilities": np.full(expected.shape, 1e-6, np.float32)}
    )
    digest = hashlib.sha256(entry_in(content, SIGNATURE_KEY).encode()).hexdigest()
    whole = certified(content, reference=(reference,), signature_sha256=digest)
    verification = Predictor(whole, device="cpu", verify=True).verify()
    assert verification.passed
    assert verification.rows == 4
    others = feed["text"].copy()
    others[0, 0] = "Biscoe"
    moved = ReferenceBatch("rows", {**feed, "text": others}, reference.expected, reference.tolerance)
    failed = Predictor(certified(content, reference=(moved,), signature_sha256=digest), device="cpu").verify()
    assert failed.intact
    assert not failed.passed
