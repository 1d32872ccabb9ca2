"""What a network's state_dict carries besides weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edge_runtime import Feature, Input, InvalidModel, Signature
from edge_train import Network

SIGNATURE = Signature((Input("x", (Feature("height"), Feature("width"))),), "y", ("no", "yes"))
OTHER = Signature((Input("x", (Feature("a"), Feature("b"))),), "y", (0, 1))


class Linear(Network):
    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.layer(x)
        return answer


def test_the_state_dict_carries_the_signature_and_the_hash_of_the_rows() -> None:
    network, other = Linear(SIGNATURE), Linear(OTHER)
    network.data_sha256 = "abc"
    assert list(network.state_dict()) == ["layer.weight", "layer.bias"]
    other.load_state_dict(network.state_dict())
    assert (other.signature, other.data_sha256) == (SIGNATURE, "abc")
    assert torch.equal(other.layer.weight, network.layer.weight)


def test_a_state_dict_without_metadata_changes_neither() -> None:
    network = Linear(SIGNATURE)
    network.data_sha256 = "abc"
    network.load_state_dict({"layer.weight": torch.ones(1, 2), "layer.bias": torch.ones(1)})
    assert (network.signature, network.data_sha256) == (SIGNATURE, "abc")


def test_a_hash_that_is_not_known_is_not_written() -> None:
    state: Any = Linear(SIGNATURE).state_dict()
    assert list(state._metadata[""]) == ["version", "edge_predict"]


def test_a_damaged_signature_is_refused() -> None:
    state: Any = Linear(SIGNATURE).state_dict()
    state._metadata[""]["edge_predict"]["labels"] = []
    with pytest.raises(InvalidModel, match="the signature is damaged"):
        Linear(OTHER).load_state_dict(state)


def test_by_default_nothing_is_dropped_out_or_prepared_and_there_is_no_loss() -> None:
    network, x = Linear(SIGNATURE), torch.ones(1, 2)
    assert network.dropout_widths == ()
    assert network.prepare((x,)) == (x,)
    with pytest.raises(NotImplementedError):
        network.loss((torch.ones(1, 2),), torch.ones(1), None, ())


def test_in_one_line() -> None:
    assert repr(Linear(SIGNATURE)) == "Linear(binary_classification, 2 features, 3 parameters)"
