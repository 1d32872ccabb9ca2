"""The measures, against their definitions."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from edge_runtime import Feature, Input, Signature
from edge_train import Network, measure
from edge_train.dataset import Part
from edge_train.metrics import as_text, expected_calibration_error


class Given(Network):
    """Gives what stands in its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def measured(found: Any, true: Any, labels: tuple[Any, ...], task: Any, threshold: float = 0.5) -> dict[str, Any]:
    x = np.array(found, np.float32)
    features = tuple(Feature(str(place)) for place in range(x.shape[1]))
    network = Given(Signature((Input("x", features),), "y", labels, task, threshold))
    return measure(network, Part({"x": x}, np.array(true)))


def test_two_classes() -> None:
    found = measured([[0.9], [0.8], [0.3], [0.5], [0.1]], [1.0, 0.0, 1.0, 0.0, 0.0], (0, 1), "binary_classification")
    assert found["confusion_matrix"] == [[2, 1], [1, 1]]
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Of the six pairs of a row of each class, four are in the right order.
    assert found["roc_auc"] == pytest.approx(4 / 6)
    logs = np.log([0.9, 1 - 0.8, 0.3, 1 - 0.5, 1 - 0.1])
    assert found["log_loss"] == pytest.approx(-logs.mean(), rel=1e-5)

    # The rows right by 0.9 and 0.9; wrong by 0.8, 0.7; right by 0.5: bins of a fifteenth.
    assert found["ece"] == pytest.approx((0.1 * 2 + 0.8 + 0.7 + 0.5) / 5)
    assert (found["f1"], found["threshold"]) == (0.5, 0.5)
    assert "balanced_accuracy_at_0.5" not in found


def test_another_threshold() -> None:
    given = [[0.9], [0.8], [0.3], [0.5], [0.1]], [1.0, 0.0, 1.0, 0.0, 0.0], (0, 1), "binary_classification"
    half, found = measured(*given), measured(*given, threshold=0.2)
    assert found["confusion_matrix"] == [[1, 2], [0, 2]]
    assert found["f1"] == pytest.approx(2 * 2 / (2 * 2 + 2))
    assert found["threshold"] == 0.2
    assert found["balanced_accuracy"] == pytest.approx((1 / 3 + 1) / 2)
    assert found["balanced_accuracy_at_0.5"] == half["balanced_accuracy"]
    # Neither depends on the labels.
    for name in ("roc_auc", "log_loss", "ece"):
        assert found[name] == half[name]


def test_f1_is_that_of_the_rarer_class() -> None:
    found = measured([[0.9], [0.8], [0.7], [0.2], [0.9]], [1.0, 1.0, 1.0, 0.0, 0.0], (0, 1), "binary_classification")
    assert found["f1"] == pytest.approx(2 / (1 + 2))
    none = measured([[0.9], [0.8], [0.7]], [1.0, 1.0, 0.0], (0, 1), "binary_classification")
    assert none["f1"] == 0


def test_the_expected_calibration_error_is_that_of_each_bin() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), 500)
    places = random.integers(0, 4, 500)
    confidence, is_right = probabilities.max(1), probabilities.argmax(1) == places
    expected = 0.0
    for lower in np.arange(15) / 15:
        rows = (confidence > lower) & (confidence <= lower + 1 / 15)
        if rows.any():
            expected += rows.mean() * abs(confidence[rows].mean() - is_right[rows].mean())
    assert expected_calibration_error(probabilities, places) == pytest.approx(expected)
    assert expected_calibration_error(np.eye(4)[places], places) == 0
    assert expected_calibration_error(np.eye(4)[places], (places + 1) % 4) == 1


def test_several_classes() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 60)
    true = np.array([random.choice(3, p=row) for row in probabilities])
    found = measured(probabilities, true, ("a", "b", "c"), "multiclass_classification")
    predicted = probabilities.argmax(1)
    assert found["accuracy"] == pytest.approx((predicted == true).mean())
    recalls = [(predicted[true == one] == one).mean() for one in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert found["log_loss"] == pytest.approx(-np.log(probabilities[np.arange(60), true]).mean(), rel=1e-4)
    areas = []
    for one in range(3):
        pairs = probabilities[true == one, one][:, None] - probabilities[true != one, one][None]
        areas.append((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert found["roc_auc"] == pytest.approx(np.mean(areas), rel=1e-5)
    assert found["confusion_matrix"][1][2] == ((true == 1) & (predicted == 2)).sum()


def test_values() -> None:
    true, found = np.array([1, 2, 3, 6], np.float32), [[1.5], [2], [2], [8]]
    measures = measured(found, true, (), "regression")
    assert measures["mae"] == pytest.approx((0.5 + 0 + 1 + 2) / 4)
    assert measures["rmse"] == pytest.approx(np.sqrt((0.25 + 1 + 4) / 4))
    assert measures["r2"] == pytest.approx(1 - 5.25 / ((true - 3) ** 2).sum())
    assert measured([[1.5]], true[:1], (), "regression")["r2"] is None
    assert measured([[1], [2]], true[:2], (), "regression")["r2"] == 1


def test_more_rows_than_a_block() -> None:
    found = measured(np.full((40_000, 1), 0.7), np.arange(40_000) % 4 > 0, (0, 1), "binary_classification")
    assert found["accuracy"] == 0.75
    assert torch.is_grad_enabled()


def test_as_text() -> None:
    found = measured([[0.9], [0.2], [0.3]], [1.0, 0.0, 1.0], ("no", "yes please"), "binary_classification")
    assert as_text(found, ("no", "yes please")).splitlines()[-3:] == [
        "true \\ predicted  no  yes please",
        "no                 1           0",
        "yes please         1           1",
    ]
    assert "predicted" not in as_text(found, tuple(range(13)))
    twelve = {"confusion_matrix": [[1] * 12] * 12}
    assert len(as_text(twelve, tuple(range(12))).splitlines()) == 13
    assert as_text(found, ("no", "yes please")).splitlines()[:2] == [
        "accuracy           0.6667",
        "balanced accuracy  0.75",
    ]


def test_as_text_of_values() -> None:
    assert as_text({"mae": 1.23456, "rmse": 2.0, "r2": None}, ()) == "mae   1.235\nrmse  2"


def test_labels_control_no_terminal() -> None:
    found = measured([[0.9], [0.2], [0.3]], [1.0, 0.0, 1.0], ("a\x1b[31m", "b"), "binary_classification")
    text = as_text(found, ("a\x1b[31m", "b"))
    assert "\x1b" not in text
    assert "a\\x1b[31m" in text
