"""Weights in safetensors, which drop tied ones, and in several files."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from edge_export.inputs.weights import load_weights


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
        self.head.weight = self.embedding.weight


@pytest.mark.parametrize("prefix", ["", "model."])
def test_safetensors_without_tied_weights(prefix: str) -> None:
    trained, module = Tied(), Tied()
    save_model(trained, "tied.safetensors")
    save_file({f"{prefix}embedding.weight": trained.embedding.weight.data}, "one.safetensors")
    for name in ("tied.safetensors", "one.safetensors"):
        noted: list[str] = []
        load_weights(module, Path(name), noted.append)
        assert noted == ([f"{name}: all keys begin with 'model.'"] if prefix and name.startswith("one") else [])
        assert torch.equal(module.head.weight, trained.embedding.weight)
        assert module.head.weight is module.embedding.weight


def test_weights_in_several_files() -> None:
    state = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).state_dict()
    keys = [*state]
    for number, part in enumerate((keys[:3], keys[3:])):
        save_file({key: state[key] for key in part}, f"model-{number}.safetensors")
    weight_map = {key: f"model-{int(place > 2)}.safetensors" for place, key in enumerate(keys)}
    Path("model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    load_weights(module, Path("model.safetensors.index.json"), pytest.fail)
    assert all(torch.equal(tensor, state[key]) for key, tensor in module.state_dict().items())
