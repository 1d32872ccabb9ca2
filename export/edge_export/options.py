"""What to make of a module, and how."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from edge_export.verify.quantization_budget import Budget


class Options(TypedDict, total=False):
    """What to make of a module, and how; every entry may be left out.

    formats: the files to make: ONNX alone by default.
    precisions: of the ONNX and ORT files: float32 alone by default. TorchScript is always float32.
    data: rows like those that the model will meet, as arrays by input (texts or their codes where the signature has
        texts) or as a file (.npz, CSV, JSON Lines). float32 is compared on them too; lower precisions are measured on
        them, and int8 is calibrated on half of them.
    budget: what a lower precision may cost.
    finite_only: leave out of the proof what is not finite in torch.
    report: where to write a page on all of it.
    reproduce: a folder for what shows a mismatch, if there is one.
    note: called with what a person should know although the export goes on; warns by default.
    """

    formats: Sequence[str]
    precisions: Sequence[str]
    data: Mapping[str, Any] | str | Path
    budget: Budget
    finite_only: bool
    report: str | Path
    reproduce: str | Path
    note: Callable[[str], None]
