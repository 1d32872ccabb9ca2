"""The standard of proof: what an exported model must share with torch.

The reference is torch in float64. A row's error against it may be at most `MULTIPLE` times the largest of three things,
each a measure of what float32 cannot know: torch float32's own largest error among rows of that kind; how far the row's
output moves if every weight is off by one unit in its last place; half a unit in the last place of 1.0, since the
outputs are probabilities. No label may differ where the reference is farther from the threshold than that. NaN and
infinity stand where torch float32 has them.

The second measure is there because torch's own error may be small by luck where a case has few rows that are not
saturated. That float32 arithmetic gives the exact result for slightly other weights is backward error analysis: Higham,
Accuracy and Stability of Numerical Algorithms (2002), chapter 3. docs/proof.md says why eight, with figures.
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

MULTIPLE = 8.0
HALF_UNIT = 2.0**-24
LAST_PLACE = 2.0**-23
PERTURBATIONS = 8

Outputs: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class CaseReference:
    """What torch computes in one case; all arrays of shape (rows,), over the case's batches one after another.

    Attributes:
        case: the rows.
        float32: what the model computes as it is.
        float64: what it computes in float64.
        sensitivity: how far `float64` moves if every weight is off by one unit in its last place in float32.
    """

    case: Case
    float32: Outputs
    float64: Outputs
    sensitivity: Outputs

    @property
    def torch_error(self) -> float:
        """The largest error of torch float32 against float64, where float32 is finite."""
        finite = np.isfinite(self.float32)
        return float(np.abs(self.float32[finite] - self.float64[finite]).max(initial=0.0))

    @property
    def allowed(self) -> Outputs:
        """The largest error that an exported model may have in each row, shape (rows,)."""
        return MULTIPLE * np.maximum(self.sensitivity, max(self.torch_error, HALF_UNIT))


@dataclass(frozen=True)
class Comparison:
    """How an exported model did in one case.

    Attributes:
        case: the rows compared.
        torch_error: torch float32's own largest error against float64.
        error: the exported model's.
        share: the largest error as a share of what is allowed in its row, from 0 to 1.
        decided: how many rows are farther from the threshold than the error allowed, so that their labels must agree.
    """

    case: Case
    torch_error: float
    error: float
    share: float
    decided: int


def compute_references(model: NeuralNet, cases: Sequence[Case]) -> list[CaseReference]:
    """What `model` computes in each of `cases`, in float32 as it is and in float64."""
    wide = copy.deepcopy(model).double()
    perturbed = [_perturbed(wide, seed) for seed in range(PERTURBATIONS)]
    references = []
    with torch.inference_mode():
        for case in cases:
            float32 = _outputs(lambda rows: model(torch.from_numpy(rows)).numpy(), case)
            float64, *others = (_in_float64(module, case) for module in (wide, *perturbed))
            sensitivity = np.nan_to_num(np.abs(np.array(others) - float64).max(axis=0))
            references.append(CaseReference(case, float32, float64, sensitivity))
    return references


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
    shares = errors / reference.allowed
    decided = np.abs(expected - signature.threshold) > reference.allowed
    flipped = decided & (signature.is_positive(outputs) != signature.is_positive(expected))
    if (shares > 1).any() or flipped.any():
        raise ParityError(_mismatch(outputs, int(shares.argmax()), reference, name))
    return Comparison(
        case=reference.case,
        torch_error=reference.torch_error,
        error=float(errors.max(initial=0.0)),
        share=float(shares.max(initial=0.0)),
        decided=int(decided.sum()),
    )


def _perturbed(wide: NeuralNet, seed: int) -> NeuralNet:
    """`wide`, a model in float64, with every weight off by one unit in its last place in float32, up or down."""
    generator = torch.Generator().manual_seed(seed)
    model = copy.deepcopy(wide)
    with torch.no_grad():
        for parameter in model.parameters():
            sign = torch.randint(0, 2, parameter.shape, generator=generator).double() * 2 - 1
            parameter.mul_(1 + LAST_PLACE * sign)
    return model


def _in_float64(model: NeuralNet, case: Case) -> Outputs:
    return _outputs(lambda rows: model(torch.from_numpy(rows).double()).numpy(), case)


def _outputs(run: Callable[[Rows], Outputs], case: Case) -> Outputs:
    if not case.batches:
        return np.empty(0, np.float32)
    return np.concatenate([run(batch)[:, 0] for batch in case.batches])


def _mismatch(outputs: Outputs, worst: int, reference: CaseReference, name: str) -> str:
    sizes = [len(batch) for batch in reference.case.batches]
    row = np.concatenate(reference.case.batches)[worst]
    shown = ", ".join(f"{value:.9g}" for value in row[:8]) + (", ..." if len(row) > 8 else "")
    return (
        f"{name} does not compute what torch computes, and is not written: among {reference.case.name}, "
        f"the row [{shown}] in a batch of {np.repeat(sizes, sizes)[worst]} gives {outputs[worst]:.9g}, "
        f"torch {reference.float32[worst]:.9g} (in float64 {reference.float64[worst]:.17g}); "
        f"the difference may be {reference.allowed[worst]:.2g}"
    )
