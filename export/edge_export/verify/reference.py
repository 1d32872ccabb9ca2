"""The reference: what torch computes in float64, and how far from it an exported model may be, element by element.

The tolerance of an element is `MULTIPLE` times the largest of three things, each a measure of what float32 cannot
resolve of that element: torch float32's own error; how far the element moves if the roundings of float32 fall otherwise
(`random_rounding`); half a unit in the last place of the output's usual magnitude. If torch float32 itself is farther
off than the last two explain, it overflowed on the way or met NaN: there the exported model must do what torch float32
does. So a label can change only if the reference is closer to the threshold than the tolerance. Integers and booleans
must be equal wherever float32 decides them: wherever they stay the same under roundings `MULTIPLE` times as large as
float32's.

docs/verification.md says why eight, with figures.
"""

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
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.random_rounding import HALF_UNIT, RandomRounding
from edge_runtime.contract.progress import SILENT, Progress
from edge_runtime.verification import distance

MULTIPLE = 8.0
DRAWS = 16
COSTLY = 2.0**18  # numbers that are computed for a row


@dataclass(frozen=True)
class TensorReference:
    """What torch computes for one output of one call; all arrays have the output's shape.

    Attributes:
        float32: what the module computes as it is.
        float64: what it computes in float64; for integers and booleans, what they then are.
        sensitivity: how far `float64` moves under the roundings of float32; for integers and booleans, infinity if they
            change under larger roundings, else 0.
        magnitude: the output's usual magnitude, broadcastable to its shape.
        finite_only: whether elements that are not finite in float32 or in float64 are excluded.
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
        """What float32 can resolve of each element, as far as the program alone determines it."""
        if self.is_discrete:
            return self.sensitivity
        size = np.maximum(np.where(np.isfinite(self.float64), np.abs(self.float64), 0.0), self.magnitude)
        resolution: Array = np.maximum(self.sensitivity, HALF_UNIT * size)
        return resolution

    @cached_property
    def torch_errors(self) -> Array:
        """The error of torch float32 against float64; NaN if either is NaN, 0 if both are the same infinity."""
        unknown = np.isnan(self.float32) | np.isnan(self.float64)
        return np.where(unknown, np.nan, distance(self.float32, self.float64))

    @cached_property
    def trusted(self) -> npt.NDArray[np.bool_]:
        """Whether float32 did not overflow on the way, so that float64 is the reference."""
        return np.nan_to_num(self.torch_errors, nan=np.inf) <= MULTIPLE * self.resolution

    @cached_property
    def expected(self) -> Array:
        """What an exported model must compute."""
        return np.where(self.trusted, self.float64, self.float32)

    @cached_property
    def tolerance(self) -> Array:
        """How far from `expected` it may be; infinity for an excluded element."""
        if self.is_discrete:
            return self.sensitivity
        tolerance = MULTIPLE * np.maximum(self.resolution, np.where(self.trusted, self.torch_errors, 0))
        return np.where(self.is_finite, tolerance, np.inf) if self.finite_only else tolerance

    @property
    def is_finite(self) -> npt.NDArray[np.bool_]:
        """Whether both float32 and float64 give a finite number."""
        return np.isfinite(self.float32) & np.isfinite(self.float64)


CallReference: TypeAlias = dict[str, TensorReference]


@dataclass(frozen=True)
class ProbeReference:
    """What torch computes for probe inputs: for each call, by output."""

    probe: ProbeInputs
    calls: tuple[CallReference, ...]


class References:
    """Computes what torch computes for a program, in float32 as it is and in other arithmetic.

    Attributes:
        program: the program.
        exact: runs it in float64.
        draws: how many random choices of roundings are drawn.
    """

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

    def of_probes(self, probes: Sequence[ProbeInputs], progress: Progress = SILENT) -> list[ProbeReference]:
        """The references of all `probes`; the first one, of ordinary rows, tells each output's usual magnitude."""
        self._magnitudes = self._usual_magnitudes(probes[0])
        found = []
        for probe in probes:
            calls = []
            for call in probe.calls:
                calls.append(self.of_call(call))
                progress.advance()
            found.append(ProbeReference(probe, tuple(calls)))
        return found

    def of_call(self, tensors: Tensors) -> CallReference:
        """The references of one call, by output.

        Raises:
            ExportError: an output has another shape in float64 or under other roundings.
        """
        float32 = self.program.run(tensors)
        float64 = self._in(self.exact, tensors)
        for name, values in float32.items():
            if values.shape != float64[name].shape:
                raise ExportError(
                    f"{name} has the shape {list(values.shape)} for inputs of the shapes "
                    f"{[list(given.shape) for given in tensors.values()]}, and {list(float64[name].shape)} in what "
                    "torch.export captured: the captured graph holds only for the example's branch or size"
                )
        is_discrete = any(values.dtype.kind != "f" for values in float32.values())
        draws = [self._in(draw, tensors) for draw in self._draws]
        large = [self._in(draw, tensors) for draw in self._large_draws] if is_discrete else draws
        references = {}
        for name, values in float32.items():
            if any(draw[name].shape != values.shape for draw in large):
                raise ExportError(
                    f"the number of elements of {name} depends on how float32 rounds, so that it cannot be compared; "
                    "return a tensor of a fixed size, such as a mask"
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

    def _usual_magnitudes(self, probe: ProbeInputs) -> dict[str, Array]:
        """The root mean square of each output, for each place on its last axis if that has a fixed size."""
        found = [self._in(self.exact, call) for call in probe.calls]
        magnitudes = {}
        for name in self.program.outputs:
            values = [outputs[name] for outputs in found]
            per_column = name in self.program.column_outputs
            flat = np.concatenate([value.reshape(-1, *(value.shape[-1:] if per_column else ())) for value in values])
            magnitudes[name] = np.sqrt((np.where(np.isfinite(flat), flat, 0.0).astype(np.float64) ** 2).mean(axis=0))
        return magnitudes
