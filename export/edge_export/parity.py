"""The standard of proof: what an exported model must share with torch, row by row.

The reference is torch in float64. A row's error against it may be at most `MULTIPLE` times the largest of three things,
each a measure of what float32 cannot know about that row: torch float32's own error; how far the output moves if every
weight is off by one unit in its last place; half a unit in the last place of 1.0, since the outputs are probabilities.
Where torch float32 itself is farther off than the last two explain, it overflowed on the way or met NaN: there the
exported model must do what torch float32 does. A label can therefore change only where the reference is closer to the
threshold than the error allowed.

The second measure is there because torch's own error in one row may be small by luck. That float32 arithmetic gives the
exact result for slightly other weights is backward error analysis: Higham, Accuracy and Stability of Numerical
Algorithms (2002), chapter 3. docs/proof.md says why eight, with figures.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
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
PERTURBATIONS = 16

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

    @cached_property
    def resolution(self) -> Outputs:
        """What float32 can resolve in each row, as far as it depends on the model alone."""
        return np.maximum(self.sensitivity, HALF_UNIT)

    @cached_property
    def torch_errors(self) -> Outputs:
        """The error of torch float32 against float64 in each row; NaN where either is NaN."""
        with np.errstate(invalid="ignore"):
            return np.abs(self.float32 - self.float64)

    @cached_property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Where float32 did not overflow on the way, so that float64 is the truth, shape (rows,)."""
        return self.torch_errors <= MULTIPLE * self.resolution

    @cached_property
    def expected(self) -> Outputs:
        """What an exported model must compute in each row."""
        return np.where(self.trusted, self.float64, self.float32)

    @cached_property
    def allowed(self) -> Outputs:
        """How far from `expected` it may be in each row."""
        return MULTIPLE * np.maximum(self.resolution, np.where(self.trusted, self.torch_errors, 0))


@dataclass(frozen=True)
class Comparison:
    """How an exported model did in one case.

    Attributes:
        case: the rows compared.
        torch_error: torch float32's own largest error against float64, where it did not overflow.
        error: the exported model's largest error.
        allowed: the largest error that any row may have.
        share: the largest error as a share of what is allowed in its row, from 0 to 1.
        decided: how many rows are farther from the threshold than the error allowed, so that their labels are equal.
    """

    case: Case
    torch_error: float
    error: float
    allowed: float
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
    expected, allowed = reference.expected, reference.allowed
    with np.errstate(invalid="ignore"):
        errors = np.abs(outputs - expected)
    same = np.isnan(outputs) & np.isnan(expected) | (outputs == expected)
    errors = np.where(same, 0.0, np.where(np.isnan(errors), np.inf, errors))
    shares = errors / allowed
    if (shares > 1).any():
        raise ParityError(_mismatch(outputs, int(shares.argmax()), reference, name))
    return Comparison(
        case=reference.case,
        torch_error=float(reference.torch_errors[reference.trusted].max(initial=0.0)),
        error=float(errors.max(initial=0.0)),
        allowed=float(allowed.max(initial=0.0)),
        share=float(shares.max(initial=0.0)),
        decided=int((np.abs(expected - signature.threshold) > allowed).sum()),
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
