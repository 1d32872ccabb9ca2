"""What a network answers to many rows."""

import numpy as np
import numpy.typing as npt
import torch

from edge_train.dataset import Part
from edge_train.networks.base import Network

# Rows that a network answers at once.
_BLOCK = 16_384


def answers(network: Network, part: Part) -> npt.NDArray[np.float64]:
    """What `network` answers to the rows of `part`.

    Returns:
        Shape (rows, classes), the probability of each class; in regression shape (rows,), the values.
    """
    blocks = []
    with torch.inference_mode():
        for start in range(0, len(part), _BLOCK):
            inputs = {name: torch.from_numpy(values[start : start + _BLOCK]) for name, values in part.inputs.items()}
            blocks.append(network(**inputs).numpy())
    found = np.concatenate(blocks).astype(np.float64)
    if network.signature.task == "regression":
        return found[:, 0]
    return np.concatenate([1 - found, found], 1) if found.shape[1] == 1 else found
