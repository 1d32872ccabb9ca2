"""Every way to call gives the same answers, and calls do not disturb each other."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from concurrency import call_within, held, in_threads
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

from edge_runtime import InferenceFailed, InvalidInput, Prediction, Predictor
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload

WithMetadata = Callable[[bytes, str, str], bytes]

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)


def opened(name: str, with_metadata: WithMetadata) -> Predictor:
    """A model whose calls of 20 rows and more are split into batches."""
    content = (MODELS / f"{name}.onnx").read_bytes()
    return Predictor(with_metadata(content, WORKLOAD_KEY, COSTLY.to_json()), device="cpu")


@pytest.fixture(params=["four_blobs", "three_labels", "mass"])
def predictor(request: pytest.FixtureRequest, with_metadata: WithMetadata) -> Predictor:
    return opened(request.param, with_metadata)


def drawn(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)


def outputs(predictor: Predictor, rows: Any) -> np.ndarray:
    """Probabilities, or values, shape (rows, 1)."""
    if predictor.required_signature.labels:
        return predictor.predict_proba(rows)
    return predictor.predict(rows)[:, None]


def expected(predictor: Predictor, rows: np.ndarray) -> np.ndarray:
    """The same by `run`, in calls that are not split."""
    (name,) = (spec.name for spec in predictor.outputs)
    found = np.concatenate(
        [predictor.run({"x": rows[start : start + 10]})[name] for start in range(0, len(rows), 10)]
        or [np.zeros((0, predictor.outputs[0].shape[1]), np.float32)]
    )
    is_binary = predictor.required_signature.task == "binary_classification"
    return np.concatenate([1 - found, found], axis=1) if is_binary else found


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_any_sizes_one_after_the_other(counts: list[int]) -> None:
    """Buffers that were bound for one size say nothing of another."""
    for name in ("four_blobs", "three_labels", "mass"):
        predictor = Predictor(MODELS / f"{name}.onnx", device="cpu")
        for count in counts:
            rows = drawn(count)
            found = outputs(predictor, rows)
            np.testing.assert_allclose(found, expected(predictor, rows), atol=1e-5)
            for row, one in zip(rows, found, strict=True):
                forms = [outputs(predictor, form) for form in (row.tolist(), [row.tolist()], row, row[None])]
                np.testing.assert_allclose(forms, 4 * [[one]], atol=1e-5)
                answer = predictor.predict_one(row.tolist())
                if name == "mass":
                    assert answer == pytest.approx(one[0], abs=1e-5)
                else:
                    assert answer.label == predictor.classes_[one.argmax()]
                    assert answer.probability == pytest.approx(one.max(), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 8192, 8193, 20_000])
def test_small_and_large_calls(predictor: Predictor, count: int) -> None:
    found = outputs(predictor, drawn(count))
    np.testing.assert_allclose(found, expected(predictor, drawn(count)), atol=1e-5)
    assert found.dtype == np.float32


@pytest.mark.parametrize("row", [[0.5, -1], (0.5, -1), np.array([0.5, -1]), [[0.5, -1]], {"x2": -1, "x1": 0.5}])
def test_forms_of_one_row(row: Any) -> None:
    predictor = Predictor(MODELS / "three_labels.onnx", device="cpu")
    for _ in range(2):
        assert predictor.predict_one(row) == predictor.predict_one([0.5, -1.0])
        np.testing.assert_array_equal(predictor.predict_proba(row), predictor.predict_proba([[0.5, -1.0]]))


def test_what_is_returned(predictor: Predictor) -> None:
    answer = predictor.predict_one([0, 0])
    if predictor.required_signature.task == "regression":
        assert type(answer) is float
        return
    assert type(answer) is Prediction
    assert type(answer.label) is type(predictor.required_signature.labels[0])
    assert type(answer.probability) is float


def test_a_probability_at_the_threshold_is_the_first_label(with_metadata: WithMetadata) -> None:
    """As the array's type has the threshold, in `predict` and in `predict_one`."""
    content = (MODELS / "four_blobs.onnx").read_bytes()
    row = [-1.0, 1.0]
    probability = float(Predictor(content, device="cpu").predict_proba(row)[0, 1])
    for threshold, label in (
        (probability, 0),
        (float(np.nextafter(probability, 0)), 0),
        (float(np.nextafter(np.float32(probability), np.float32(0))), 1),
    ):
        plain = Predictor(content, device="cpu").required_signature.to_json()
        changed = plain.replace('"threshold": 0.5', f'"threshold": {threshold!r}')
        assert changed != plain
        predictor = Predictor(with_metadata(content, "edge_predict.signature", changed), device="cpu")
        assert predictor.predict(row).tolist() == [label], threshold
        answer = predictor.predict_one(row)
        assert answer.label == label
        expected_probability = probability if label else float(np.float32(1) - np.float32(probability))
        assert answer.probability == expected_probability


