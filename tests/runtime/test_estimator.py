"""What a predictor is without scikit-learn; `test_estimator_sklearn` is what scikit-learn makes of it."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from paths import MODELS
from tables import ROWS, named

from edge_runtime import CannotFit, EdgePredictError, InvalidInput, NoFeatures, NoProbabilities, NoSignature, Predictor


@pytest.fixture(scope="module")
def blobs() -> Predictor:
    return Predictor(MODELS / "four_blobs.onnx", device="cpu")


def test_features(penguins: Predictor, mass: Predictor) -> None:
    assert penguins.n_features_in_ == 5
    assert penguins.feature_names_in_.tolist() == ["island", "bill", "mass", "ringed", "year"]
    assert penguins.feature_names_in_.dtype == object
    assert mass.n_features_in_ == 2


def test_what_a_model_does_not_have(mass: Predictor) -> None:
    images = Predictor(MODELS / "images.onnx", device="cpu")
    foreign = Predictor(MODELS / "tensors.onnx", device="cpu")
    for predictor, name, error in (
        (mass, "classes_", NoProbabilities),
        (images, "n_features_in_", NoFeatures),
        (images, "feature_names_in_", NoFeatures),
        (foreign, "classes_", NoSignature),
        (foreign, "n_features_in_", NoSignature),
        (foreign, "required_signature", NoSignature),
    ):
        assert not hasattr(predictor, name)
        with pytest.raises(error):
            getattr(predictor, name)
        with pytest.raises(TypeError):
            getattr(predictor, name)
    assert images.classes_.tolist() == ["cat", "dog", "fox"]


def test_accuracy(penguins: Predictor, blobs: Predictor) -> None:
    right: Any = penguins.predict(ROWS)
    wrong = ["Gentoo" if label != "Gentoo" else "Adelie" for label in right]
    rows = list(map(named, ROWS))
    assert penguins.score(rows, right) == 1
    assert penguins.score(rows, wrong) == 0
    half: Any = [*right[:2], *wrong[2:]]
    for y in (half, np.array(half), np.array(half, object), tuple(half)):
        assert penguins.score(rows, y) == 0.5
        assert penguins.score(rows, y, sample_weight=[1, 2, 0, 3]) == 0.5
        assert penguins.score(rows, y, [3, 0, 1, 0]) == 0.75
    assert blobs.score([[-1, 1], [1, 1]], [True, 1]) == 0.5
    assert type(blobs.score([-1, 1], [1])) is float


def test_determination(mass: Predictor) -> None:
    rows = [[40, 20], [50, 18], [45, 19.5]]
    y = np.array([3000, 4100, 3600])
    predicted = mass.predict(rows).astype(float)
    expected = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert mass.score(rows, y) == pytest.approx(expected)
    assert mass.score(rows, predicted) == 1
    assert mass.score(rows[:1], predicted[:1]) == 1
    assert mass.score(rows[:1], [1]) == 0


def test_a_column_is_scored_as_its_values(blobs: Predictor) -> None:
    rows = [[-1, 1], [1, 1], [2, 2]]
    assert blobs.score(rows, [[1], [0], [1]]) == blobs.score(rows, [1, 0, 1])
    assert blobs.score(rows, [1, 0, 1], [[1], [1], [3]]) == blobs.score(rows, [1, 0, 1], [1, 1, 3])


@pytest.mark.parametrize(
    ("y", "weights", "message"),
    [
        ([1], None, r"y must have one value for each of 2 rows, found shape \[1\]"),
        ([[1, 0], [0, 1]], None, r"found shape \[2, 2\]"),
        (None, None, "^y: not an array: found NoneType$"),
        (object(), None, "^y: not an array: found object$"),
        ([[1], [1, 0]], None, "y: all must have the same length"),
        ([1, 0], [1, [2]], "sample_weight: not an array"),
        (["1", "0"], None, "^y: '1' cannot be a label; the labels are such as 1$"),
        ([1, 0], [1], "sample_weight must have one value"),
        ([1, 0], [0, 0], "y or sample_weight: "),
        ([1, 0], ["a", "b"], "y or sample_weight: "),
    ],
)
def test_scores_of_what_cannot_be_compared(blobs: Predictor, y: Any, weights: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        blobs.score([[-1, 1], [1, 1]], y, weights)


def test_more_scores_that_are_refused(mass: Predictor, penguins: Predictor, blobs: Predictor) -> None:
    with pytest.raises(InvalidInput, match="y or sample_weight: could not convert string"):
        mass.score([[40, 20]], ["a"])
    with pytest.raises(InvalidInput, match=r"^y: 1 cannot be a label; the labels are such as '"):
        penguins.score(ROWS[:1], [1])
    with pytest.raises(InvalidInput, match="no rows to score"):
        blobs.score([], [])
    with pytest.raises(NoSignature):
        Predictor(MODELS / "tensors.onnx", device="cpu").score([], [])


def test_nothing_can_be_fitted_or_set(blobs: Predictor) -> None:
    assert blobs.get_params() == blobs.get_params(deep=False) == {}
    assert blobs.set_params() is blobs
    with pytest.raises(InvalidInput, match="no parameter threads"):
        blobs.set_params(threads=1)
    with pytest.raises(CannotFit, match="FrozenEstimator"):
        blobs.fit([[1, 2]], [1])
    assert issubclass(CannotFit, TypeError | EdgePredictError)


def test_scikit_learn_is_not_imported() -> None:
    code = (
        "import sys; from edge_runtime import Predictor; p = Predictor(sys.argv[1], 'cpu');"
        "p.score([[1, 2]], [1]); p.n_features_in_; repr(p); dir(p); sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(MODELS / "four_blobs.onnx")], check=True)
