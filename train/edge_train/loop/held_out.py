"""What the members of a network say of the rows that they held out, and what it tells of the probabilities."""

import copy
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from edge_train.dataset import Part
from edge_train.loop.division import Division
from edge_train.networks.answers import answers, scaled_answers
from edge_train.networks.base import Network
from edge_train.networks.members import MemberLinear, members_of
from edge_train.networks.table_net import TableNet

# With fewer rows, what chance makes of them would be taken for the temperature.
_FEWEST_ROWS = 20
# Intervals that hold so many of the rows must be narrower by so much on average, for a second output to be worth it.
_COVERAGE, _NARROWER = 0.9, 0.97
# However much the members differ, the mean of their answers is not taken for better than this.
_LEAST_FACTOR = 0.5
# Variances between members are clipped at this quantile of them: a row that is unlike all others would make all
# intervals narrow.
_TYPICAL = 0.95
# A mean error of more than so many of its standard errors, on at least so many rows, is not taken for chance.
_CHANCE, _FEWEST_ERRORS = 3.0, 100
# Log-odds are multiplied by a factor between these, whose logarithms are searched, and are of this standard deviation
# before any row is seen: if all of a few rows are right, there would be no end to how sure the network is made.
_LEAST, _MOST, _DEVIATION = -2.0, 2.0, 0.5
# The smallest probability that is taken for one.
_TINY = 1e-30


@dataclass(frozen=True)
class HeldOut:
    """Answers to rows by members that did not learn from them.

    Attributes:
        answers: as `answers` returns them: probabilities of shape (rows, classes), or values of shape (rows,).
        target: shape (rows,), as `Part.target`.
        scale: how large the errors are likely to be, shape (rows,); None if the members do not say it.
        averaged: how many members' answers were averaged, the harmonic mean over the rows.
        factor: how many times as large the errors of the network's values are, the mean of all members.
    """

    answers: npt.NDArray[np.float64]
    target: npt.NDArray[Any]
    scale: npt.NDArray[np.float64] | None = None
    averaged: float = 1.0
    factor: float = 1.0

    def __repr__(self) -> str:
        return f"HeldOut({len(self.target):,} rows)"


@dataclass(frozen=True)
class Trained:
    """A trained network, and what it says of rows that it did not learn from.

    Attributes:
        network: in evaluation mode on the CPU, with its signature.
        held_out: the answers of its members to the rows that they held out; None if they held out none.
        sharpness: the factor by which the log-odds were multiplied to calibrate the probabilities, one over the
            temperature; None without rows that were held out, or classes.
        ensemble: the network of several members that `network` was distilled from, and whose members held out rows;
            None if it was not distilled.
    """

    network: Network
    held_out: HeldOut | None = None
    sharpness: float | None = None
    ensemble: Network | None = None


def results(network: Network, division: Division, balanced: bool, test: Part | None) -> tuple[Trained, Trained]:
    """The network that is to be measured on the test rows, and the one that is to be used; the same if there is one.

    Args:
        network: with all members, trained, in evaluation mode on the CPU.
        division: of the rows that they learned from.
        balanced: see `calibrated`.
        test: the test rows, whose targets are not looked at; None if there are none.
    """
    found = []
    for members, count in division.groups:
        one = network if len(division.groups) == 1 else copy.deepcopy(members_of(network, members))
        found.append(calibrated(one, division.rows, division.learned[:count, members], balanced))
    if not scale_narrows(found[0].held_out):
        found = [_without_scale(one) for one in found]
    if (known := found[0].held_out) is not None and not network.signature.labels and test is not None:
        factor = averaging_factor(found[0].network, known, test)
        found = [_with(one, factor=factor) for one in found]
    measured, final = found[0], found[-1]
    if final is not measured and isinstance(measured.network, TableNet):
        measured.network.forget_unseen()
        final.network.data_sha256 = division.rows.sha256
    return measured, final


