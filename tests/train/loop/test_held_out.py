"""Answers to rows that members held out, and the temperature that they tell."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from edge_runtime import Feature, Input, Signature
from edge_train import Dataset, NeuralNet, Part, Settings, TableNet, four_blobs, new_network, train
from edge_train.loop.folds import rows_learned
from edge_train.loop.held_out import HeldOut, averaging_factor, bias, calibrated, scale_narrows, sharpened, sharpness
from edge_train.networks.answers import answers, scaled_answers
from edge_train.networks.members import MemberLinear

Table = Callable[..., Dataset]


def drawn(classes: int, factor: float, rows: int = 20_000) -> HeldOut:
    """Probabilities whose log-odds should be `factor` times as large, and targets that were drawn accordingly."""
    random = np.random.default_rng(0)
    logarithms = random.normal(0, 1.5, (rows, classes)) + np.arange(classes) * 0.5
    true = softmax(factor * logarithms, axis=1).cumsum(1)
    target = (random.random((rows, 1)) > true[:, :-1]).sum(1)
    return HeldOut(softmax(logarithms, axis=1), target.astype(np.float32) if classes == 2 else target)


def log_loss(probabilities: Any, target: Any, weights: Any = None) -> float:
    places = target.astype(int)
    return float(np.average(-np.log(probabilities[np.arange(len(places)), places]), weights=weights))


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("classes", [2, 4])
def test_a_known_temperature_is_found(classes: int, factor: float) -> None:
    known = drawn(classes, factor)
    assert sharpness(known, balanced=False) == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize("balanced", [False, True])
def test_no_other_factor_has_a_smaller_loss(balanced: bool) -> None:
    known = drawn(3, 0.6, 500)
    places = known.target.astype(int)
    weights = 1 / np.bincount(places)[places] if balanced else np.ones(500)
    found = sharpness(known, balanced)
    best = log_loss(sharpened(known.answers, found), known.target, weights)
    for other in (found * 0.95, found * 1.05, 1.0):
        assert log_loss(sharpened(known.answers, other), known.target, weights) > best


def test_balanced_classes_count_the_same() -> None:
    """The rare class is rated too high, and the others are right: that tells more if it counts as much."""
    known = drawn(2, 1.0, 4000)
    rare = np.flatnonzero(known.target == 0)
    kept = np.concatenate([rare[:100], np.flatnonzero(known.target == 1)])
    some = HeldOut(known.answers[kept], known.target[kept])
    weights = 1 / np.bincount(some.target.astype(int))[some.target.astype(int)]
    repeated = np.repeat(np.arange(len(kept)), np.where(some.target == 0, round(weights[0] / weights[-1]), 1))
    even = HeldOut(some.answers[repeated], some.target[repeated])
    assert sharpness(some, balanced=True) == pytest.approx(sharpness(even, balanced=False), rel=0.02)
    assert sharpness(some, balanced=True) != pytest.approx(sharpness(some, balanced=False), rel=0.02)


def test_too_few_rows_tell_nothing() -> None:
    known = drawn(2, 2.5, 20)
    assert sharpness(known, balanced=False) != 1
    assert sharpness(HeldOut(known.answers[:19], known.target[:19]), balanced=False) == 1


@pytest.mark.parametrize("classes", [2, 5])
def test_a_few_rows_that_are_all_right_do_not_make_probabilities_extreme(classes: int) -> None:
    """Nothing but the bounds of the search stopped it, so that the next wrong answer cost all that had been won."""

    def found(rows: int) -> float:
        places = np.arange(rows) % classes
        return sharpness(HeldOut(np.where(np.eye(classes)[places] > 0, 0.9, 0.1 / (classes - 1)), places), False)

    assert 1.1 < found(20) < found(60) < found(200) < found(20_000)
    assert found(60) < 3 < found(20_000)


@pytest.mark.parametrize("balanced", [False, True])
def test_answers_that_are_sure_and_classes_that_are_missing_give_a_finite_factor(balanced: bool) -> None:
    answers_ = np.eye(3)[np.arange(40) % 2]
    for target in (np.arange(40) % 2, (np.arange(40) + 1) % 2):
        factor = sharpness(HeldOut(answers_, target), balanced)
        assert np.exp(-2) * 0.99 <= factor <= np.exp(2) * 1.01
        assert np.isfinite(sharpened(answers_, factor)).all()


def test_log_odds_are_multiplied() -> None:
    probabilities = drawn(4, 1.0, 50).answers
    found = np.log(sharpened(probabilities, 1.7))
    np.testing.assert_allclose(found, log_softmax(1.7 * np.log(probabilities), axis=1), rtol=1e-9)
    odds = np.log(probabilities[:, 1] / probabilities[:, 0])
    np.testing.assert_allclose(found[:, 1] - found[:, 0], 1.7 * odds, rtol=1e-9)
    np.testing.assert_allclose(sharpened(probabilities, 1.0), probabilities)


def network_of(data: Dataset, members: int = 3) -> TableNet:
    network = new_network(data, Settings((8,), members=members, validation=0.3)).eval()
    assert isinstance(network, TableNet)
    return network


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_answers_are_those_of_the_members_that_left_a_row_out(made_table: Table, task: str) -> None:
    data = made_table(200, task=task)
    network, classes = network_of(data), len(data.signature.labels)
    learned = rows_learned(data.train.target, classes, 3, 0.3, 0)
    alone = [answers(network.subset(slice(place, place + 1)), data.train) for place in range(3)]
    before = answers(network, data.train)
    trained = calibrated(network, data.train, learned, balanced=False)
    assert trained.network is network
    assert trained.held_out is not None
    held_out = np.flatnonzero(~learned.all(1))
    assert np.array_equal(trained.held_out.target, data.train.target[held_out])
    expected = np.stack([alone[np.flatnonzero(~learned[row])[0]][row] for row in held_out])
    if task == "regression":
        assert trained.sharpness is None
        np.testing.assert_allclose(trained.held_out.answers, expected, rtol=1e-5)
        np.testing.assert_array_equal(answers(network, data.train), before)
        return
    factor = sharpness(HeldOut(expected, trained.held_out.target), balanced=False)
    assert trained.sharpness == pytest.approx(factor, rel=1e-3)
    assert trained.sharpness != pytest.approx(1, abs=0.02)
    assert trained.sharpness is not None
    # Both the network and what is said of it are calibrated.
    np.testing.assert_allclose(trained.held_out.answers, sharpened(expected, trained.sharpness), atol=1e-5)
    np.testing.assert_allclose(answers(network, data.train), sharpened(before, trained.sharpness), atol=1e-5)


def test_rows_that_no_member_may_have_learned_from_are_not_asked_about(made_table: Table) -> None:
    """The rows may be more than `learned` tells of: the others are to be measured."""
    data = made_table(200)
    learned = np.ones((50, 3), np.bool_)
    learned[7, 1] = learned[9, 2] = False
    trained = calibrated(network_of(data), data.train, learned, balanced=False)
    assert trained.held_out is not None
    assert np.array_equal(trained.held_out.target, data.train.target[[7, 9]])
    # Two rows tell nothing.
    assert trained.sharpness == 1


def test_without_rows_that_are_held_out_nothing_is_known(made_table: Table) -> None:
    data = made_table(60)
    network = network_of(data)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trained = calibrated(network, data.train, np.ones((len(data.train), 3), np.bool_), balanced=False)
    assert (trained.network, trained.held_out, trained.sharpness) == (network, None, None)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_network_without_members_is_left_as_it_is() -> None:
    data = four_blobs(0)
    network = NeuralNet(2, 5).eval()
    trained = calibrated(network, data.train, np.zeros((80, 1), np.bool_), balanced=False)
    assert (trained.network, trained.held_out, trained.sharpness) == (network, None, None)


def test_in_one_line() -> None:
    part = Part({}, np.zeros(1234))
    assert repr(HeldOut(np.zeros((1234, 2)), part.target)) == "HeldOut(1,234 rows)"


def of_values(deviation: Any) -> HeldOut:
    """Errors of a known deviation, with that as their scale."""
    errors = np.random.default_rng(0).normal(size=2000) * deviation
    return HeldOut(np.zeros(2000), errors.astype(np.float32), np.broadcast_to(deviation, 2000))


def test_a_scale_that_narrows_intervals() -> None:
    assert scale_narrows(of_values(np.linspace(0.2, 5, 2000)))
    assert not scale_narrows(of_values(np.array(3.0)))
    wrong = of_values(np.linspace(0.2, 5, 2000))
    assert wrong.scale is not None
    assert not scale_narrows(replace(wrong, scale=wrong.scale[::-1]))
    assert not scale_narrows(HeldOut(wrong.answers[:10], wrong.target[:10], wrong.scale[:10]))
    assert not scale_narrows(None)


def uneven(is_uneven: bool) -> Dataset:
    """A regression whose errors grow with its second number, or are all of one size."""
    random = np.random.default_rng(0)
    x = random.uniform(0, 2, (1500, 2)).astype(np.float32)
    y = x[:, 0] + random.normal(size=1500) * (x[:, 1] ** 2 if is_uneven else 1.0)
    signature = Signature((Input("x", (Feature("a"), Feature("b"))),), "value", (), "regression")
    train, test = (Part({"x": x[rows]}, y[rows].astype(np.float32)) for rows in (slice(1200), slice(1200, 1500)))
    return Dataset(train, test, signature)


SCALED = Settings((16,), members=2, validation=0.5, optimizer="adamw", learning_rate=0.01, batch_size=64, epochs=25)


@pytest.mark.parametrize("all_rows", [False, True])
def test_a_regression_learns_how_large_its_errors_are(all_rows: bool) -> None:
    data = uneven(True)
    run = train(data, SCALED, all_rows=all_rows)
    assert data.test is not None
    for trained in (run.measured, run.final):
        _, scale = scaled_answers(trained.network, data.test)
        assert scale is not None
        assert np.corrcoef(scale, data.test.inputs["x"][:, 1] ** 2)[0, 1] > 0.9
        assert trained.held_out is not None
        assert trained.held_out.scale is not None
    assert (run.final is run.measured) != all_rows


def test_a_scale_is_dropped_where_it_does_not_help() -> None:
    run = train(uneven(False), SCALED, all_rows=True)
    for trained in (run.measured, run.final):
        assert not any("scale" in name for name in trained.network.state_dict())
        assert trained.held_out is not None
        assert trained.held_out.scale is None
    # Nor without rows that are held out.
    assert isinstance(alone := new_network(uneven(True), replace(SCALED, validation=0.0)), TableNet)
    assert alone.scale is None


def test_values_are_learned_as_without_a_scale() -> None:
    data = uneven(True)
    network = new_network(data, SCALED)
    assert isinstance(network, TableNet)
    plain = copy.deepcopy(network)
    plain.scale = None
    scaled, other = train(data, SCALED, network=network), train(data, SCALED, network=plain)
    assert scaled.losses == other.losses
    assert scaled.evaluations == other.evaluations
    assert np.array_equal(answers(scaled.model, data.train), answers(other.model, data.train))


def test_how_many_members_were_averaged() -> None:
    data = uneven(True)
    network = new_network(data, replace(SCALED, members=3))
    learned = np.ones((1200, 3), np.bool_)
    learned[:100, 0] = learned[100:200] = False
    found = calibrated(network, data.train, learned, balanced=False).held_out
    assert found is not None
    # 100 rows have one answer, and 100 the mean of three.
    assert found.averaged == pytest.approx(1.5)


@given(st.integers(2, 6), st.integers(1, 2), st.floats(0.0, 3.0), st.integers(0, 2**32 - 1))
def test_a_mean_of_members_by_simulation(members: int, averaged: int, deviation: float, seed: int) -> None:
    """The mean of members' answers is as much better than the answers to held-out rows as the factor says, or more."""
    random = np.random.default_rng(seed)
    rows = 10_000
    x = random.normal(size=(rows, members)).astype(np.float32)
    features = tuple(Feature(f"x{place}") for place in range(members))
    # Each member answers one of the columns, times the deviation.
    network = TableNet(Signature((Input("x", features),), "value", (), "regression"), (), members=members).eval()
    with torch.no_grad():
        (layer,) = network.layers
        assert isinstance(layer, MemberLinear)
        layer.weight.copy_(deviation * torch.eye(members)[:, :, None])
        layer.bias.zero_()
    target = random.normal(size=rows).astype(np.float32)
    known = HeldOut(random.normal(0, deviation, (averaged, rows)).mean(0), target, averaged=averaged)
    factor = averaging_factor(network, known, Part({"x": x}, np.full(rows, np.nan, np.float32)))
    expected = np.sqrt((1 + deviation**2 / members) / (1 + deviation**2 / averaged))
    assert factor > max(0.5, expected) - 0.02
    # The largest of the variances between members are clipped.
    variances = random.normal(0, deviation, (members, 100_000)).var(0, ddof=1)
    clipped = np.minimum(variances, np.quantile(variances, 0.95)).mean()
    expected = np.sqrt(max(0.25, 1 - clipped * (1 / averaged - 1 / members) / (1 + deviation**2 / averaged)))
    assert factor == pytest.approx(expected, abs=0.05)
    assert averaging_factor(network.subset(slice(1)), known, Part({"x": x}, target)) == 1.0
    # A row that is unlike all others does not decide it.
    odd = Part({"x": x[:200].copy()}, target[:200])
    some = averaging_factor(network, known, odd)
    odd.inputs["x"][7] *= 1e6
    assert averaging_factor(network, known, odd) == pytest.approx(some, abs=0.02)


