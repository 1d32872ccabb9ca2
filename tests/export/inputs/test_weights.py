"""Weights as people have them, loaded into a module, and what is said of them."""

import argparse
import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from edge_export import ExportError
from edge_export.inputs.weights import load_weights

State = Mapping[str, Tensor]


def net(seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 3), nn.ReLU()))


TRAINED = net(0)
STATE = TRAINED.state_dict()
OTHER: State = {key: tensor + 1 for key, tensor in STATE.items()}


class Lightning(nn.Module):
    """What a LightningModule is to its state_dict: the network is an attribute, beside a loss."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.loss = nn.CrossEntropyLoss(weight=torch.ones(3))


class Stage(enum.Enum):
    FIT = 1


def lightning_checkpoint(model: nn.Module) -> dict[str, Any]:
    module = Lightning(model)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.0)
    sum(parameter.sum() for parameter in module.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    return {
        "epoch": 3,
        "global_step": 7,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": module.state_dict(),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 3}}}},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "best_model_path": Path("a.ckpt")}},
        "optimizer_states": [optimizer.state_dict()],
        "hparams_name": "options",
        "hyper_parameters": {"options": argparse.Namespace(width=3), "stage": Stage.FIT, "rate": np.float64(0.1)},
    }


def compiled(model: nn.Module) -> nn.Module:
    wrapped: Any = torch.compile(model)
    assert isinstance(wrapped, nn.Module)
    return wrapped


def compiled_inside() -> nn.Module:
    model = net(0)
    model.add_module("2", compiled(model.get_submodule("2")))
    return model


def behind(prefix: str, state: State = STATE) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in state.items()}


def load(content: object, module: nn.Module) -> list[str]:
    """What is noted when `content`, saved in the current folder, is loaded into `module`."""
    torch.save(content, "last.ckpt")
    noted: list[str] = []
    load_weights(module, Path("last.ckpt"), noted.append)
    return [line.removeprefix("last.ckpt: ") for line in noted]


def refused(content: object, module: nn.Module | None = None) -> str:
    with pytest.raises(ExportError) as raised:
        load(content, net() if module is None else module)
    message = str(raised.value)
    assert message.startswith("last.ckpt ")
    assert "\n" not in message
    assert len(message) < 500
    return message.removeprefix("last.ckpt ")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


UNWRAPPED: dict[str, tuple[Callable[[], object], str]] = {
    "a state_dict": (lambda: STATE, ""),
    "a plain dict": (lambda: dict(STATE), ""),
    "DataParallel": (lambda: nn.DataParallel(net(0)).state_dict(), "all keys begin with 'module.'"),
    "torch.compile": (lambda: compiled(net(0)).state_dict(), "all keys begin with '_orig_mod.'"),
    "torch.compile of a part": (lambda: compiled_inside().state_dict(), "'_orig_mod' in their keys is dropped"),
    "both": (
        lambda: nn.DataParallel(compiled(net(0))).state_dict(),
        "all keys begin with 'module._orig_mod.'",
    ),
    "both, the other way round": (
        lambda: compiled(nn.DataParallel(net(0))).state_dict(),
        "all keys begin with '_orig_mod.module.'",
    ),
    "an average": (
        lambda: AveragedModel(net(0)).state_dict(),
        "the keys begin with 'module.'; other keys are not used: n_averaged",
    ),
    "Lightning": (
        lambda: lightning_checkpoint(net(0)),
        "the weights are under 'state_dict', and the keys begin with 'model.'; other keys are not used: loss.weight",
    ),
    "Lightning, torch.compile and DataParallel": (
        lambda: lightning_checkpoint(nn.DataParallel(compiled(net(0)))),
        "the weights are under 'state_dict', and the keys begin with 'model.module._orig_mod.'; other keys are not "
        "used: loss.weight",
    ),
    "dictionaries in dictionaries": (
        lambda: {"checkpoint": {"model": behind("module.")}},
        "the weights are under 'checkpoint' / 'model', and all keys begin with 'module.'",
    ),
    "a tuple": (lambda: (STATE, {"epoch": np.int64(3)}), "the weights are under '0'"),
    "a dictionary for each part": (
        lambda: {str(place): part.state_dict() for place, part in enumerate(net(0).children())},
        "the weights are under '0', '1', '2'",
    ),
    "an average beside": (
        lambda: {"state_dict": STATE, "state_dict_ema": OTHER},
        "the weights are under 'state_dict'; other weights that fit are not used: 'state_dict_ema'",
    ),
    "an average beside, of the same values": (
        lambda: {"model": STATE, "model_ema": behind("module.")},
        "the weights are under 'model'",
    ),
    "an average in the same dictionary": (
        lambda: {"state_dict": {**behind("model_ema.", OTHER), **behind("model.")}},
        "the weights are under 'state_dict', and the keys begin with 'model.'; other weights that fit are not used: "
        "'state_dict' / 'model_ema.'",
    ),
    "a whole module": (
        lambda: net(0),
        "the file holds a whole module (torch.nn.modules.container.Sequential), of which only the weights are read",
    ),
    "a whole module in a dictionary": (
        lambda: {"ema": None, "model": nn.DataParallel(net(0))},
        "the weights are under 'model', and all keys begin with 'module.'; the file holds a whole module "
        "(torch.nn.parallel.data_parallel.DataParallel), of which only the weights are read",
    ),
    "torch before 1.0": (
        lambda: {key: tensor for key, tensor in STATE.items() if "num_batches_tracked" not in key},
        "",
    ),
}


@pytest.mark.parametrize("name", UNWRAPPED)
def test_the_same_weights_from_everything_they_come_in(name: str) -> None:
    make, told = UNWRAPPED[name]
    module = net()
    assert load(make(), module) == ([told] if told else [])
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, STATE[key]), key


@pytest.mark.parametrize("name", ["state_dict", "model", "model_state_dict", "net", "module", "params", "my_weights"])
def test_the_dictionary_of_a_trainer(name: str) -> None:
    content = {"epoch": np.int64(3), name: STATE, "best": np.float32(0.5)}
    assert load(content, net()) == [f"the weights are under {name!r}"]


@pytest.mark.parametrize("wrap", [compiled, nn.DataParallel, Lightning])
def test_the_modules_own_wrapping_is_not_worth_a_note(wrap: Callable[[nn.Module], nn.Module]) -> None:
    module = wrap(net())
    assert load(wrap(net(0)).state_dict(), module) == []
    assert torch.equal(next(iter(module.state_dict().values())), STATE["0.weight"])


def test_a_module_around_what_the_file_has() -> None:
    module = nn.ModuleDict({"net": net()})
    assert load({"model": STATE}, module) == ["the weights are under 'model'; all keys of the module begin with 'net.'"]
    assert torch.equal(module.state_dict()["net.0.bias"], STATE["0.bias"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_become_that_of_the_module(dtype: torch.dtype) -> None:
    module = net()
    assert load(net(0).to(dtype).state_dict(), module) == []
    assert torch.equal(module.state_dict()["0.weight"], STATE["0.weight"].to(dtype).float())


def test_a_parameter_that_takes_its_shape_from_the_file() -> None:
    module = nn.LazyLinear(3)
    assert load({"model": nn.Linear(4, 3).state_dict()}, module) == ["the weights are under 'model'"]
    assert module.weight.shape == (3, 4)


class Versioned(nn.Linear):
    _version = 2

    def get_extra_state(self) -> object:
        return {"steps": 7}

    def set_extra_state(self, state: Any) -> None:
        self.steps = state["steps"]

    def _load_from_state_dict(self, state: Any, prefix: str, metadata: Any, *others: Any) -> None:
        self.loaded_version = metadata.get("version")
        super()._load_from_state_dict(state, prefix, metadata, *others)


def test_versions_and_extra_states_come_along() -> None:
    part = Versioned(2, 1)
    module = nn.Sequential(part)
    load({"state_dict": nn.DataParallel(nn.Sequential(Versioned(2, 1))).state_dict(), "rate": np.float64(1)}, module)
    assert (part.loaded_version, part.steps) == (2, 7)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_part_that_knows_former_names_of_its_keys() -> None:
    former = nn.utils.weight_norm(nn.Linear(2, 3))
    module = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(2, 3)))
    noted = load({"model": behind("module.0.", former.state_dict())}, module)
    assert noted == ["the weights are under 'model', and all keys begin with 'module.'"]
    with torch.no_grad():
        assert torch.allclose(module(torch.eye(2)), former(torch.eye(2)))


# --------------------------------------------------------------------------------------------------- what does not fit


def without(*keys: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in STATE.items() if key not in keys}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (without("0.bias"), "does not fit the module: 1 of 9 keys is missing: 0.bias"),
        (
            without("0.bias", "0.weight", "2.0.bias"),
            "does not fit the module: 3 of 9 keys are missing: 0.weight, 0.bias, 2.0.bias",
        ),
        ({"2.0.bias": torch.ones(3)}, "8 of 9 keys are missing: 0.weight, 0.bias, 1.weight, 1.bias and 4 more"),
        (
            {"model": behind("module.", without("0.bias"))},
            "does not fit the module: the weights are under 'model', and all keys begin with 'module.'; 1 of 9 keys "
            "is missing: 0.bias",
        ),
        ({**STATE, "tail.bias": torch.ones(1)}, "1 of 10 keys is not the module's: tail.bias"),
        (
            {**without("0.bias"), "0.biases": torch.ones(3)},
            "1 of 9 keys is missing: 0.bias (the file has 0.biases); 1 of 9 keys is not the module's: 0.biases",
        ),
        (
            {**STATE, "0.weight": torch.ones(5, 4), "2.0.bias": torch.ones(9)},
            "the shape of 0.weight is [5, 4] in the file and [3, 4] in the module, of 2.0.bias is [9] in the file and "
            "[3] in the module",
        ),
        (
            {"a": torch.ones(1), "b.c": torch.ones(1)},
            "does not fit the module, which has 0.weight, 0.bias, 1.weight, 1.bias and 5 more; the file has a, b.c",
        ),
        ({"epoch": 1, "optimizer": {}}, "holds no weights; its keys are epoch, optimizer; save them with torch.save("),
        (torch.ones(1), "holds no weights; save them with torch.save(module.state_dict(), ...)"),
        (3, "holds no weights; save them with"),
        ({}, "holds no weights; save them with"),
        (
            {"best": STATE, "last": OTHER},
            "holds several weights that fit the module, 'best' and 'last'; save those that you mean in a file of",
        ),
        (
            {"state_dict": {**behind("student."), **behind("teacher.", OTHER)}},
            "'state_dict' / 'student.' and 'state_dict' / 'teacher.'; save those",
        ),
        ({"model": STATE, "state_dict": OTHER}, "several weights that fit the module, 'model' and 'state_dict'"),
        (
            {**STATE, "0.weight": STATE["0.weight"].to_sparse()},
            "does not fit the module: Error(s) in loading state_dict for Sequential: While copying",
        ),
    ],
)
def test_what_does_not_fit_is_named(content: object, message: str) -> None:
    assert message in refused(content)


def test_a_module_without_weights() -> None:
    assert load({}, nn.Identity()) == []
    assert "does not fit the module, which has no weights; the file has 0.weight" in refused(STATE, nn.Identity())
