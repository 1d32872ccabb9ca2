"""How to train: the settings, their defaults, and what the user chose instead."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["anneal", "cosine", "constant"]

# Large tables get fewer epochs, but at least so many steps.
_STEPS = 60_000
_MOST_EPOCHS, _FEWEST_EPOCHS = 200, 20
_MOST_ROWS = 50_000

# What each optimizer usually works well with.
_USUAL: Mapping[Optimizer, Mapping[str, float]] = {
    "adamw": {"learning_rate": 1e-3, "weight_decay": 0.05},
    "sgd": {"learning_rate": 0.03, "weight_decay": 0.0},
}


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        hidden: the widths of the hidden layers.
        members: how many networks are trained at once and averaged.
        validation: the fraction of the training rows that each member holds out, from 0 to below 1: in turn, so that
            all of them together learn from all rows if it is at most one over `members`. They tell when to stop.
        dropout: the fraction of each hidden layer's values that a training step sets to zero, from 0 to below 1.
        smoothing: the fraction of a class's target that goes to all classes, as often as training has them (equally if
            `balanced`), from 0 to below 1 (Szegedy et al., Rethinking the Inception Architecture, 2016).
        optimizer: the optimizer of the weights.
        learning_rate: of the optimizer.
        weight_decay: of the optimizer.
        batch_size: rows in a step; None for all rows, in their order.
        epochs: the most passes over the training rows.
        patience: after so many epochs without a smaller validation loss, training stops and takes the weights of the
            best epoch; None, or without rows that are held out, it trains all epochs and takes the last weights.
        schedule: of the learning rate: constant; along half a cosine down to 0 (Loshchilov and Hutter, SGDR, 2017); or
            annealed: constant, and then linearly down to 0 over half as many epochs (as in Hu et al., MiniCPM, 2024).
            Annealing starts from the best epoch's weights when `patience` ends, and in time to end by `epochs`.
        balanced: whether all classes have the same weight in the loss, however many rows they have.
        seed: of the initial weights, the order of rows and dropout.
    """

    hidden: Sequence[int]
    members: int = 1
    validation: float = 0.0
    dropout: float = 0.0
    smoothing: float = 0.0
    optimizer: Optimizer = "sgd"
    learning_rate: float = _USUAL["sgd"]["learning_rate"]
    weight_decay: float = _USUAL["sgd"]["weight_decay"]
    batch_size: int | None = None
    epochs: int = 2000
    patience: int | None = None
    schedule: Schedule = "constant"
    balanced: bool = False
    seed: int = 0


EXAMPLE_DEFAULTS = Settings(hidden=(5,))


def table_defaults(rows: int) -> Settings:
    """The settings that suit a table with so many training rows."""
    batch_size = min(512, max(32, 2 ** round(math.log2(rows / 64))))
    epochs = math.ceil(_STEPS / math.ceil(rows / batch_size))
    return Settings(
        hidden=(64, 32),
        members=5,
        validation=0.2,
        dropout=0.2,
        smoothing=0.05,
        optimizer="adamw",
        learning_rate=_USUAL["adamw"]["learning_rate"],
        weight_decay=_USUAL["adamw"]["weight_decay"],
        batch_size=batch_size,
        epochs=min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, epochs)),
        patience=24,
        schedule="anneal",
    )


def learns_all_rows(rows: int) -> bool:
    """Whether the network that is used learns from the test rows too, in a table with so many rows.

    In a larger one they would teach it little, and training takes twice as long.
    """
    return rows <= _MOST_ROWS


def with_choices(defaults: Settings, choices: Mapping[str, Any]) -> Settings:
    """`defaults` with `choices` in their place, by the settings' names; a choice of None keeps the default.

    With another optimizer than the default one come its own usual learning rate and weight decay.
    """
    chosen = {name: value for name, value in choices.items() if value is not None}
    optimizer: Optimizer = chosen.get("optimizer", defaults.optimizer)
    usual = _USUAL[optimizer] if optimizer != defaults.optimizer else {}
    return replace(defaults, **{**usual, **chosen})
