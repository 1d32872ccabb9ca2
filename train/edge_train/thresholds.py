"""Which threshold suits a goal, found from a network's answers to rows that it has not learned from.

Decisions between two classes follow from calibrated probabilities: the threshold that costs least depends on the costs
alone (Elkan, The Foundations of Cost-Sensitive Learning, 2001). A network that learned with class weights, or too much
of its rows, does not answer calibrated probabilities. So the answers are calibrated first, by a line through their
log-odds (Platt, Probabilistic Outputs for Support Vector Machines, 1999), and the threshold is carried back. A line
has two parameters, which few rows of the rare class can tell; the threshold that is best on the rows themselves changes
with each of them.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]
Places = npt.NDArray[np.integer | np.bool_]

# Logarithms of the odds stay finite, and a threshold is a number that float32 tells from 0 and 1.
_LOWEST = 1e-6
# Of Newton's method: a penalty of other lines than the one that changes nothing, and when it ends.
_PENALTY, _MOST_STEPS, _STILL = 1e-4, 100, 1e-9
# Of a warning: the rare class is predicted less than this fraction as often as it occurs, and another threshold gives
# so much more balanced accuracy.
_SELDOM, _GAIN = 0.5, 0.05


def cost_threshold(found: Probabilities, places: Places, first_taken: float, second_taken: float) -> float:
    """The threshold whose mistakes cost least.

    Args:
        found: the probability of the second class, shape (rows,).
        places: 1 for rows of the second class, 0 for rows of the first, shape (rows,).
        first_taken: what it costs to take a row of the first class for one of the second.
        second_taken: what it costs to take a row of the second class for one of the first.

    Returns:
        A number above 0 and below 1: predict the second class if its probability is above it.
    """
    return _Calibration.of(found, places).uncalibrated(first_taken / (first_taken + second_taken))


def balanced_threshold(found: Probabilities, places: Places) -> float:
    """The threshold of the highest balanced accuracy, the mean of both classes' recalls; as `cost_threshold`.

    A mistake costs the more, the rarer its class: the threshold of the calibrated probability is how often the second
    class occurs.
    """
    return _Calibration.of(found, places).uncalibrated(float(places.mean()))


def f1_threshold(found: Probabilities, places: Places) -> float:
    """The threshold of the highest F1 score of the rarer class; as `cost_threshold`.

    The threshold of the calibrated probability is half of the highest F1 score that is expected at any (Lipton, Elkan
    and Narayanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure, 2014).
    """
    calibration = _Calibration.of(found, places)
    likely, is_second_rare = calibration.calibrated(found), places.mean() <= 0.5
    likely = np.sort(likely if is_second_rare else 1 - likely)[::-1]
    scores = 2 * np.cumsum(likely) / (np.arange(1, len(likely) + 1) + likely.sum())
    half = float(scores.max()) / 2
    return calibration.uncalibrated(half if is_second_rare else 1 - half)


@dataclass(frozen=True)
class Imbalance:
    """How a threshold treats the rarer of two classes, beside the one that balances them.

    Attributes:
        rare: the place of the rarer class among the labels.
        frequency: the fraction of the rows that are of it.
        predicted: the fraction of the rows that are predicted to be.
        balanced_accuracy: at the threshold.
        other: the threshold of `balanced_threshold`.
        predicted_then: the fraction that is predicted at that one.
        balanced_accuracy_then: at that one.
    """

    rare: int
    frequency: float
    predicted: float
    balanced_accuracy: float
    other: float
    predicted_then: float
    balanced_accuracy_then: float

    @property
    def matters(self) -> bool:
        """Whether the rare class is predicted far too seldom, and the other threshold is clearly better."""
        is_seldom = self.predicted < _SELDOM * self.frequency
        return is_seldom and self.balanced_accuracy_then - self.balanced_accuracy > _GAIN


def imbalance(found: Probabilities, places: Places, threshold: float) -> Imbalance:
    """How `threshold` treats the rarer class; both classes must have a row. See `cost_threshold` for the arguments."""
    rare = int(places.mean() < 0.5)
    other = balanced_threshold(found, places)
    is_rare = places == rare
    rates = []
    for one in (threshold, other):
        is_predicted = (found > one) == rare
        recalls = is_predicted[is_rare].mean(), (~is_predicted[~is_rare]).mean()
        rates.append((float(is_predicted.mean()), float(np.mean(recalls))))
    return Imbalance(rare, float(is_rare.mean()), *rates[0], other, *rates[1])


@dataclass(frozen=True)
class _Calibration:
    """A line from the log-odds of a network's answers to those of calibrated probabilities."""

    slope: float
    intercept: float

    @classmethod
    def of(cls, found: Probabilities, places: Places) -> "_Calibration":
        """Platt's, by Newton's method (Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs, 2007).

        One row more of each class moves the targets off 0 and 1, so that the slope is finite whatever the rows are. A
        penalty far below a row's weight decides where they leave the line open, as answers that are all the same do.
        """
        is_second = places == 1
        seconds, rows = int(is_second.sum()), len(places)
        target = np.where(is_second, (seconds + 1) / (seconds + 2), 1 / (rows - seconds + 2))
        columns = np.stack([_log_odds(found), np.ones(rows)], 1)
        start = line = np.array([1.0, 0.0])

        def loss(line: npt.NDArray[np.float64]) -> float:
            odds = columns @ line
            return float((np.logaddexp(0, odds) - target * odds).sum() + _PENALTY / 2 * ((line - start) ** 2).sum())

        for _ in range(_MOST_STEPS):
            likely = _probabilities(columns @ line)
            gradient = (likely - target) @ columns + _PENALTY * (line - start)
            curvature = (columns.T * (likely * (1 - likely))) @ columns + _PENALTY * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            while loss(line - step) > loss(line) and np.abs(step).max() > _STILL:
                step /= 2
            line = line - step
            if np.abs(step).max() <= _STILL:
                break
        # Answers in the wrong order tell nothing, and are left as they are.
        return cls(float(line[0]), float(line[1])) if line[0] > 0 else cls(*start.tolist())

    def calibrated(self, found: Probabilities) -> Probabilities:
        """The calibrated probabilities of answers, shape (rows,)."""
        return _probabilities(self.slope * _log_odds(found) + self.intercept)

    def uncalibrated(self, calibrated: float) -> float:
        """The answer whose calibrated probability this is, to three digits of its distance from 0 or 1."""
        odds = (_log_odds(np.array(calibrated)) - self.intercept) / self.slope
        answer = float(_probabilities(odds).clip(_LOWEST, 1 - _LOWEST))
        return round(answer, 2 - math.floor(math.log10(min(answer, 1 - answer))))


def _log_odds(probabilities: Probabilities) -> Probabilities:
    inside = probabilities.clip(_LOWEST, 1 - _LOWEST)
    return np.log(inside) - np.log1p(-inside)  # type: ignore[no-any-return]


def _probabilities(log_odds: Probabilities) -> Probabilities:
    return 0.5 + 0.5 * np.tanh(log_odds / 2)
