import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from plain_net import PlainNet
from torch import nn

from edge_runtime import Feature
from edge_train import CheckpointError, NeuralNet, four_blobs, load_checkpoint, save_checkpoint, train
from edge_train.network import network_signature

KEYS = ["linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def named_model(standardize: bool = False) -> NeuralNet:
    torch.manual_seed(1)
    model = NeuralNet(2, 5, standardize)
    model.signature = network_signature((Feature("height", "numeric", 0.0, 2.5), Feature("width")), ("no", "yes"))
    return model.eval()


def test_a_plain_state_dict(path: Path) -> None:
    model = named_model()
    save_checkpoint(model, path)
    state = torch.load(path, weights_only=True)
    assert list(state) == KEYS
    for other in (NeuralNet(2, 5), PlainNet(2, 5)):
        other.load_state_dict(state, strict=True)
        assert torch.equal(other(torch.ones(3, 2)), model(torch.ones(3, 2)))


@pytest.mark.parametrize("standardize", [False, True])
def test_round_trip(path: Path, standardize: bool) -> None:
    model = named_model(standardize)
    if model.standardize is not None:
        model.standardize.fit(four_blobs(0).x_train)
    save_checkpoint(model, path)
    again = load_checkpoint(path)
    assert again.signature == model.signature
    assert not again.training
    x = torch.randn(10, 2)
    assert torch.equal(again(x), model(x))


def test_metadata_survives_loading_into_our_own_class(path: Path) -> None:
    save_checkpoint(named_model(), path)
    ours = NeuralNet(2, 5)
    ours.load_state_dict(torch.load(path, weights_only=True))
    assert ours.signature == named_model().signature


def test_somebody_elses_checkpoint(path: Path) -> None:
    plain = PlainNet(3, 7)
    torch.save(plain.state_dict(), path)
    model = load_checkpoint(path)
    assert [feature.name for feature in model.signature.features] == ["x1", "x2", "x3"]
    assert model.signature.labels == (0, 1)
    assert torch.equal(model(torch.ones(4, 3)), plain(torch.ones(4, 3)))


def test_same_model_same_bytes(tmp_path: Path) -> None:
    for name in ("a.pt", "another name.pt"):
        save_checkpoint(train(four_blobs(0), epochs=50).model, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another name.pt").read_bytes()


def test_a_model_can_be_copied_and_pickled() -> None:
    model = named_model()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.state_dict()._metadata == model.state_dict()._metadata


def state(**changes: Any) -> dict[str, Any]:
    return {**PlainNet(2, 5).state_dict(), **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (nn.Linear(2, 1).state_dict(), "is not the state_dict of a NeuralNet"),
        ({}, "found nothing"),
        ({"epoch": 5, "model": PlainNet(2, 5).state_dict()}, "found epoch, model"),
        ([1, 2], "holds no state_dict"),
        (torch.ones(3), "holds no state_dict"),
        (PlainNet(2, 5), "save it with torch.save\\(model.state_dict\\(\\)"),
        (PlainNet(2, 5).double().state_dict(), "linear_1.weight is torch.float64"),
        (state(**{"linear_1.bias": 5}), "linear_1.bias is int"),
        (state(**{"linear_1.bias": torch.full((5,), torch.nan)}), "linear_1.bias holds NaN"),
        (state(**{"linear_2.weight": torch.ones(2, 5)}), "the weights have the shapes"),
        (state(**{"linear_1.weight": torch.ones(5)}), "the weights have the shapes"),
        (state(**{"linear_2.weight": torch.ones(1, 4)}), "does not fit NeuralNet"),
        (state(**{"standardize.mean": torch.ones(2)}), "standardize.scale"),
        (state(**{"linear_1.weight": torch.ones(5, 2).to_sparse()}), "sparse or meta"),
        (state(**{"standardize.mean": torch.zeros(2), "standardize.scale": torch.zeros(2)}), "is not positive"),
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
    save_checkpoint(named_model(), path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(path)


def test_missing_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ({"schema_version": 99}, "schema version 99"),
        ("damaged", "the signature is damaged"),
        (network_signature((Feature("only one"),), (0, 1)).to_dict(), "names 1 features, its weights take 2"),
    ],
)
def test_bad_signature(path: Path, signature: Any, message: str) -> None:
    content = NeuralNet(2, 5).state_dict()
    content._metadata[""]["edge_predict"] = signature
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)
