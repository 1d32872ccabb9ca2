"""What a lower precision may cost."""

from dataclasses import dataclass

from edge_export.errors import ExportError


@dataclass(frozen=True)
class Budget:
    """How far the answers of a lower precision may be from float32's.

    Attributes:
        flips: the largest fraction of rows whose label may change, from 0 to 1.
        change: the largest change of any output: of a probability as it is, of anything else as a fraction of the
            largest magnitude that float32 gives for that output in all of the data (as it is, if that is 0).
    """

    flips: float = 0.01
    change: float = 0.05

    def __post_init__(self) -> None:
        """Refuse limits outside of their range."""
        if not 0 <= self.flips <= 1:
            raise ExportError(f"max flips is {self.flips}; give a fraction of the rows, from 0 to 1")
        if not 0 <= self.change < float("inf"):
            raise ExportError(f"max change is {self.change}; give a number from 0 on")
