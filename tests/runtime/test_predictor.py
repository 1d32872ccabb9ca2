import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from concurrency import in_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import FOUR_BLOBS, MODELS

from edge_runtime import InvalidInput, NoSignature, Prediction, Predictor

ROWS = [[-1, 1], [1, 1], [1, -1], [-1, -1], [0, 0], [0.25, -3.5]]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODELS / "four_blobs.onnx", device="cpu")


def weights() -> dict[str, np.ndarray]:
    """The weights of four_blobs.onnx, read off the committed file once and written here: an oracle without ONNX."""
    return {
        "linear_1.weight": np.array(
            [
                [-0.93751454, 0.986554],
                [-1.727808, -1.5942993],
                [-0.27234524, 0.18961589],
                [1.3449396, 1.9542737],
                [-0.045549072, 0.16426179],
            ]
        ),
        "linear_1.bias": np.array([0.056639716, -0.33238944, -0.6755334, -0.56816596, -0.30697492]),
        "linear_2.weight": np.array([1.2908487, -2.2457433, 0.26833835, -2.3470168, -0.1931231]),
        "linear_2.bias": np.array([2.453275]),
    }


def expected(rows: object) -> np.ndarray:
    w = weights()
    hidden = np.maximum(np.asarray(rows, float) @ w["linear_1.weight"].T + w["linear_1.bias"], 0)
    probabilities: np.ndarray = 1 / (1 + np.exp(-(hidden @ w["linear_2.weight"] + w["linear_2.bias"])))
    return probabilities


def test_known_output(predictor: Predictor) -> None:
    np.testing.assert_allclose(predictor.predict_proba(ROWS)[:, 1], expected(ROWS), rtol=0, atol=1e-6)
    assert predictor.predict(ROWS).tolist() == [1, 0, 1, 0, 1, 0]
    for row, label, probability in (([-1, 1], 1, 0.9927064), ([1, 1], 0, 1 - 0.0214547)):
        near: Any = pytest.approx(probability, abs=1e-6)
        assert predictor.predict_one(row) == Prediction(label, near)


@settings(deadline=None)
@given(st.lists(st.tuples(*2 * [st.floats(-5, 5, width=32)]), min_size=1, max_size=40))
def test_every_way_in_gives_the_same_answer(rows: list[tuple[float, float]]) -> None:
    predictor = Predictor(MODELS / "four_blobs.onnx", device="cpu")
    probabilities = predictor.predict_proba(rows)
    np.testing.assert_allclose(probabilities[:, 1], expected(rows), rtol=0, atol=2e-6)
    array = np.array(rows, dtype=np.float64)
    inputs = [
        [list(row) for row in rows],
        tuple(rows),
        array,
        array.astype(np.float32),
        np.asfortranarray(array),
        np.repeat(array, 2, axis=1)[:, ::2],
        array[::-1][::-1],
    ]
    for given_rows in inputs:
        np.testing.assert_array_equal(predictor.predict_proba(given_rows), probabilities)
    np.testing.assert_array_equal(predictor.predict(rows), predictor.classes_[(probabilities[:, 1] > 0.5).astype(int)])
    raw = predictor.run({"x": rows})["probability"]
    np.testing.assert_array_equal(raw[:, 0], probabilities[:, 1])
    for row, probability in zip(rows, probabilities, strict=True):
        answer = predictor.predict_one(row)
        assert answer.probability == pytest.approx(probability[answer.label], abs=2e-7)


def test_shapes_and_types(predictor: Predictor) -> None:
    assert predictor.predict([-1, 1]).shape == (1,)
    assert predictor.predict(ROWS).dtype == np.int64
    assert predictor.predict_proba([-1, 1]).shape == (1, 2)
    assert predictor.predict_proba(ROWS).dtype == np.float32
    assert predictor.predict(np.empty((0, 2))).shape == (0,)
    assert predictor.predict_proba(np.empty((0, 2))).shape == (0, 2)
    assert predictor.classes_.tolist() == [0, 1]
    assert [feature.name for feature in predictor.required_signature.features] == ["x1", "x2"]
    assert predictor.provider == "CPUExecutionProvider"
    assert predictor.predict([[2**70, 2**70]]).tolist() == [0]
    for dtype in (np.int8, np.uint64, np.float16, bool):
        assert predictor.predict(np.ones((3, 2), dtype)).tolist() == [0, 0, 0]


