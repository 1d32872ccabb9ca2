import copy
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_net import PlainNet
from torch import nn

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.dates import MISSING_DATE
from edge_train import CheckpointError, NeuralNet, TableNet, four_blobs, load_checkpoint, save_checkpoint, train
from edge_train.loop.settings import EXAMPLE_DEFAULTS
from edge_train.networks.date_columns import PARTS, varying
from edge_train.networks.neural_net import network_signature
from edge_train.networks.numeric_columns import NumericColumns
from edge_train.networks.piecewise_linear import bin_columns

KEYS = ["linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.pt"


def named_model() -> NeuralNet:
    torch.manual_seed(1)
    model = NeuralNet(2, 5)
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


def table_model(
    task: Any = "binary_classification",
    labels: tuple[Any, ...] = ("no", "yes"),
    members: int = 1,
    with_bins: bool = False,
) -> TableNet:
    torch.manual_seed(1)
    numbers = (Feature("height", missing=0.2), Feature("width", missing=0.0))
    categorical = (
        Feature("city", "categorical", missing=0.1, categories=tuple(f"city {place}" for place in range(30))),
        Feature("code", "categorical", missing=0.0, categories=(1, 5)),
    )
    inputs = (Input("x", numbers), Input("text", categorical))
    signature = Signature(inputs, "y", labels, task, columns=("city", "height", "width", "code"))
    random = np.random.default_rng(0)
    x = random.normal(5, 3, (50, 2)).astype(np.float32)
    model = TableNet(signature, (7, 3), members=members, bins=bin_columns(x) if with_bins else None)
    target = random.integers(0, len(labels), 50) if labels else random.normal(50, 9, 50).astype(np.float32)
    model.fit({"x": x, "text": random.integers(2, 4, (50, 2))}, target)
    model.data_sha256 = "abc"
    return model.eval()


def test_round_trip(path: Path) -> None:
    model = named_model()
    save_checkpoint(model, path)
    again = load_checkpoint(path)
    assert again.signature == model.signature
    assert not again.training
    x = torch.randn(10, 2)
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize(
    ("task", "labels", "members", "with_bins"),
    [
        ("binary_classification", (False, True), 1, False),
        ("binary_classification", (False, True), 4, True),
        ("multiclass_classification", (1, 2, 3), 2, False),
        ("regression", (), 1, True),
    ],
)
def test_round_trip_of_a_table(path: Path, task: str, labels: tuple[Any, ...], members: int, with_bins: bool) -> None:
    model = table_model(task, labels, members, with_bins)
    save_checkpoint(model, path)
    again = load_checkpoint(path)
    assert isinstance(again, TableNet)
    assert isinstance(again.numeric, NumericColumns)
    assert (again.members, again.numeric.bins is not None) == (members, with_bins)
    assert (again.signature, again.data_sha256, again.training) == (model.signature, "abc", False)
    x, text = torch.randn(10, 2), torch.randint(0, 4, (10, 2))
    x[3, 0] = torch.nan
    assert torch.equal(again(x, text), model(x, text))
    save_checkpoint(again, path.with_name("again.pt"))
    assert path.read_bytes() == path.with_name("again.pt").read_bytes()


def dated_model() -> TableNet:
    torch.manual_seed(1)
    features = (Feature("sold", "date", missing=0.2), Feature("born", "date", missing=0.0, order="dmy"))
    signature = Signature((Input("date", features),), "y", ("no", "yes"))
    random = np.random.default_rng(0)
    # In one year, and at midnight.
    dates = np.stack([random.integers(20089, 20454, 50) * 86400, random.integers(-(2**33), 2**33, 50)], 1)
    model = TableNet(signature, (7,), varies=varying(dates))
    model.fit({"date": dates}, random.integers(0, 2, 50).astype(np.float32))
    return model.eval()


def test_round_trip_of_dates(path: Path) -> None:
    model = dated_model()
    save_checkpoint(model, path)
    again = load_checkpoint(path)
    assert again.signature == model.signature
    dates = torch.randint(-(2**33), 2**33, (20, 2))
    dates[3, 0] = MISSING_DATE
    assert torch.equal(again(date=dates), model(date=dates))
    save_checkpoint(again, path.with_name("again.pt"))
    assert path.read_bytes() == path.with_name("again.pt").read_bytes()


def test_damaged_dates(path: Path) -> None:
    for key, value, message in (
        ("dates.numbers.standard_deviation", torch.zeros(3), "is not positive"),
        ("dates.origin", torch.zeros(2), r"dates.origin is torch.float32, not torch.int64"),
        ("dates.varies", torch.ones(2, PARTS), r"dates.varies is torch.float32, not torch.bool"),
        ("dates.varies", torch.ones(2, PARTS, dtype=torch.bool), "does not fit its network"),
        ("dates.varies", torch.ones(2, 3, dtype=torch.bool), "does not fit its network"),
        ("dates.varies", torch.ones(2, dtype=torch.bool), "does not fit its network"),
        ("dates.average", torch.full((2, 3), torch.nan), "has NaN or infinity in it"),
    ):
        content = dated_model().state_dict()
        content[key] = value
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path)


