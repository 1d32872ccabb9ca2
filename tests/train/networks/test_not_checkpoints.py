"""Files that are not the checkpoint of a network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_net import PlainNet
from torch import nn

from edge_runtime import Feature
from edge_train import CheckpointError, NeuralNet, load_checkpoint, save_checkpoint
from edge_train.networks.neural_net import network_signature


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def state(**changes: Any) -> dict[str, Any]:
    return {**PlainNet(2, 5).state_dict(), **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 1).state_dict(), "is not the state_dict of a NeuralNet"),
        ({}, "but has nothing"),
        ({"epoch": 5, "model": PlainNet(2, 5).state_dict()}, "but has epoch, model"),
        ([1, 2], "does not hold a state_dict"),
        (torch.ones(3), "does not hold a state_dict"),
        (PlainNet(2, 5), "running code that is in it; save a state_dict with torch.save\\(model.state_dict\\(\\)"),
        (PlainNet(2, 5).double().state_dict(), "linear_1.weight is torch.float64, not torch.float32"),
        (state(**{"linear_1.bias": 5}), "linear_1.bias is int"),
        (state(**{"linear_1.bias": torch.full((5,), torch.nan)}), "linear_1.bias has NaN"),
        (state(**{"linear_2.weight": torch.ones(2, 5)}), "the weights have the shapes"),
        (state(**{"linear_1.weight": torch.ones(5)}), "the weights have the shapes"),
        (state(**{"linear_2.weight": torch.ones(1, 4)}), "does not fit its network"),
        (state(**{"more": torch.ones(2)}), "but has linear_1.bias"),
        (state(**{"linear_1.weight": torch.ones(5, 2).to_sparse()}), "sparse or meta"),
        (state(**{"linear_1.weight": torch.empty(0, 2)}), "the weights have the shapes"),
    ],
)
def test_not_a_checkpoint(path: Path, content: Any, message: str) -> None:
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 not a zip", b"\x80\x04K\x05."])
def test_not_even_torchs(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        load_checkpoint(path)


def test_truncated(path: Path) -> None:
    save_checkpoint(NeuralNet(2, 5), path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ("damaged", "the signature is damaged"),
        (network_signature((Feature("only one"),), (0, 1)).to_dict(), "has 1 features, but its weights take 2"),
    ],
)
def test_bad_signature(path: Path, signature: Any, message: str) -> None:
    content: Any = NeuralNet(2, 5).state_dict()
    content._metadata[""]["edge_predict"] = signature
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)
