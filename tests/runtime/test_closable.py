"""`Closable`: a model that is closed while other threads make calls."""

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from calls import CALLS, ROWS, answers
from concurrency import in_threads
from paths import FOUR_BLOBS, MODELS

from edge_runtime import Predictor, PredictorClosed
from edge_runtime.contract.errors import EdgePredictError


def test_after_close_every_call_is_refused() -> None:
    predictor = Predictor(FOUR_BLOBS, "cpu")
    specs = (predictor.signature, predictor.inputs, predictor.outputs, predictor.input_ranges, predictor.provider)
    assert not predictor.closed
    for _ in range(2):
        predictor.close()
        assert predictor.closed
    calls: list[Callable[[Predictor], Any]] = [*CALLS.values(), Predictor.verify, Predictor.reload, pickle.dumps]
    calls += [Predictor.__enter__, lambda predictor: predictor.answering.one(ROWS[0])]
    for call in calls:
        for kind in (PredictorClosed, EdgePredictError, ValueError):
            with pytest.raises(kind, match=r"^the predictor is closed; open the model again$"):
                call(predictor)
    assert repr(predictor) == "Predictor('four_blobs.onnx', binary_classification, CPUExecutionProvider, closed)"
    assert specs == (
        predictor.signature,
        predictor.inputs,
        predictor.outputs,
        predictor.input_ranges,
        predictor.provider,
    )


def test_a_with_statement_closes() -> None:
    with Predictor(MODELS / "outputs.onnx", "cpu") as predictor:
        assert predictor.run({"x": ROWS})["y"].shape == (3, 2)
    for call in (lambda: predictor.run({"x": ROWS}), lambda: predictor.predict(ROWS)):
        with pytest.raises(PredictorClosed):
            call()
    with pytest.raises(ZeroDivisionError), Predictor(FOUR_BLOBS, "cpu") as predictor:
        1 / 0  # noqa: B018
    assert predictor.closed


def test_calls_in_flight_end_and_later_ones_are_refused() -> None:
    predictor = Predictor(FOUR_BLOBS, "cpu")
    expected = answers(predictor)
    numbers = itertools.count()

    def answer_for_ever() -> None:
        for name, call in itertools.cycle(CALLS.items()):
            assert call(predictor) == expected[name]

    def work() -> None:
        if not next(numbers):
            answers(predictor)
            predictor.close()
            with pytest.raises(PredictorClosed):
                predictor.predict_one(ROWS[0])
            return
        with pytest.raises(PredictorClosed):
            answer_for_ever()

    for _ in range(5):
        predictor, numbers = Predictor(FOUR_BLOBS, "cpu"), itertools.count()
        in_threads(work, 4)
