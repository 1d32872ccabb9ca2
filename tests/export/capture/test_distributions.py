"""Modules that compute with distributions."""

import contextlib
from typing import Any

import pytest
import torch
from layers import assert_same, in_file, layer, rows
from tiers import mostly_slow
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal

from edge_export.capture.capture import capture
from edge_export.capture.distributions import without_validation


def normal(self: Any, x: Tensor) -> Any:
    given: Any = Normal(self.layer(x), x.exp())
    return {"mean": given.mean, "log_prob": given.log_prob(x), "entropy": given.entropy()}


def categorical(self: Any, x: Tensor) -> Any:
    given: Any = Categorical(logits=self.layer(x))
    return given.probs, given.entropy(), given.log_prob(x.argmax(1))


def independent(self: Any, x: Tensor) -> Any:
    given: Any = Independent(Normal(self.layer(x), torch.ones(3)), 1)
    return given.log_prob(x)


FORWARDS = {"normal": normal, "categorical": categorical, "independent": independent}


@pytest.mark.parametrize("name", mostly_slow(FORWARDS, ["categorical"]))
def test_distributions_are_captured(name: str) -> None:
    program = capture(layer(FORWARDS[name]), rows())
    x = {"x": rows(7, 3).numpy()}
    assert_same(in_file(program)(x), program.run(x))


def test_validation_is_on_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    # torch.compile turns it off for good, so it depends on what ran before.
    monkeypatch.setattr(Distribution, "_validate_args", True)
    with contextlib.suppress(KeyError), without_validation():
        Normal(torch.zeros(1), -torch.ones(1))
        raise KeyError
    with pytest.raises(ValueError, match="scale"):
        Normal(torch.zeros(1), -torch.ones(1))
    Distribution.set_default_validate_args(False)
    with without_validation():
        pass
    Normal(torch.zeros(1), -torch.ones(1))
