"""The members of a network for tables: what all of them say together, and some of them alone."""

from typing import Any

import numpy as np
import pytest
import torch
from table_nets import OUTPUTS, fitted, member, rows, target, tensors

from edge_runtime.contract.category_codes import FIRST_CATEGORY, UNKNOWN
from edge_train import TableNet


def logits(network: TableNet, values: dict[str, Any]) -> Any:
    """What the last layers give, from what `forward` makes of it; of several classes, without their mean."""
    found = network(**tensors(values)).double()
    if network.target is not None:
        return (found - network.target[0]) / network.target[1]
    if not network.is_multiclass:
        return torch.logit(found)
    return found.log() - found.log().mean(1, keepdim=True)


@pytest.mark.parametrize("task", OUTPUTS)
def test_what_the_members_last_layers_give_is_averaged(task: str) -> None:
    network, values = fitted(task, members=3).eval(), rows(50, 2, unknown=True)
    alone = [logits(member(network, place), values) for place in range(3)]
    assert not torch.allclose(alone[0], alone[1], atol=0.01)
    torch.testing.assert_close(logits(network, values), (alone[0] + alone[1] + alone[2]) / 3, rtol=1e-3, atol=1e-4)
    both = network.subset(slice(1, 3))
    assert both.members == 2
    torch.testing.assert_close(logits(both, values), (alone[1] + alone[2]) / 2, rtol=1e-3, atol=1e-4)


def test_a_subset_shares_weights_and_a_repetition_has_its_own() -> None:
    network, values = fitted("binary_classification", members=2).eval(), tensors(rows(20))
    second, twice = member(network, 1), network.repeated(2)
    assert (second.members, twice.members, network.members) == (1, 4, 2)
    assert twice.dropout_widths == (4 * 16, 4 * 8)
    torch.testing.assert_close(twice(**values), network(**values))
    for place in range(4):
        assert torch.equal(member(twice, place)(**values), member(network, place % 2)(**values))
    kept = {name: value.clone() for name, value in twice.state_dict().items()}
    before = second(**values)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter[1].mul_(1.5)
    assert not torch.equal(second(**values), before)
    for name, parameter in second.named_parameters():
        assert torch.equal(parameter, network.get_parameter(name)[1:])
    for name, value in twice.state_dict().items():
        assert torch.equal(value, kept[name])
    with torch.no_grad():
        for parameter in twice.parameters():
            parameter[2:].zero_()
            assert parameter[:2].any()


@pytest.mark.parametrize("task", ["binary_classification", "multiclass_classification"])
def test_sharpening_multiplies_the_log_odds(task: str) -> None:
    network, values = fitted(task, members=2).eval(), rows(20)
    before = logits(network, values)
    network.sharpen(2.5)
    torch.testing.assert_close(logits(network, values), 2.5 * before, rtol=1e-3, atol=1e-4)


def test_categories_of_no_row_that_was_learned_from_are_forgotten() -> None:
    network, values = fitted("regression", members=2).eval(), rows(40)
    seen = rows(300)
    seen["text"][:, 1] = np.minimum(seen["text"][:, 1], FIRST_CATEGORY + 19)
    seen["text"][:, 0] = np.minimum(seen["text"][:, 0], FIRST_CATEGORY + 1)
    network.fit(seen, target("regression", 300))
    unseen = (values["text"] > [FIRST_CATEGORY + 1, FIRST_CATEGORY + 19]).any(1)
    assert 0 < unseen.sum() < 40
    unknown = np.where(values["text"] > [FIRST_CATEGORY + 1, FIRST_CATEGORY + 19], UNKNOWN, values["text"])
    expected = network(**tensors(values | {"text": unknown}))
    before = network(**tensors(values))
    network.forget_unseen()
    after = network(**tensors(values))
    torch.testing.assert_close(after, expected)
    assert torch.equal(after[~unseen], before[~unseen])
    assert not torch.isclose(after[unseen], before[unseen]).any()
