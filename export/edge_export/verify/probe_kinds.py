"""Probe inputs and the names of their kinds, as tables and messages have them."""

from dataclasses import dataclass

from edge_export.tensors import Tensors

EVERY_CATEGORY = "rows with every category"
DATES = "rows at the edges of the calendar"
MISSING_VALUES = "rows with missing values"
OTHER_LENGTHS = "other lengths"
BOUNDARY = "rows on the decision boundary"
EXTREME = "extreme rows"
NOT_FINITE = "rows with NaN or infinity"
SEARCHED = "worst rows found by search"
# Of a certificate only.
GENERATED = "generated rows"


@dataclass(frozen=True, repr=False)
class ProbeInputs:
    """Inputs of one kind, on which an exported model is compared with torch.

    Attributes:
        kind: what they have in common.
        calls: the tensors of each call.
        is_required: whether an exported model must do on them what torch does; else what it does is reported.
        not_run: how many more calls were drawn, on which the module itself raises.
        problem: what it raises on the first of them; empty if it raises on none.
    """

    kind: str
    calls: tuple[Tensors, ...]
    is_required: bool = True
    not_run: int = 0
    problem: str = ""

    def __repr__(self) -> str:
        return f"ProbeInputs({self.kind!r}, calls={len(self.calls)})"
