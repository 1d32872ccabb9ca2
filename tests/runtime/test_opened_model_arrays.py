"""Arrays of the declared types, which `run` hands on without looking further, and what is almost like them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from paths import FOUR_BLOBS, MODELS

from edge_runtime import EdgePredictError, InvalidInput, Predictor, opened_model


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(FOUR_BLOBS, device="cpu")


def rows(dtype: Any = np.float32) -> npt.NDArray[Any]:
    return np.random.default_rng(0).normal(size=(6, 2)).astype(dtype)


class Own(np.ndarray[Any, Any]):
    """An array of a library's own class."""


def refused(value: object, spec: object) -> object:
    raise AssertionError(f"{spec} was converted")


def test_they_are_not_converted(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened_model, "as_input", refused)
    assert predictor.run({"x": rows()})["probability"].shape == (6, 1)
    with pytest.raises(InvalidInput, match="was converted"):
        predictor.run({"x": rows(np.float64)})


@pytest.mark.parametrize(
    "like",
    [
        np.asfortranarray(rows()),
        np.repeat(rows(), 2, axis=0)[::2],
        np.repeat(rows(), 2, axis=1)[:, ::2],
        rows()[::-1][::-1],
        rows().view(Own),
        rows().astype(">f4"),
        rows().astype(np.float64),
        rows().tolist(),
        np.frombuffer(rows().tobytes(), np.float32).reshape(6, 2),
    ],
    ids=[
        "columns",
        "every second row",
        "every second column",
        "reversed",
        "class",
        "order",
        "float64",
        "list",
        "fixed",
    ],
)
def test_what_is_almost_like_them_gives_the_same(predictor: Predictor, like: Any) -> None:
    expected = predictor.run({"x": rows()})["probability"]
    np.testing.assert_array_equal(predictor.run({"x": like})["probability"], expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": np.zeros((6, 3), np.float32)}, "the model takes x: float32 .batch, 2., found shape .6, 3."),
        ({"x": np.zeros(2, np.float32)}, "found shape .2."),
        ({"x": np.float32(1)}, "found shape .."),
        ({"x": np.zeros((), np.float32)}, "found shape .."),
        ({"x": np.zeros((1, 2, 2), np.float32)}, "found shape .1, 2, 2."),
        ({"y": rows()}, "missing x, unknown y"),
        ({"x": rows(), "y": rows()}, "unknown y"),
        ({}, "missing x"),
    ],
)
def test_what_does_not_fit_is_told_as_always(predictor: Predictor, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        predictor.run(given)


def test_several_inputs_with_different_numbers_of_rows() -> None:
    predictor = Predictor(MODELS / "two_inputs.onnx", device="cpu")
    two, three = np.ones((2, 1), np.float32), np.ones((3, 1), np.float32)
    assert predictor.run({"a": two, "b": two})
    with pytest.raises(EdgePredictError):
        predictor.run({"a": two, "b": three})
