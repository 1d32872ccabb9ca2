"""The standard of proof: what an exported model must share with torch.

The reference is torch in float64. In each case the exported model's error against it may be at most `MULTIPLE` times
torch float32's own largest error in that case, or as many times half a unit in the last place of 1.0 where torch's own
is smaller: the outputs are probabilities, and no float32 arithmetic resolves them finer near 1. No label may differ
where the reference is farther from the threshold than that. NaN and infinity stand where torch float32 has them.

Why 4: over random networks of 1 to 64 features and 1 to 128 hidden units the ratio of ONNX Runtime's error to torch's
has a median near 0.9 and stays below 3, since both sum the same products in another order; a real defect, such as a
weight changed in its fourth digit, lies orders of magnitude above. docs/proof.md has the figures.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from edge_export.cases import Case, Rows
from edge_export.errors import ParityError
from edge_runtime import Signature
from edge_train import NeuralNet

MULTIPLE = 4.0
HALF_UNIT = 2.0**-24

Outputs: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CaseReference:
    """What torch computes in one case; all arrays of shape (rows,), over the case's batches one after another."""

    case: Case
    float32: Outputs
    float64: Outputs

    @property
    def torch_error(self) -> float:
        """The largest error of torch float32 against float64, where float32 is finite."""
        finite = np.isfinite(self.float32)
        return float(np.abs(self.float32[finite] - self.float64[finite]).max(initial=0.0))

    @property
    def allowed(self) -> float:
        """The largest error that an exported model may have."""
        return MULTIPLE * max(self.torch_error, HALF_UNIT)


@dataclass(frozen=True)
class Comparison:
    """How an exported model did in one case.

    Attributes:
        case: the rows compared.
        torch_error: torch float32's own largest error against float64.
        error: the exported model's.
        allowed: the most it may be.
        decided: how many rows are farther from the threshold than `allowed`.
    """

    case: Case
    torch_error: float
    error: float
    allowed: float
    decided: int


def compute_references(model: NeuralNet, cases: Sequence[Case]) -> list[CaseReference]:
    """What `model` computes in each of `cases`, in float32 as it is and in float64."""
    wide = copy.deepcopy(model).double()
    with torch.inference_mode():
        return [
            CaseReference(
                case,
                _outputs(lambda rows: model(torch.from_numpy(rows)).numpy(), case),
                _outputs(lambda rows: wide(torch.from_numpy(rows).double()).numpy(), case),
            )
            for case in cases
        ]


def compare(
    run: Callable[[Rows], Outputs], references: Sequence[CaseReference], signature: Signature, name: str
) -> list[Comparison]:
    """Hold an exported model against torch.

    Args:
        run: the exported model: rows of shape (batch, features) to probabilities of shape (batch, 1).
        references: what torch computes.
        signature: tells where a label changes.
        name: what to call the exported model in messages.

    Raises:
        ParityError: it does not hold; the message gives the worst row and both values.
    """
    return [_compare_case(run, reference, signature, name) for reference in references]


def _compare_case(
    run: Callable[[Rows], Outputs], reference: CaseReference, signature: Signature, name: str
) -> Comparison:
    outputs = _outputs(run, reference.case)
    finite = np.isfinite(reference.float32)
    # Where torch float32 overflows, the exported model must do the same; elsewhere float64 is the truth.
    expected = np.where(finite, reference.float64, reference.float32)
    with np.errstate(invalid="ignore"):
        errors = np.abs(outputs - expected)
    same = np.isnan(outputs) & np.isnan(expected) | (outputs == expected)
    errors = np.where(same, 0.0, np.where(np.isnan(errors), np.inf, errors))
    decided = np.abs(expected - signature.threshold) > reference.allowed
    flipped = decided & (signature.is_positive(outputs) != signature.is_positive(expected))
    if (errors > reference.allowed).any() or flipped.any():
        raise ParityError(_mismatch(outputs, errors, reference, name))
    return Comparison(
        reference.case, reference.torch_error, float(errors.max(initial=0.0)), reference.allowed, int(decided.sum())
    )


def _outputs(run: Callable[[Rows], Outputs], case: Case) -> Outputs:
    if not case.batches:
        return np.empty(0, np.float32)
    return np.concatenate([run(batch)[:, 0] for batch in case.batches])


def _mismatch(outputs: Outputs, errors: npt.NDArray[np.float64], reference: CaseReference, name: str) -> str:
    worst = int(errors.argmax())
    batch_of_row = np.repeat(np.arange(len(reference.case.batches)), [len(batch) for batch in reference.case.batches])
    row = np.concatenate(reference.case.batches)[worst]
    shown = ", ".join(f"{value:.9g}" for value in row[:8]) + (", ..." if len(row) > 8 else "")
    return (
        f"{name} does not compute what torch computes, and is not written: among {reference.case.name}, "
        f"the row [{shown}] in a batch of {len(reference.case.batches[batch_of_row[worst]])} gives "
        f"{outputs[worst]:.9g}, torch {reference.float32[worst]:.9g} (in float64 {reference.float64[worst]:.17g}); "
        f"the difference may be {reference.allowed:.2g}"
    )