def calibrated(network: Network, rows: Part, learned: npt.NDArray[np.bool_], balanced: bool) -> Trained:
    """A trained network that is as right as can be for the rows that its members held out: unbiased, or calibrated.

    Args:
        network: in evaluation mode on the CPU; its last layers are changed.
        rows: those that its members learned from, or held out.
        learned: which member learned from which of them, the first ones, shape (rows, members).
        balanced: whether all classes count the same, however many rows they have.
    """
    if learned.all() or not isinstance(network, TableNet):
        return Trained(network)
    places = np.flatnonzero(~learned.all(1))
    shape = (len(learned), len(network.signature.labels)) if network.signature.labels else len(learned)
    sums, scales = np.zeros(shape), np.zeros(len(learned))
    for member, own in enumerate(~learned.T):
        if own.any():
            alone, part = network.subset(slice(member, member + 1)), rows.taken(np.flatnonzero(own))
            found, scale = scaled_answers(alone, part)
            if network.target is not None:
                shift = -bias(found - part.target)
                last = cast(MemberLinear, network.layers[-1])
                with torch.no_grad():
                    last.bias[member] += shift / network.target[1]
                found = found + shift
            sums[own] += found
            scales[own] += 0.0 if scale is None else scale
    # Where several members left a row out, the answer is their mean.
    counts = (~learned[places]).sum(1)
    means = (sums[places].T / counts).T
    if not network.signature.labels:
        scale = None if network.scale is None else scales[places] / counts
        return Trained(network, HeldOut(means, rows.target[places], scale, 1 / float((1 / counts).mean())))
    held_out = HeldOut(means, rows.target[places])
    factor = sharpness(held_out, balanced)
    network.sharpen(factor)
    return Trained(network, replace(held_out, answers=sharpened(held_out.answers, factor)), factor)


def scale_narrows(known: HeldOut | None) -> bool:
    """Whether intervals in proportion to the scale are clearly narrower on average than those of one width."""
    if known is None or known.scale is None or len(known.target) < _FEWEST_ROWS:
        return False
    distances = np.abs(known.target.astype(np.float64) - known.answers)
    scaled = np.quantile(distances / known.scale, _COVERAGE) * known.scale.mean()
    return bool(scaled < _NARROWER * np.quantile(distances, _COVERAGE))


def averaging_factor(network: Network, known: HeldOut, rows: Part) -> float:
    """How many times as large the errors of all members' mean answer are as those of the answers to held-out rows.

    The square error of a mean of k answers is that of their limit plus their variance over k (Krogh and Vedelsby,
    Neural Network Ensembles, Cross Validation, and Active Learning, 1995). The variance is that between members on rows
    that none has learned from, whose targets have no part in it.

    Args:
        network: of values, with all members.
        known: what they answered to the rows that they held out.
        rows: that no member has learned from.
    """
    if not isinstance(network, TableNet) or network.members == 1:
        return 1.0
    members = [answers(network.subset(slice(place, place + 1)), rows) for place in range(network.members)]
    error = np.square(known.answers - known.target).mean()
    variance = np.var(members, axis=0, ddof=1)
    typical = variance.clip(max=np.quantile(variance, _TYPICAL, method="lower")).mean()
    less = typical * (1 / known.averaged - 1 / network.members)
    return float(np.sqrt(max(_LEAST_FACTOR**2, 1 - less / error))) if error > 0 else 1.0


def _without_scale(trained: Trained) -> Trained:
    if isinstance(trained.network, TableNet):
        trained.network.scale = None
    return _with(trained, scale=None)


def _with(trained: Trained, **changes: Any) -> Trained:
    """With changes to what its members say of the rows that they held out, if they held out any."""
    known = trained.held_out
    return trained if known is None else replace(trained, held_out=replace(known, **changes))


def bias(errors: npt.NDArray[np.float64]) -> float:
    """The mean of a member's errors on the rows that it held out; 0 if it may well be chance.

    Weights of an epoch, and the difference between training with dropout and answering without, leave one sometimes.
    """
    mean, rows = errors.mean(), len(errors)
    return float(mean) if rows >= _FEWEST_ERRORS and abs(mean) > _CHANCE * errors.std() / np.sqrt(rows) else 0.0


def sharpness(known: HeldOut, balanced: bool) -> float:
    """The likeliest factor of the log-odds of some answers, 1 if there are too few.

    It is one over the temperature of Guo et al., On Calibration of Modern Neural Networks (2017). With many rows it is
    the one of the smallest log loss; the fewer there are, the nearer it is to 1.

    Args:
        known: answers of classes.
        balanced: whether all classes count the same, however many rows they have.
    """
    places = known.target.astype(np.int64)
    if len(places) < _FEWEST_ROWS:
        return 1.0
    logarithms = np.log(known.answers.clip(_TINY))
    counts = np.bincount(places, minlength=logarithms.shape[1])
    weights = 1 / counts[places] if balanced else None

    def loss(exponent: float) -> float:
        true = log_softmax(np.exp(exponent) * logarithms, axis=1)[np.arange(len(places)), places]
        return -float(np.average(true, weights=weights)) + (exponent / _DEVIATION) ** 2 / (2 * len(places))

    return float(np.exp(minimize_scalar(loss, bounds=(_LEAST, _MOST), method="bounded").x))


def sharpened(probabilities: npt.NDArray[np.float64], factor: float) -> npt.NDArray[np.float64]:
    """Probabilities of shape (rows, classes) whose log-odds are multiplied by `factor`."""
    return np.exp(log_softmax(factor * np.log(probabilities.clip(_TINY)), axis=1))  # type: ignore[no-any-return]
