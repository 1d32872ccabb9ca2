"""How to train: what a person may choose, and what suits a table where they do not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "constant"]

# Steps that training is given at least, where a table is so large that they are few passes over it.
_STEPS = 60_000
_MOST_EPOCHS, _FEWEST_EPOCHS = 200, 20


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        hidden: the widths of the hidden layers.
        dropout: the share of each hidden layer's values that are zeroed in a training step, from 0 to below 1.
        smoothing: the share of a class's target that goes to the classes as often as training has them (all the same
            if `balanced`), 0 to below 1 (Szegedy et al., 2016).
        optimizer: of the weights.
        learning_rate: of the optimizer.
        weight_decay: of the optimizer.
        batch_size: rows in a step; None for all of them, in their order.
        epochs: the most passes over the training rows.
        patience: after how many epochs without a smaller validation loss training stops, and takes the weights of the
            best epoch; None to go through all epochs and take the last.
        schedule: of the learning rate: constant, or down to 0 along half a cosine (Loshchilov and Hutter, 2017).
        balanced: whether each class weighs the same in the loss, however many rows it has.
        seed: of the initial weights, the order of rows and dropout.
    """

    hidden: Sequence[int]
    dropout: float = 0.0
    smoothing: float = 0.0
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.03
    weight_decay: float = 0.0
    batch_size: int | None = None
    epochs: int = 2000
    patience: int | None = None
    schedule: Schedule = "constant"
    balanced: bool = False
    seed: int = 0


EXAMPLE_DEFAULTS = Settings(hidden=(5,))


def table_defaults(rows: int) -> Settings:
    """What suits a table with so many rows to train on."""
    batch_size = min(512, max(32, 2 ** round(math.log2(rows / 64))))
    epochs = math.ceil(_STEPS / math.ceil(rows / batch_size))
    return Settings(
        hidden=(128, 64),
        dropout=0.2,
        smoothing=0.05,
        optimizer="adamw",
        learning_rate=1e-3,
        weight_decay=0.05,
        batch_size=batch_size,
        epochs=min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, epochs)),
        patience=40,
        schedule="cosine",
    )
