"""Networks for tables that are fitted to rows with missing values and categories, and such rows."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN
from edge_train import TableNet
from edge_train.networks.piecewise_linear import bin_columns

NUMERIC = (
    Feature("never missing", missing=0.0),
    Feature("missing", missing=0.4),
    Feature("flag", "boolean", missing=0.0),
)
MANY = tuple(f"word {number}" for number in range(40))
CATEGORICAL = (
    Feature("few", "categorical", missing=0.0, categories=("a", "b", "c")),
    Feature("many", "categorical", missing=0.1, categories=MANY),
)
OUTPUTS: dict[str, Any] = {
    "binary_classification": ("probability", ("no", "yes")),
    "multiclass_classification": ("probabilities", ("a", "b", "c")),
    "regression": ("value", ()),
}


def signature(task: Any, numbers: bool = True, categorical: bool = True) -> Signature:
    output, labels = OUTPUTS[task]
    inputs = (Input("x", NUMERIC),) * numbers + (Input("text", CATEGORICAL),) * categorical
    return Signature(inputs, output, labels, task)


def rows(count: int, seed: int = 0, unknown: bool = False) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(3, 50, (count, 3)).astype(np.float32)
    x[random.random(count) < 0.4, 1] = np.nan
    x[:, 2] = random.integers(0, 2, count)
    first = UNKNOWN if unknown else FIRST_CATEGORY
    few = random.integers(first, FIRST_CATEGORY + 3, count)
    many = random.integers(first if unknown else MISSING, FIRST_CATEGORY + 40, count)
    return {"x": x, "text": np.stack([few, many], 1)}


def target(task: str, count: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    if task == "regression":
        return random.normal(1e4, 500, count).astype(np.float32)
    places = random.integers(0, len(OUTPUTS[task][1]), count)
    return places.astype(np.float32) if task == "binary_classification" else places


def fitted(task: str, smoothing: float = 0.0, members: int = 1, **inputs: bool) -> TableNet:
    torch.manual_seed(0)
    bins = bin_columns(rows(300)["x"])
    network = TableNet(signature(task, **inputs), (16, 8), smoothing=smoothing, members=members, bins=bins)
    network.fit(rows(300), target(task, 300))
    return network


def member(network: TableNet, place: int) -> TableNet:
    return network.subset(slice(place, place + 1))


def tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in values.items()}