def test_results_stay_as_they_are(predictor: Predictor) -> None:
    """What is returned is not a buffer of later calls."""
    predictor.predict_one([0, 0])
    returned = [outputs(predictor, rows) for rows in ([1, 2], drawn(3), drawn(3), drawn(100))]
    copies = [result.copy() for result in returned]
    outputs(predictor, [-1, -2])
    for count in (3, 100):
        outputs(predictor, -drawn(count))
    for result, copy in zip(returned, copies, strict=True):
        np.testing.assert_array_equal(result, copy)


def test_from_many_threads_at_once(predictor: Predictor) -> None:
    known = {count: outputs(predictor, drawn(count)) for count in (1, 3, 64, 9000)}
    predicted = {count: predictor.predict(drawn(count)) for count in known}
    one = predictor.predict_one([0.25, -1.5])

    def use() -> None:
        for _ in range(10):
            for count, answers in known.items():
                np.testing.assert_array_equal(outputs(predictor, drawn(count)), answers)
                np.testing.assert_array_equal(predictor.predict(drawn(count)), predicted[count])
            assert predictor.predict_one([0.25, -1.5]) == one

    in_threads(use, 8)


def test_first_calls_from_many_threads_at_once(predictor: Predictor) -> None:
    one, many = predictor.predict_one([0.25, -1.5]), outputs(predictor, drawn(3))
    for _ in range(20):
        other = pickle.loads(pickle.dumps(predictor))
        # What only calls need is made by the first of them.
        assert not other._answering.is_ready

        def use(other: Predictor = other) -> None:
            assert other.predict_one([0.25, -1.5]) == one
            np.testing.assert_array_equal(outputs(other, drawn(3)), many)

        in_threads(use, 4)
        assert other._answering.is_ready


def test_a_call_within_a_call(predictor: Predictor) -> None:
    """As a signal handler or a finalizer makes it."""
    one = predictor.predict_one([0.5, 1.5])
    buffers = held(predictor).one
    call_within(buffers, lambda: predictor.predict_one([-1.0, -1.0]))
    assert predictor.predict_one([0.5, 1.5]) == one
    call_within(buffers, lambda: outputs(predictor, [-1.0, -1.0]))
    assert predictor.predict_one([0.5, 1.5]) == one

    three = outputs(predictor, drawn(3))
    many = held(predictor).many
    assert many is not None
    call_within(many, lambda: outputs(predictor, -drawn(3)))
    np.testing.assert_array_equal(outputs(predictor, drawn(3)), three)


def test_after_a_bad_row_the_next_one_is_answered(predictor: Predictor) -> None:
    one = predictor.predict_one([0.5, 1.5])
    buffers = held(predictor).one
    for row in ([1], ["a", 1], None, [[1, 2], [3, 4]], {"x1": 1}):
        with pytest.raises(InvalidInput):
            predictor.predict_one(row)
        with pytest.raises(InvalidInput):
            outputs(predictor, row if row != [[1, 2], [3, 4]] else [[1]])
    assert predictor.predict_one([0.5, 1.5]) == one
    # The same buffers: a bad row costs none.
    assert held(predictor).one is buffers


def test_what_onnxruntime_raises_is_translated(predictor: Predictor) -> None:
    def fail() -> None:
        raise RuntimeError("no memory")

    one = predictor.predict_one([0.5, 1.5])
    buffers = held(predictor).one
    run, buffers.run = buffers.run, fail
    for call in (predictor.predict_one, lambda row: outputs(predictor, row)):
        with pytest.raises(InferenceFailed, match="ONNX Runtime failed on the model: no memory"):
            call([0.5, 1.5])
    buffers.run = run
    assert predictor.predict_one([0.5, 1.5]) == one


