"""What a network answers to many rows."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edge_train.dataset import Part
from edge_train.networks.base import Network
from edge_train.networks.table_net import SCALE

# Rows that a network answers at once.
_BLOCK = 16_384


def answers(network: Network, part: Part) -> npt.NDArray[np.float64]:
    """What `network` answers to the rows of `part`.

    Returns:
        Shape (rows, classes), the probability of each class; in regression shape (rows,), the values.
    """
    return scaled_answers(network, part)[0]


def scaled_answers(network: Network, part: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
    """The same, and the scale of each row's error, shape (rows,); None if the network does not say it."""
    blocks: list[dict[str, npt.NDArray[np.float32]]] = []
    with torch.inference_mode():
        for start in range(0, len(part), _BLOCK):
            inputs = {name: torch.from_numpy(values[start : start + _BLOCK]) for name, values in part.inputs.items()}
            blocks.append({name: values.numpy() for name, values in named_outputs(network, inputs).items()})
    outputs = {name: np.concatenate([block[name] for block in blocks]).astype(np.float64) for name in blocks[0]}
    found = outputs[network.signature.output]
    if network.signature.task == "regression":
        return found[:, 0], outputs[SCALE][:, 0] if SCALE in outputs else None
    return (np.concatenate([1 - found, found], 1) if found.shape[1] == 1 else found), None


def named_outputs(network: Network, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The outputs of a network by their names, of which one alone is `network.signature.output`."""
    returned = network(**inputs)
    return returned if isinstance(returned, dict) else {network.signature.output: returned}
