"""Labels for tensors: images, and lists of words with a mask."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from paths import MODELS
from tensor_models import IMAGE, image_probabilities, word_probabilities

from edge_runtime import EdgePredictError, InvalidInput, NoFeatures, Prediction, Predictor

images = hnp.arrays(np.float32, st.integers(1, 5).map(lambda rows: (rows, *IMAGE)), elements=st.floats(-2, 2, width=32))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODELS / "images.onnx", device="cpu")


@pytest.fixture(scope="module")
def words() -> Predictor:
    return Predictor(MODELS / "words.onnx", device="cpu")


@given(images)
def test_images(predictor: Predictor, batch: Any) -> None:
    expected = image_probabilities(batch)
    found = predictor.predict_proba(batch)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(predictor.predict_proba({"image": batch}), found)
    np.testing.assert_array_equal(predictor.predict_proba(list(batch)), found)
    labels = predictor.predict(batch)
    assert labels.tolist() == predictor.classes_[found.argmax(axis=1)].tolist()
    one = predictor.predict_one(batch[0])
    assert isinstance(one, Prediction)
    assert one.label == labels[0]
    assert one.probability == pytest.approx(found[0].max(), abs=1e-6)
    assert predictor.predict_one(batch[:1]) == one


@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_words(words: Predictor, data: st.DataObject, rows: int, length: int) -> None:
    ids = data.draw(hnp.arrays(np.int64, (rows, length), elements=st.integers(0, 99)))
    mask = data.draw(hnp.arrays(np.bool_, (rows, length)))
    mask[:, 0] = True
    found = words.predict_proba({"ids": ids, "mask": mask})
    np.testing.assert_allclose(found, word_probabilities(ids, mask), atol=1e-6)
    assert words.predict({"ids": ids, "mask": mask}).tolist() == [
        "witty" if positive > 0.5 else "dull" for positive in found[:, 1]
    ]
    assert words.predict_one({"ids": ids[0], "mask": mask[0]}).probability == pytest.approx(found[0].max(), abs=1e-6)


def test_no_images(predictor: Predictor) -> None:
    assert predictor.predict(np.zeros((0, *IMAGE))).shape == (0,)
    assert predictor.predict_proba(np.zeros((0, *IMAGE))).shape == (0, 3)


def test_an_image_with_nan(predictor: Predictor) -> None:
    assert predictor.predict(np.full((1, *IMAGE), np.nan)).tolist() == ["cat"]
    assert predictor.predict_one(np.full(IMAGE, np.nan)) == ("cat", pytest.approx(np.nan, nan_ok=True))


@pytest.mark.parametrize("wrong", [np.zeros(24), np.zeros((2, 3, 5)), np.zeros((1, 2, 3, 4), complex), "cat", None])
def test_what_is_not_an_image(predictor: Predictor, wrong: Any) -> None:
    for method in (predictor.predict, predictor.predict_proba, predictor.predict_one):
        with pytest.raises(InvalidInput, match="image"):
            method(wrong)


def test_predict_one_takes_one(predictor: Predictor) -> None:
    with pytest.raises(InvalidInput, match="predict_one takes one row, found 2"):
        predictor.predict_one(np.zeros((2, *IMAGE)))


def test_nothing_is_known_of_the_training_data(predictor: Predictor) -> None:
    with pytest.raises(NoFeatures, match=r"takes image: float32 \[batch, 2, 3, 4\], which has no named features"):
        predictor.unseen(np.zeros(IMAGE))
    assert issubclass(NoFeatures, EdgePredictError)
    assert issubclass(NoFeatures, TypeError)


def test_in_another_process(predictor: Predictor) -> None:
    again = pickle.loads(pickle.dumps(predictor))
    batch = np.ones((2, *IMAGE))
    np.testing.assert_array_equal(again.predict(batch), predictor.predict(batch))