@pytest.mark.parametrize("name", ["penguins", "islands"])
def test_models_of_strings_in_batches(name: str, with_metadata: WithMetadata) -> None:
    split, whole = opened(name, with_metadata), Predictor(MODELS / f"{name}.onnx", device="cpu")
    rows: list[list[Any]] = [["Dream", 40, 3000, 1, 2007], [None, None, None, 0, 2]]
    if name == "islands":
        rows = [["Dream", 2007], [None, 2]]
    assert split._runner.placement.is_worth_splitting(100)
    np.testing.assert_array_equal(split.predict(rows * 50), whole.predict(rows * 50))
    np.testing.assert_allclose(split.predict_proba(rows * 50), whole.predict_proba(rows * 50), rtol=0, atol=1e-6)
    for row in rows:
        assert split.predict_one(row) == whole.predict_one(row)
    with pytest.raises(InvalidInput, match="predict_one takes one row, found 2; use predict or predict_proba"):
        split.predict_one(rows)


class Untouchable:
    """In the place of the reader of rows, for calls that must not need it."""

    def tensors(self, rows: object) -> Any:
        raise AssertionError("the row was converted")


@pytest.mark.parametrize("row", [[0.5, 1], (0.5, 1), [True, np.float32(1)]])
def test_a_plain_row_is_written_into_bound_buffers(predictor: Predictor, row: Any) -> None:
    one, many = predictor.predict_one(list(row)), outputs(predictor, [list(row)])
    predictor.answering.reader = Untouchable()  # type: ignore[assignment]
    assert predictor.predict_one(row) == one
    for form in (row, [row]) if type(row) is list else ():
        np.testing.assert_array_equal(outputs(predictor, form), many)
    for other in (np.array(row, np.float64), {"x1": 1, "x2": 2}):
        with pytest.raises(AssertionError, match="was converted"):
            predictor.predict_one(other)


def test_arrays_of_the_models_type_are_copied_into_bound_buffers(predictor: Predictor) -> None:
    rows = drawn(5)
    one, many = predictor.predict_one(rows[0].tolist()), outputs(predictor, rows.tolist())
    predictor.answering.reader = Untouchable()  # type: ignore[assignment]
    for form in (rows, np.asfortranarray(rows), np.repeat(rows, 3, axis=1)[:, ::3]):
        assert (outputs(predictor, form) == many).all()
        assert predictor.predict_one(form[0]) == predictor.predict_one(form[:1]) == one
    for other in (rows.astype(np.float64), rows[:, :1], rows[None], rows.T[:1, :1], rows.view(np.matrix), rows[0, 0]):
        with pytest.raises(AssertionError, match="was converted"):
            predictor.predict_one(other)


@pytest.mark.parametrize(
    ("rows", "is_copied"), [(1, True), (8192, True), (8193, False), (0, False)], ids=["one", "most", "more", "none"]
)
def test_small_calls_go_through_bound_buffers(rows: int, is_copied: bool) -> None:
    """Up to 16,384 numbers; larger ones read and write their own arrays."""
    predictor = Predictor(MODELS / "three_labels.onnx", device="cpu")
    outputs(predictor, drawn(rows))
    many = held(predictor).many
    assert (many is not None and len(many.input) == rows) == is_copied
    # They are bound again only if two calls in a row have another number of rows.
    found = [(outputs(predictor, drawn(other)), held(predictor).many is many)[1] for other in (rows, 7, 9, 9)]
    assert found == ([True, True, True, False] if is_copied else [True, False, False, False])


def test_calls_that_are_split_do_not_go_through_bound_buffers(with_metadata: WithMetadata) -> None:
    predictor = opened("three_labels", with_metadata)
    outputs(predictor, drawn(20))
    assert held(predictor).many is None
    # Nor do those that several threads may compute sooner.
    outputs(predictor, drawn(10))
    assert (held(predictor).many is None) == (predictor._runner.placement.most_on_one < 10)
    outputs(predictor, drawn(9))
    assert held(predictor).many is not None


def test_a_row_that_is_all_of_a_call_beside_another_list(predictor: Predictor) -> None:
    """[[1, 2], [3, 4]] is two rows, and [[[1, 2]]] none."""
    predictor.predict_one([0, 0])
    assert len(outputs(predictor, [[1, 2], [3, 4]])) == 2
    wrong: Any
    for wrong in ([[[1, 2]]], [[1, 2], 3], [[]]):
        with pytest.raises(InvalidInput):
            outputs(predictor, wrong)
