"""scikit-learn takes a predictor for a fitted estimator."""

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from paths import MODELS

from edge_runtime import CannotFit, NoSignature, Predictor

sklearn = pytest.importorskip("sklearn", "1.6")
pandas = pytest.importorskip("pandas")
pytest.importorskip("matplotlib").use("Agg")
pyplot = pytest.importorskip("matplotlib.pyplot")

from sklearn.base import clone, is_classifier, is_regressor  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay  # noqa: E402
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.frozen import FrozenEstimator  # noqa: E402
from sklearn.inspection import (  # noqa: E402
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.linear_model import LinearRegression, LogisticRegression  # noqa: E402
from sklearn.metrics import (  # noqa: E402
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    PredictionErrorDisplay,
    RocCurveDisplay,
    accuracy_score,
    get_scorer,
    log_loss,
    r2_score,
    roc_auc_score,
)
from sklearn.model_selection import (  # noqa: E402
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils import estimator_html_repr, get_tags  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

NAMES = {"binary": "four_blobs", "strings": "islands", "table": "penguins", "labels": "three_labels", "mass": "mass"}
CLASSIFIERS = ["binary", "strings", "table", "labels"]


LABELS, SORTED = b'"labels": ["right", "up", "left"]', b'"labels": ["left", "right", "up"]'


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def models() -> dict[str, Predictor]:
    contents = {name: (MODELS / f"{model}.onnx").read_bytes() for name, model in NAMES.items()}
    contents["labels"] = relabelled(contents["labels"], LABELS, SORTED)
    return {name: Predictor(content, device="cpu") for name, content in contents.items()}


def relabelled(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


@pytest.fixture(scope="module")
def data(models: dict[str, Predictor]) -> dict[str, tuple[Any, Any]]:
    """Rows and what is right for them: what the model answers, but for every fifth row another answer by chance."""
    rng = np.random.default_rng(0)
    islands, years = ["Biscoe", "Dream", "Torgersen", None], [2007, 2008, 2009, None]
    columns = {
        "island": rng.choice(np.array(islands, object), 300),
        "bill": np.where(rng.random(300) < 0.1, np.nan, rng.normal(44, 5, 300)),
        "mass": rng.normal(4200, 1500, 300),
        "ringed": rng.random(300) < 0.5,
        "year": rng.choice(np.array(years, object), 300),
    }
    table = pandas.DataFrame(columns)
    tables = {
        "binary": rng.normal(size=(300, 2)),
        "strings": table[["island", "year"]],
        "table": table,
        "labels": pandas.DataFrame(rng.normal(size=(300, 2)), columns=models["labels"].feature_names_in_),
        "mass": rng.normal((44, 17), 3, (300, 2)),
    }
    found = {}
    for name, rows in tables.items():
        y = models[name].predict(rows)
        y[::5] = rng.choice(models[name].classes_ if name in CLASSIFIERS else y, 60)
        found[name] = (rows, y)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_it_is(models: dict[str, Predictor], name: str) -> None:
    predictor = models[name]
    assert is_classifier(predictor) == (name != "mass")
    assert is_regressor(predictor) == (name == "mass")
    check_is_fitted(predictor)
    for copy in (clone(predictor), clone(FrozenEstimator(predictor)).estimator):
        assert copy is predictor
    tags = get_tags(predictor)
    assert tags.input_tags.string == (name in ("strings", "table"))
    assert tags.input_tags.allow_nan == (name in ("strings", "table", "mass"))
    if tags.classifier_tags is not None:
        assert tags.classifier_tags.multi_class == (name in ("table", "labels"))
    assert predictor.__class__.__name__ in estimator_html_repr(make_pipeline(FunctionTransformer(), predictor))


def test_images_are_taken_too() -> None:
    images = Predictor(MODELS / "images.onnx", device="cpu")
    assert is_classifier(images)
    check_is_fitted(images)
    assert not get_tags(images).input_tags.two_d_array
    batch = np.random.default_rng(0).random(
        (12, *(size if isinstance(size, int) else 8 for size in images.inputs[0].shape[1:]))
    )
    y = images.predict(batch)
    assert get_scorer("accuracy")(images, batch, y) == 1
    assert ConfusionMatrixDisplay.from_estimator(images, batch, y).confusion_matrix.sum() == 12


def test_a_file_without_a_signature_is_not_fitted() -> None:
    foreign = Predictor(MODELS / "tensors.onnx", device="cpu")
    with pytest.raises(NoSignature):
        get_tags(foreign)
    with pytest.raises((NotFittedError, NoSignature)):
        check_is_fitted(foreign)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_scorers(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    probabilities = predictor.predict_proba(rows)
    assert predictor.score(rows, y) == pytest.approx(accuracy_score(y, predictor.predict(rows)))
    assert get_scorer("accuracy")(predictor, rows, y) == predictor.score(rows, y)
    assert get_scorer("neg_log_loss")(predictor, rows, y) == pytest.approx(-log_loss(y, probabilities))
    assert get_scorer("f1_macro")(predictor, rows, y) > 0.3
    if name in ("binary", "strings"):
        assert get_scorer("roc_auc")(predictor, rows, y) == pytest.approx(roc_auc_score(y, probabilities[:, 1]))
    else:
        expected = roc_auc_score(y, probabilities.astype(float), multi_class="ovr")
        assert get_scorer("roc_auc_ovr")(predictor, rows, y) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_cross_validation(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    frozen = FrozenEstimator(predictor)
    scores = cross_val_score(frozen, rows, y, cv=3)
    assert np.average(scores) == pytest.approx(predictor.score(rows, y), abs=0.1)
    np.testing.assert_array_equal(cross_val_predict(frozen, rows, y, cv=3), predictor.predict(rows))
    assert learning_curve(frozen, rows, y, train_sizes=[0.5, 1.0], cv=2)[2].shape == (2, 2)
    records = rows.to_dict("records") if hasattr(rows, "to_dict") else rows.tolist()
    np.testing.assert_array_equal(cross_val_score(frozen, records, y, cv=3), scores)
    with pytest.raises(CannotFit, match="FrozenEstimator"):
        cross_val_score(predictor, rows, y, error_score="raise")


@pytest.mark.parametrize("name", NAMES)
def test_inspection(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    importances = permutation_importance(predictor, rows, y, n_repeats=2, random_state=0).importances_mean
    assert importances.shape == (predictor.n_features_in_,)
    assert importances.max() > 0.1
    feature, categorical = (["island"], ["island"]) if name in ("strings", "table") else ([0], None)
    if categorical:
        rows = rows.dropna()
    found = partial_dependence(predictor, rows, feature, categorical_features=categorical, grid_resolution=5)
    assert found["average"].shape[1:] == (3 if categorical else 5,)
    options = {"target": predictor.classes_[-1]} if name in ("table", "labels") else {}
    PartialDependenceDisplay.from_estimator(predictor, rows, feature, categorical_features=categorical, **options)
    if name in ("binary", "mass"):
        DecisionBoundaryDisplay.from_estimator(predictor, rows, grid_resolution=10)
    if name == "labels":
        DecisionBoundaryDisplay.from_estimator(
            predictor, rows, grid_resolution=10, class_of_interest=predictor.classes_[0]
        )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_displays(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    shown = ConfusionMatrixDisplay.from_estimator(predictor, rows, y)
    assert list(shown.display_labels) == predictor.classes_.tolist()
    assert np.trace(shown.confusion_matrix) == round(predictor.score(rows, y) * 300)
    if name in ("binary", "strings"):
        shown = RocCurveDisplay.from_estimator(predictor, rows, y)
        assert shown.roc_auc == pytest.approx(get_scorer("roc_auc")(predictor, rows, y))
        for display in (CalibrationDisplay, DetCurveDisplay, PrecisionRecallDisplay):
            display.from_estimator(predictor, rows, y)


def test_a_regression(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]]) -> None:
    predictor, (rows, y) = models["mass"], data["mass"]
    weights = np.arange(1.0, 301)
    assert predictor.score(rows, y) == pytest.approx(r2_score(y, predictor.predict(rows)))
    assert predictor.score(rows, y, weights) == pytest.approx(
        r2_score(y, predictor.predict(rows), sample_weight=weights)
    )
    assert get_scorer("r2")(predictor, rows, y) == pytest.approx(predictor.score(rows, y))
    assert get_scorer("neg_mean_absolute_error")(predictor, rows, y) < 0
    PredictionErrorDisplay.from_estimator(predictor, rows, y)
    members = [("one", FrozenEstimator(predictor)), ("two", LinearRegression())]
    assert VotingRegressor(members).fit(rows, y).score(rows, y) > 0.5
    assert StackingRegressor([("one", predictor)], LinearRegression(), cv="prefit").fit(rows, y).score(rows, y) > 0.5


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_ensembles(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    frozen = FrozenEstimator(predictor)
    for method in ("sigmoid", "isotonic"):
        calibrated = CalibratedClassifierCV(frozen, method=method).fit(rows, y)
        assert calibrated.classes_.tolist() == predictor.classes_.tolist()
        assert calibrated.score(rows, y) > 0.6
        np.testing.assert_allclose(calibrated.predict_proba(rows).sum(axis=1), 1, rtol=1e-6)
    voted = VotingClassifier([("one", frozen), ("two", frozen)], voting="soft").fit(rows, y)
    np.testing.assert_array_equal(voted.predict(rows), predictor.predict(rows))
    np.testing.assert_allclose(voted.predict_proba(rows), predictor.predict_proba(rows), rtol=1e-6)
    stacked = StackingClassifier([("one", predictor)], LogisticRegression(), cv="prefit").fit(rows, y)
    assert stacked.score(rows, y) > 0.6
    pipeline = make_pipeline(FunctionTransformer(), predictor)
    check_is_fitted(pipeline)
    np.testing.assert_array_equal(pipeline.predict_proba(rows), predictor.predict_proba(rows))
    assert pipeline.score(rows, y) == predictor.score(rows, y)
    assert clone(make_pipeline(frozen))[0].estimator is predictor
    assert type(pickle.loads(pickle.dumps(pipeline))[-1]) is Predictor


@pytest.mark.parametrize("name", ["binary", "strings"])
def test_thresholds(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]], name: str) -> None:
    predictor, (rows, y) = models[name], data[name]
    label = predictor.classes_[1]
    fixed = FixedThresholdClassifier(FrozenEstimator(predictor), threshold=0.9, pos_label=label).fit(rows, y)
    assert 0 < (fixed.predict(rows) == label).sum() < (predictor.predict(rows) == label).sum()
    tuned = TunedThresholdClassifierCV(FrozenEstimator(predictor), cv="prefit", refit=False).fit(rows, y)
    assert tuned.score(rows, y) > 0.6


def test_labels_that_are_not_sorted() -> None:
    """scikit-learn gives wrong numbers for them, in silence."""
    unsorted = Predictor(MODELS / "three_labels.onnx", device="cpu")
    with pytest.warns(UserWarning, match=r"takes labels to be sorted.*argsort\(predictor.classes_\)"):
        assert is_classifier(unsorted)
    rows = np.random.default_rng(0).normal(size=(50, 2))
    y = unsorted.predict(rows)
    with warnings.catch_warnings(action="ignore"):
        assert ConfusionMatrixDisplay.from_estimator(unsorted, rows, y).confusion_matrix.shape == (3, 3)
    order = np.argsort(unsorted.classes_)
    assert log_loss(y, unsorted.predict_proba(rows)[:, order]) < log_loss(y, unsorted.predict_proba(rows))


@pytest.mark.slow
def test_in_other_processes(models: dict[str, Predictor], data: dict[str, tuple[Any, Any]]) -> None:
    rows, y = data["table"]
    one = cross_val_score(FrozenEstimator(models["table"]), rows, y, cv=2)
    np.testing.assert_array_equal(cross_val_score(FrozenEstimator(models["table"]), rows, y, cv=2, n_jobs=2), one)