def test_a_damaged_table_model(path: Path) -> None:
    for key, value, message in (
        ("numeric.standard_deviation", torch.zeros(2), "is not positive"),
        ("numeric.mean", torch.zeros(3), "does not fit its network"),
        ("layers.1.weight", torch.zeros(3, 8), "does not fit its network"),
        ("layers.1.weight", torch.zeros(2, 7, 3), "does not fit its network"),
        ("layers.0.weight", torch.zeros(7), "does not fit its network"),
        ("layers.0.weight", torch.zeros(()), "does not fit its network"),
        ("layers.2.bias", torch.zeros(2, 1), "does not fit its network"),
        ("embeddings.0.weight", torch.zeros(9, 5), "does not fit its network"),
        ("embeddings.0.weight", torch.zeros(2, 31, 10), "does not fit its network"),
        ("layers.0.bias", torch.full((7,), torch.inf), "has NaN or infinity in it"),
        ("numeric.bins.column", torch.zeros(32), r"numeric.bins.column is torch.float32, not torch.int64"),
        ("numeric.bins.column", torch.zeros(3, dtype=torch.int64), "does not fit its network"),
        ("numeric.bins.column", torch.zeros((), dtype=torch.int64), "does not fit its network"),
        ("numeric.bins.column", torch.full((32,), 2), "does not fit its network"),
        ("numeric.bins.column", torch.full((32,), -1), "does not fit its network"),
        ("numeric.bins.slope", torch.full((32,), torch.nan), "has NaN or infinity in it"),
    ):
        content = table_model(with_bins=True).state_dict()
        content[key] = value
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            load_checkpoint(path)


def test_a_network_without_members(path: Path) -> None:
    content = table_model(members=2).state_dict()
    for key in list(content):
        if key.startswith("layers.") or key == "embeddings.0.weight":
            content[key] = content[key][:0]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="does not fit its network"):
        load_checkpoint(path)


def test_small_deviations_are_loaded(path: Path) -> None:
    model = table_model()
    assert model.numeric is not None
    model.numeric.standard_deviation.fill_(1e-6)
    save_checkpoint(model, path)
    loaded = load_checkpoint(path)
    assert isinstance(loaded, TableNet)
    assert loaded.numeric is not None
    assert torch.equal(loaded.numeric.standard_deviation, model.numeric.standard_deviation)


def test_keys_and_signature_must_both_be_those_of_a_network(path: Path) -> None:
    with_signature = NeuralNet(2, 5).state_dict()
    with_signature["more"] = torch.ones(2)
    without_signature = dict(table_model().state_dict())
    for content in (with_signature, without_signature):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match="is not the state_dict of a NeuralNet or a TableNet"):
            load_checkpoint(path)


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
        save_checkpoint(train(four_blobs(0), replace(EXAMPLE_DEFAULTS, epochs=50)).model, tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another name.pt").read_bytes()


def metadata(model: nn.Module) -> Any:
    content: Any = model.state_dict()
    return content._metadata


def test_a_model_can_be_copied_and_pickled() -> None:
    model = named_model()
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert metadata(again) == metadata(model)


def test_the_keys_of_a_table_net() -> None:
    """Exporters and other code may rely on them."""
    assert list(table_model("regression", ()).state_dict()) == [
        "target",
        "numeric.mean",
        "numeric.standard_deviation",
        "embeddings.0.weight",
        "embeddings.0.frequency",
        "embeddings.1.weight",
        "embeddings.1.frequency",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "layers.2.weight",
        "layers.2.bias",
    ]
    bins = [f"numeric.bins.{name}" for name in ("column", "lower", "slope", "mean")]
    assert [key for key in table_model(with_bins=True).state_dict() if "bins" in key] == bins


def test_loading_needs_nothing_but_torch_and_numpy(path: Path) -> None:
    """To export a checkpoint, what training needs does not have to be installed."""
    save_checkpoint(table_model(), path)
    code = """
import sys
sys.modules.update(dict.fromkeys(["sklearn", "pyarrow", "matplotlib", "tqdm", "scipy", "typer"]))
from pathlib import Path
from edge_train import load_checkpoint
from edge_train.networks.checkpoint import load_checkpoint as same
assert load_checkpoint is same
print(load_checkpoint(Path(sys.argv[1])))
try:
    import sklearn
except ImportError:
    print("sklearn cannot be imported")
"""
    result = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{table_model()!r}\nsklearn cannot be imported\n"
