"""How a table is scored, as the user wants it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Keep: TypeAlias = Sequence[str] | Literal["all"]


def device_here(device: str, engine: str | None) -> str:
    """The device for this process: the machine from which a cluster is asked may have no GPU."""
    return "cpu" if engine is not None and device.startswith("cuda") else device


@dataclass(frozen=True)
class Options:
    """What is asked for besides the model, the source and the target.

    Attributes:
        keep: the columns of the source that stand before each answer: their names, or "all".
        strict: whether the first row that cannot be read ends the run.
        top: how many labels have columns, the most probable ones; all if None.
        flag_unseen: whether there is a column of what is unlike the training data.
        delimiter, decimal, encoding: of text, where they are not to be found.
        interval: the coverage of intervals or sets that have columns; None for none.
    """

    keep: Keep = ()
    strict: bool = False
    top: int | None = None
    flag_unseen: bool = False
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    interval: float | None = None