def test_scores_are_of_the_mean_of_the_members() -> None:
    run = train(uneven(True), SCALED, all_rows=True)
    assert run.measured.held_out is not None
    assert run.final.held_out is not None
    assert 0.5 < run.measured.held_out.factor < 1
    assert run.final.held_out.factor == run.measured.held_out.factor


def test_a_member_is_rid_of_its_bias() -> None:
    data = uneven(True)
    run = train(data, replace(SCALED, epochs=2))
    network = copy.deepcopy(run.model)
    assert isinstance(network, TableNet)
    (*_, last) = network.layers
    assert isinstance(last, MemberLinear)
    with torch.no_grad():
        last.bias[1] += 0.5
    learned = rows_learned(data.train.target, 0, 2, 0.5, 0)
    before = network.subset(slice(1))
    values = answers(before, data.train)
    found = calibrated(network, data.train, learned, balanced=False).held_out
    assert found is not None
    held_out = ~learned[:, 1]
    after = answers(network.subset(slice(1, 2)), data.train)
    assert abs((after - data.train.target)[held_out].mean()) < 1e-4
    assert np.allclose(found.answers[held_out], after[held_out], atol=1e-5)
    # The other one had none to speak of.
    assert np.array_equal(answers(network.subset(slice(1)), data.train), values)


def test_chance_is_not_a_bias() -> None:
    errors = np.random.default_rng(0).normal(0, 2, 400)
    errors -= errors.mean()
    assert bias(errors + 0.2) == 0
    assert bias(errors + 0.4) == pytest.approx(0.4)
    assert bias(errors - 0.4) == pytest.approx(-0.4)
    # One row has no standard error: it would always show a bias.
    assert bias(np.ones(1)) == bias(np.linspace(4, 5, 99)) == 0
    assert bias(np.linspace(4, 5, 100)) == pytest.approx(4.5)
