"""The network of the example, and the standardisation that a table needs before it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_runtime.signature import Feature, Input, Label, Signature, default_features

# Under these keys of the state_dict's metadata, where torch keeps the versions of modules, these ride along.
METADATA_KEY = "edge_predict"
DATA_KEY = "edge_predict.data_sha256"


class Standardize(nn.Module):
    """Brings each feature to mean 0 and standard deviation 1, with buffers that leave the lab with the network."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        """Do nothing yet to rows of this many features: mean 0, scale 1."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def fit(self, x: npt.NDArray[np.float32]) -> None:
        """Take mean and standard deviation from `x`, shape (rows, features).

        A feature that is constant, or whose spread float32 cannot hold, keeps scale 1.
        """
        wide = x.astype(np.float64)
        scale = wide.std(axis=0)
        flat = (x.min(axis=0) == x.max(axis=0)) | (scale < np.finfo(np.float32).tiny)
        self.mean.copy_(torch.from_numpy(wide.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(np.where(flat, 1.0, scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Standardised rows, of the shape and dtype of `x`, (batch, features)."""
        return (x - self.mean) / self.scale


class NeuralNet(nn.Module):
    """Two linear layers: rows of shape (batch, input_size) to the probability of label 1, shape (batch, 1).

    Without standardisation the state_dict has the keys linear_1.weight, linear_1.bias, linear_2.weight and
    linear_2.bias and nothing else, so that any class with these two attributes loads it; with it, standardize.mean and
    standardize.scale come on top. `signature` is stored in and read from the state_dict's metadata; until training or
    a checkpoint gives another, the features are x1, x2, ... and the labels 0 and 1. `data_sha256`, of the rows that it
    was trained on, is stored there too once it is known.
    """

    def __init__(self, input_size: int, hidden_size: int, standardize: bool = False) -> None:
        super().__init__()
        self.signature = network_signature(default_features(input_size), (0, 1))
        self.data_sha256: str | None = None
        self.standardize = Standardize(input_size) if standardize else None
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.linear_2 = nn.Linear(hidden_size, 1)
        self.sigmoid = nn.Sigmoid()
        self.register_state_dict_post_hook(_write_signature)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read_signature)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """The probability of label 1, shape (batch, 1), for `x`, shape (batch, input_size)."""
        if self.standardize is not None:
            x = self.standardize(x)
        return self.sigmoid(self.linear_2(self.relu(self.linear_1(x))))  # type: ignore[no-any-return]


def network_signature(features: tuple[Feature, ...], labels: tuple[Label, Label]) -> Signature:
    """The signature of a `NeuralNet`, whose forward takes `x` and gives the probability of `labels[1]`."""
    return Signature(inputs=(Input("x", features),), output="probability", labels=labels)


def _write_signature(module: NeuralNet, state: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
    local_metadata[METADATA_KEY] = module.signature.to_dict()
    if module.data_sha256 is not None:
        local_metadata[DATA_KEY] = module.data_sha256


def _read_signature(module: NeuralNet, state: Any, prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
    if METADATA_KEY in local_metadata:
        module.signature = Signature.from_dict(local_metadata[METADATA_KEY])
    if isinstance(data_sha256 := local_metadata.get(DATA_KEY), str):
        module.data_sha256 = data_sha256
