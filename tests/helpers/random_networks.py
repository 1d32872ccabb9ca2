"""Networks of edge-train of random size and weights."""

import numpy as np
import torch
from random_tables import random_table_net
from torch import Tensor, nn

from edge_train import NeuralNet


def random_network(seed: int) -> tuple[nn.Module, Tensor]:
    """A network like the example's, or for a table of numbers, and an example of its input; a seed gives the same."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    if random.integers(2):
        table_net = random_table_net(seed, strings=False)
        return table_net, torch.zeros(2, len(table_net.signature.features))
    model = NeuralNet(int(random.integers(1, 65)), int(random.integers(1, 129)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10 ** random.uniform(-1, 1.5))
    return model, torch.zeros(2, len(model.signature.features))
