"""What torch computes, in float32 and in float64, and how far from it an exported model may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.tensors import Array, Tensors
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_inputs import Case
from edge_export.verify.random_rounding import HALF_UNIT, RandomRounding
from edge_runtime.verification import distance

MULTIPLE = 8.0


DRAWS = 16


COSTLY = 2.0**18  # numbers that are computed for a row


@dataclass(frozen=True)
class TensorReference:
    """What torch computes for one output of one call; all arrays of the output's shape.

    Attributes:
        float32: what the module computes as it is.
        float64: what it computes in float64; for integers and booleans, what these then are.
        sensitivity: how far `float64` moves under the roundings of float32; for integers and booleans, infinity where
            they change under larger ones, else 0.
        magnitude: the output's usual magnitude, broadcastable to its shape.
        finite_only: whether nothing is said of elements that are not finite in float32 or in float64.
    """

    float32: Array
    float64: Array
    sensitivity: Array
    magnitude: Array
    finite_only: bool

    @property
    def is_discrete(self) -> bool:
        """Whether the output holds integers or booleans."""
        return bool(self.float32.dtype.kind != "f")

    @cached_property
    def resolution(self) -> Array:
        """What float32 can resolve of each element, as far as it depends on the program alone."""
        if self.is_discrete:
            return self.sensitivity
        size = np.maximum(np.where(np.isfinite(self.float64), np.abs(self.float64), 0.0), self.magnitude)
        resolution: Array = np.maximum(self.sensitivity, HALF_UNIT * size)
        return resolution

    @cached_property
    def torch_errors(self) -> Array:
        """The error of torch float32 against float64; NaN where either is NaN, 0 where both are the same infinity."""
        unknown = np.isnan(self.float32) | np.isnan(self.float64)
        return np.where(unknown, np.nan, distance(self.float32, self.float64))

    @cached_property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Where float32 did not overflow on the way, so that float64 is the truth."""
        return np.nan_to_num(self.torch_errors, nan=np.inf) <= MULTIPLE * self.resolution

    @cached_property
    def expected(self) -> Array:
        """What an exported model must compute."""
        return np.where(self.trusted, self.float64, self.float32)

    @cached_property
    def allowed(self) -> Array:
        """How far from `expected` it may be."""
        if self.is_discrete:
            return self.sensitivity
        allowed = MULTIPLE * np.maximum(self.resolution, np.where(self.trusted, self.torch_errors, 0))
        return np.where(self.is_finite, allowed, np.inf) if self.finite_only else allowed

    @property
    def is_finite(self) -> npt.NDArray[np.bool_]:
        """Where both float32 and float64 give a finite number."""
        return np.isfinite(self.float32) & np.isfinite(self.float64)


BatchReference: TypeAlias = dict[str, TensorReference]


@dataclass(frozen=True)
class CaseReference:
    """What torch computes in one case: for each batch, by output."""

    case: Case
    batches: tuple[BatchReference, ...]


class References:
    """Computes what torch computes for a program, in float32 as it is and in other arithmetic."""

    def __init__(self, program: Program, finite_only: bool = False) -> None:
        """Widen `program` to float64; `finite_only` as in `TensorReference`."""
        self.program = program
        self._finite_only = finite_only
        self.exact = Arithmetic(program)
        # 4 draws of a module with many elements still find the largest of many.
        self.draws = DRAWS if program.cost < COSTLY else DRAWS // 4
        self._draws = [RandomRounding(self.exact, seed) for seed in range(self.draws)]
        self._large_draws = [RandomRounding(self.exact, seed, MULTIPLE) for seed in range(self.draws)]
        self._magnitudes: dict[str, Array] = {}

    def of_cases(self, cases: Sequence[Case]) -> list[CaseReference]:
        """The references of all `cases`; the first one, of ordinary rows, tells each output's usual magnitude."""
        self._magnitudes = self._usual_magnitudes(cases[0])
        return [CaseReference(case, tuple(self.of_batch(batch) for batch in case.batches)) for case in cases]

    def of_batch(self, tensors: Tensors) -> BatchReference:
        """The references of one call, by output."""
        float32 = self.program.run(tensors)
        float64 = self._in(self.exact, tensors)
        for name, values in float32.items():
            if values.shape != float64[name].shape:
                raise ExportError(
                    f"{name} has the shape {list(values.shape)} for inputs of the shapes "
                    f"{[list(given.shape) for given in tensors.values()]}, and {list(float64[name].shape)} in what "
                    "torch.export captured: it holds for the example's branch or size alone"
                )
        is_discrete = any(values.dtype.kind != "f" for values in float32.values())
        draws = [self._in(draw, tensors) for draw in self._draws]
        large = [self._in(draw, tensors) for draw in self._large_draws] if is_discrete else draws
        references = {}
        for name, values in float32.items():
            if any(draw[name].shape != values.shape for draw in large):
                raise ExportError(
                    f"how many elements {name} has depends on how float32 rounds, so that it cannot be compared; give "
                    "a tensor of a fixed size, such as a mask"
                )
            if values.dtype.kind == "f":
                moved = [distance(draw[name], float64[name]) for draw in draws]
                sensitivity = np.nan_to_num(np.max(moved, axis=0), posinf=0.0)
            else:
                changed = np.any([draw[name] != float64[name] for draw in large], axis=0)
                sensitivity = np.where(changed, np.inf, 0.0)
            magnitude = self._magnitudes.get(name, np.zeros(()))
            references[name] = TensorReference(values, float64[name], sensitivity, magnitude, self._finite_only)
        return references

    def _in(self, arithmetic: Arithmetic, tensors: Tensors) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in arithmetic.run(tensors).items()}

    def _usual_magnitudes(self, case: Case) -> dict[str, Array]:
        """The root mean square of each output, for each place on its last axis where that has a fixed size."""
        found = [self._in(self.exact, batch) for batch in case.batches]
        magnitudes = {}
        for name in self.program.outputs:
            values = [outputs[name] for outputs in found]
            per_column = name in self.program.column_outputs
            flat = np.concatenate([value.reshape(-1, *(value.shape[-1:] if per_column else ())) for value in values])
            magnitudes[name] = np.sqrt((np.where(np.isfinite(flat), flat, 0.0).astype(np.float64) ** 2).mean(axis=0))
        return magnitudes
