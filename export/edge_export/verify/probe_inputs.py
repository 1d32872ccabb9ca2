"""The inputs that an exported model is compared on: ordinary ones, ones on the decision boundary, extreme ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.tensors import BATCH, Tensors, count_rows, take
from edge_export.verify.decision_boundary import _differ, _pairs, decisions
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.input_distributions import Population, populations
from edge_export.verify.missing_values import gap_columns, patterns, with_gaps
from edge_runtime.contract.values import FLOAT32_MAX

# What the kinds of rows are called, in tables and messages.
CATEGORIES = "rows with every category"
GAPS = "rows with gaps"
LENGTHS = "other lengths"
BOUNDARY = "rows on the decision boundary"
EXTREME = "extreme rows"
NOT_FINITE = "rows with NaN or infinity"
SEARCHED = "worst rows found by search"

# One, two, odd and large batches: ONNX Runtime and torch choose other kernels for each.
BATCH_SIZES = (1, 1, 1, 1, 2, 2, 3, 7, 37, 1024, 8191)
# Of a module that is too costly for more rows than this in a call, fewer calls are compared, and none searched for.
FEW_ROWS = 16
SIZES = (1, 2, 3, 5, 8, 17, 33, 64)

# The largest number that is planted where what overflows does not matter.
MODERATE = 1e4

_SMALL_EXTREMES = (0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, MODERATE, -MODERATE)
_FINITE_EXTREMES = (*_SMALL_EXTREMES, 1e9, -1e9)
# What a person's table may hold, and a tensor hardly: squared, it overflows.
_HUGE = (1e30, -1e30)
_NOT_FINITE = (np.nan, np.inf, -np.inf)
_MOST_ELEMENTS = 16
# Calls of a program without a batch, and rows of one with a batch that are also compared one by one.
_MOST_CALLS = 32
_ONE_BY_ONE = 8
# Rows through all categories, which go round where there are fewer of them.
_FEWEST_WALKED = 64

# Numbers that torch may compute for one call, so that large modules are compared on fewer rows, not for hours.
_BUDGET = 2.0**22


@dataclass(frozen=True)
class Case:
    """Inputs of one kind.

    Attributes:
        name: what they have in common.
        batches: each the tensors of one call.
    """

    name: str
    batches: tuple[Tensors, ...]


class Cases:
    """Draws the cases for a program; the same program, data and seed give the same ones."""

    def __init__(self, program: Program, data: Tensors | None = None, finite_only: bool = False, seed: int = 0) -> None:
        """Draw from `seed`, rows like `data` if that is given; `finite_only` without what may overflow."""
        self.program = program
        self._finite_only = finite_only
        self._data = data
        self._random = np.random.default_rng(seed)
        self._populations = populations(program, data)
        self._gap_columns = gap_columns(self._populations)
        self._gap_shares = [self._populations[name].gap_shares[column] for name, column in self._gap_columns]
        self._sizes = {
            dimension: size
            for spec in program.inputs
            for dimension, size in zip(spec.shape, program.example[spec.name].shape, strict=True)
            if isinstance(dimension, str)
        }
        # A case has its rows in one batch, or the same in few.
        self.most_rows = max(3, int(_BUDGET / program.cost))

    @property
    def ordinary_name(self) -> str:
        """What the rows of the first case are like."""
        if self._data is not None:
            return "rows like the data"
        return "rows like the example" if self.program.signature is None else "rows like the training data"

    def all(self, arithmetic: Arithmetic) -> tuple[Case, ...]:
        """Every case; `arithmetic` runs the program in float64, to find where its decisions change.

        Raises:
            ExportError: the module itself fails on all rows like its example.
        """
        ordinary = self.runnable(self.ordinary())
        if not ordinary.batches:
            raise ExportError("the module itself fails on inputs like its example: nothing can be compared")
        others = [self.runnable(case) for case in (self.categories(), self.gaps(), self.lengths())]
        boundary = self.runnable(self.boundary(arithmetic))
        kinds: list[tuple[str, tuple[float, ...]]] = [(EXTREME, _SMALL_EXTREMES)]
        if not self._finite_only:
            huge = _HUGE if self.program.signature is not None else ()
            kinds = [(EXTREME, (*_FINITE_EXTREMES, *huge)), (NOT_FINITE, _NOT_FINITE)]
        planted = [self.runnable(self._planted(*kind)) for kind in kinds]
        return (ordinary, *(case for case in others if case.batches), boundary, *planted)

    def draw(self, rows: int | None = None, width: float = 1.0, sizes: Mapping[str, int] | None = None) -> Tensors:
        """Ordinary inputs: of this many rows where the program has a batch, and with these sizes of dimensions."""
        drawn = self._filled(rows, width, sizes)
        if not any(self._gap_shares):
            return drawn
        gaps = self._random.random((count_rows(drawn), len(self._gap_columns))) < self._gap_shares
        return with_gaps(drawn, self._populations, self._gap_columns, gaps)

    def _filled(self, rows: int | None, width: float = 1.0, sizes: Mapping[str, int] | None = None) -> Tensors:
        """As `draw`, without gaps."""
        wanted = {**self._sizes, **(sizes or {}), **({} if rows is None else {BATCH: rows})}
        return {name: population.draw(self._random, wanted, width) for name, population in self._populations.items()}

    def ordinary(self) -> Case:
        """The example, some of the data, and inputs like them, in batches of many sizes."""
        batches = [self.program.example]
        if self._data is not None:
            batches.append({name: values[: self.most_rows] for name, values in self._data.items()})
        if BATCH in self._sizes:
            wanted = BATCH_SIZES if self.most_rows >= FEW_ROWS else (1, 2, 3)
            batches += [self.draw(rows) for rows in wanted if rows <= self.most_rows]
        else:
            batches += [self.draw() for _ in BATCH_SIZES]
        return Case(self.ordinary_name, tuple(batches))

    def categories(self) -> Case:
        """Every code of every text: each of them is an entry of its own in an artifact."""
        texts = {name: population for name, population in self._populations.items() if population.holds_strings}
        if not texts or not self.program.is_batched:
            return Case(CATEGORIES, ())
        counts = {name: np.asarray(population.high) + 1 for name, population in texts.items()}
        codes = np.arange(max(_FEWEST_WALKED, *(int(count.max()) for count in counts.values())))
        rows = self._filled(len(codes))
        # Columns out of step, so that a row does not have the same code in all of them.
        walked = {name: (codes[:, None] + np.arange(len(count))) % count for name, count in counts.items()}
        calls = np.array_split(codes, max(1, -(-len(codes) // self.most_rows)))
        return Case(CATEGORIES, tuple(take({**rows, **walked}, call) for call in calls))

    def gaps(self) -> Case:
        """Every pattern of gaps, or many, as far as the program takes gaps."""
        if not self._gap_columns or not self.program.is_batched:
            return Case(GAPS, ())
        found = patterns(len(self._gap_columns), self.most_rows, self._random)
        rows = with_gaps(self._filled(len(found)), self._populations, self._gap_columns, found)
        return Case(GAPS, _in_batches(rows) if self.most_rows >= FEW_ROWS else (rows,))

    def lengths(self) -> Case:
        """Several sizes of every dimension but the batch, for one row and for two."""
        batches = []
        for dimension, example in self._sizes.items():
            if dimension == BATCH:
                continue
            # Sizes beyond the range that torch.export holds the graph for, too: where the module itself takes them, so
            # will the artifact, and it must not go on with another branch then.
            for size in sorted({*SIZES, 2 * example}):
                batches += [
                    self.draw(rows, sizes={dimension: size}) for rows in ((1, 2) if BATCH in self._sizes else (None,))
                ]
        return Case(LENGTHS, tuple(batches))

    def near(self, rows: Tensors, width: float) -> Tensors:
        """Rows that are `rows` moved at random by `width` of the spread; what is no number stays as it is."""
        return {
            name: (values + width * self._populations[name].spread * self._random.standard_normal(values.shape))
            .clip(-FLOAT32_MAX, FLOAT32_MAX)
            .astype(values.dtype)
            if self._populations[name].is_floating
            else values
            for name, values in rows.items()
        }

    def boundary(self, arithmetic: Arithmetic) -> Case:
        """Rows where a decision of the program changes in float64, and on both sides of it, nearer and farther.

        Found by bisection between rows of different decisions; none if there are no such rows, or no decisions.
        """
        floating = [name for name, population in self._populations.items() if population.is_floating]
        if not self.program.is_batched or not floating:
            return Case(BOUNDARY, ())

        def decide(rows: Tensors) -> npt.NDArray[np.int64] | None:
            wide = {name: tensor.numpy() for name, tensor in arithmetic.run(rows).items()}
            found = decisions(self.program, wide)
            return found if found is not None and len(found) == count_rows(rows) else None

        steps = [0.0, *(sign * 10.0**-power for power in range(1, 8) for sign in (-1, 1))]
        rows = self.draw(max(2, min(512, self.most_rows)), width=2.0)
        found = decide(rows)
        if found is None:
            return Case(BOUNDARY, ())
        pairs = _pairs(found)[: max(1, min(128, self.most_rows // len(steps)))]
        start, end = (take(rows, pairs[:, side]) for side in (0, 1))
        wide_start = {name: start[name].astype(np.float64) for name in floating}
        # Gaps stay those of the start, as whatever else is no number: there is no way between a gap and a number.
        wide_end = {name: np.where(np.isnan(end[name]), start[name], end[name]).astype(np.float64) for name in floating}

        def between(shares: npt.NDArray[np.float64], kind: type[np.floating]) -> Tensors:
            points = dict(start)
            for name in floating:
                share = shares.reshape(-1, *[1] * (start[name].ndim - 1))
                point = wide_start[name] + share * (wide_end[name] - wide_start[name])
                points[name] = point.clip(-FLOAT32_MAX, FLOAT32_MAX).astype(kind)
            return points

        if not len(pairs):
            return Case(BOUNDARY, ())
        low, high = np.zeros(len(pairs)), np.ones(len(pairs))
        before = decide(start)
        # The inputs that are no numbers stay those of the start, so the far end may decide as the start does.
        apart = _differ(decide(between(high, np.float64)), before)
        for _ in range(60):
            middle = (low + high) / 2
            beyond = _differ(decide(between(middle, np.float64)), before)
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        points = [take(between(high + step, np.float32), np.flatnonzero(apart)) for step in steps]
        return Case(BOUNDARY, _in_batches(_join(points)) if apart.any() else ())

    def _planted(self, name: str, values: Sequence[float]) -> Case:
        """Rows in which every element of an input, or one alone among ordinary ones, has one of `values`."""
        rows = []
        for input_name, population in self._populations.items():
            if not population.is_floating:
                rows += self._extremes(input_name, population) if name == EXTREME else []
                continue
            ordinary = {**self.draw(1), input_name: self._center(population)}
            count = ordinary[input_name].size
            places = [slice(None), *np.unique(np.linspace(0, count - 1, min(count, _MOST_ELEMENTS)).astype(int))]
            for place in places:
                for value in values:
                    planted = ordinary[input_name].copy()
                    planted.reshape(-1)[place] = value
                    rows.append({**ordinary, input_name: planted})
        most = min(self.most_rows, len(rows)) if self.program.is_batched else min(_MOST_CALLS, len(rows))
        rows = [rows[index] for index in np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if rows else []
        if not self.program.is_batched or not rows:
            return Case(name, tuple(rows))
        joined = _join(rows)
        return Case(name, _in_batches(joined) if self.most_rows >= FEW_ROWS else (joined,))

    def _extremes(self, name: str, population: Population) -> list[Tensors]:
        """Rows in which an input of integers or booleans is smallest or largest, or one of its texts alone is."""
        places: list[Any] = [
            ...,
            *((..., column) for column in range(len(population.features) * population.holds_strings)),
        ]
        rows: list[Tensors] = []
        for extreme in (population.low, population.high):
            for place in places:
                row = self.draw(1)
                values = self.draw(1)[name]
                values[place] = np.broadcast_to(extreme, values.shape)[place]
                rows.append({**row, name: values})
        return rows

    def _center(self, population: Population) -> npt.NDArray[np.float32]:
        shape = [self._sizes[size] if isinstance(size, str) else size for size in population.spec.shape]
        if self.program.is_batched:
            shape[0] = 1
        return np.broadcast_to(population.center, shape).astype(np.float32)

    def runnable(self, case: Case) -> Case:
        """`case` without inputs on which the module itself fails: there is nothing to compare then."""
        return Case(case.name, tuple(batch for batch in case.batches if self.program.try_run(batch) is not None))


def _join(batches: Sequence[Tensors]) -> Tensors:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def _in_batches(rows: Tensors) -> tuple[Tensors, ...]:
    """`rows` as one batch, some of them one by one, and the first and last two as pairs."""
    count = count_rows(rows)
    alone = np.unique(np.linspace(0, count - 1, min(count, _ONE_BY_ONE)).astype(int))
    parts = [slice(None), *(slice(index, index + 1) for index in alone), slice(2), slice(-2, None)]
    return tuple({name: values[part] for name, values in rows.items()} for part in parts)