def test_nan_leads_to_nan_and_the_first_label(predictor: Predictor) -> None:
    assert np.isnan(predictor.predict_proba([np.nan, 1])).all()
    assert predictor.predict([np.nan, 1]).tolist() == [0]
    assert predictor.predict_one([np.nan, 1]).label == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([1], r"2 values \(x1, x2\), found 1"),
        ([1, 2, 3], "found 3"),
        ([[1, 2, 3]], "found 3"),
        ([[]], "found 0"),
        (5, "found 1"),
        ([[[1, 2]]], r"found shape \(1, 1, 2\)"),
        ([[1, 2], [3]], "rows: all must have the same length, found 1 and 2 values"),
        ([[1, 2], 3], "not an? (number|array)"),
        (["-1", "b"], "x2: 'b' is not a number"),
        ([[1, "NA"]], "x2: 'NA' is not a number"),
        ([[1, None]], "x2: None is not a number"),
        ([[1, 2j]], "x2: 2j is not a number"),
        (np.ma.masked_array([[1, 2]], mask=[[True, False]]), "x1: the value is missing"),
        ([[1, 2**130]], "x2: .* does not fit float32"),
        ([[1, 1e300]], r"x2: 1e\+300 does not fit float32"),
        (np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"), "datetime64"),
    ],
)
def test_bad_rows(predictor: Predictor, rows: object, message: str) -> None:
    for method in (predictor.predict, predictor.predict_proba, predictor.predict_one):
        with pytest.raises(InvalidInput, match=message):
            method(rows)


def test_infinite_input_is_not_an_overflow(predictor: Predictor) -> None:
    assert predictor.predict([np.inf, 1.0]).shape == (1,)


def test_predict_one_takes_one_row(predictor: Predictor) -> None:
    assert predictor.predict_one([[-1, 1]]).label == 1
    with pytest.raises(InvalidInput, match="one row, found 2"):
        predictor.predict_one([[1, 2], [3, 4]])


def test_model_from_memory() -> None:
    content = (MODELS / "four_blobs.onnx").read_bytes()
    for model in (content, bytearray(content), memoryview(content)):
        assert Predictor(model).predict([-1, 1]).tolist() == [1]


def test_pickle_opens_the_model_again(predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(MODELS)
    pickled = [pickle.dumps(predictor), pickle.dumps(Predictor("four_blobs.onnx"))]
    pickled.append(pickle.dumps(Predictor((MODELS / "four_blobs.onnx").read_bytes())))
    opened_here = Predictor("four_blobs.onnx")
    monkeypatch.chdir(tmp_path)
    pickled.append(pickle.dumps(opened_here))
    for again in map(pickle.loads, pickled):
        np.testing.assert_array_equal(again.predict_proba(ROWS), predictor.predict_proba(ROWS))


def test_threads_share_a_predictor(predictor: Predictor) -> None:
    rows = np.random.default_rng(0).normal(size=(500, 2))
    probabilities, labels = predictor.predict_proba(rows), predictor.predict(rows)

    def work() -> None:
        for row, expected, label in zip(rows, probabilities, labels, strict=True):
            np.testing.assert_allclose(predictor.predict_proba(row)[0], expected, rtol=0, atol=2e-7)
            assert predictor.predict(row) == label

    in_threads(work, 8)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_with_one_thread_a_predictor_starts_none() -> None:
    Predictor(MODELS / "four_blobs.onnx", device="cpu")  # importing numpy and onnxruntime may start some
    before = len(list(Path("/proc/self/task").iterdir()))
    opened = [Predictor(MODELS / "four_blobs.onnx", device="cpu", threads=1) for _ in range(3)]
    assert [predictor.predict(ROWS).tolist() for predictor in opened] == 3 * [[1, 0, 1, 0, 1, 0]]
    # Fewer, where one that an earlier test has joined was still on its way out.
    assert len(list(Path("/proc/self/task").iterdir())) <= before


def test_without_signature() -> None:
    foreign = Predictor(MODELS / "tensors.onnx")
    assert foreign.signature is None
    for method in (foreign.predict, foreign.predict_proba, foreign.predict_one):
        with pytest.raises(NoSignature, match=r"Predictor\.run"):
            method([1, 2])
    with pytest.raises(NoSignature):
        _ = foreign.classes_


def test_in_words(tmp_path: Path) -> None:
    content = FOUR_BLOBS.read_bytes()
    assert repr(Predictor(FOUR_BLOBS, "cpu")) == (
        "Predictor('four_blobs.onnx', binary_classification, CPUExecutionProvider)"
    )
    assert repr(Predictor(content, "cpu")) == (
        f"Predictor(<{len(content):,} bytes>, binary_classification, CPUExecutionProvider)"
    )
    assert repr(Predictor(FOUR_BLOBS, "cpu").answering) == (
        "Answering(Signature(binary_classification, 2 features, 2 labels), CPUExecutionProvider)"
    )
    (tmp_path / "a\nb.onnx").write_bytes((MODELS / "tensors.onnx").read_bytes())
    assert repr(Predictor(tmp_path / "a\nb.onnx", "cpu")) == (
        "Predictor('a\\nb.onnx', without a signature, CPUExecutionProvider)"
    )


def test_the_labels_are_not_changed_by_mistake(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="read-only"):
        predictor.classes_[0] = 5
    assert predictor.classes_ is predictor.classes_
