"""The inputs that an exported model is compared on: a function for each kind of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edge_export.tensors import BATCH, Tensors, count_rows, evenly_spaced, join, row_shapes, take
from edge_export.verify.date_draws import calendar_edges
from edge_export.verify.decision_boundary import boundary_rows
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.input_distributions import InputDistribution
from edge_export.verify.lookup_trials import sizes_of
from edge_export.verify.missing_values import missing_patterns
from edge_export.verify.probe_kinds import (
    BOUNDARY,
    DATES,
    EVERY_CATEGORY,
    EXTREME,
    MISSING_VALUES,
    NOT_FINITE,
    OTHER_LENGTHS,
    ProbeInputs,
)
from edge_export.verify.runnable_calls import check_enough, runnable
from edge_export.verify.sampler import Sampler
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND

# One, two, odd and large batches: ONNX Runtime and torch choose other kernels for each.
BATCH_SIZES = (1, 1, 1, 1, 2, 2, 3, 7, 37, 1024, 8191)
SIZES = (1, 2, 3, 5, 8, 17, 33, 64)

# The largest number that is planted if overflow is excluded.
MODERATE = 1e4
_SMALL_EXTREMES = (0.0, -0.0, 1e-45, -1e-45, 1e-38, -1e-38, MODERATE, -MODERATE)
_FINITE_EXTREMES = (*_SMALL_EXTREMES, 1e9, -1e9)
# A table may hold such numbers; a tensor of another module hardly does. Squared, they overflow.
_HUGE = (1e30, -1e30)
_NOT_FINITE = (np.nan, np.inf, -np.inf)
_MOST_ELEMENTS = 16
# Calls of a program without a batch, and rows of one with a batch that are also compared one by one.
_MOST_CALLS = 32
_ONE_BY_ONE = 8
# The fewest rows that all categories are gone through in.
_FEWEST_WALKED = 64


def all_probe_inputs(
    sampler: Sampler, exact: Arithmetic, finite_only: bool = False, require_nonfinite: bool = False
) -> tuple[ProbeInputs, ...]:
    """The probe inputs of every kind, ordinary ones first; without those that the module itself fails on.

    Args:
        sampler: draws them.
        exact: runs the program in float64, to find where its decisions change.
        finite_only: whether to draw neither NaN nor infinity nor numbers that may overflow.
        require_nonfinite: whether an exported model must do what torch does for NaN, infinity and extreme numbers,
            whatever the program's inputs mean.

    Raises:
        ExportError: the module itself fails on most ordinary inputs.
    """
    program = sampler.program
    likely = ordinary(sampler)
    first = runnable(program, likely)
    check_enough(program, likely.calls[1 if sampler.data is None else 2 :], first)
    kinds_of_rows = (every_category, calendar_dates, missing_values, other_lengths)
    others = [runnable(program, kind(sampler)) for kind in kinds_of_rows]
    boundary = runnable(program, decision_boundary(sampler, exact))
    if finite_only:
        kinds: list[tuple[str, tuple[float, ...]]] = [(EXTREME, _SMALL_EXTREMES)]
    else:
        huge = _HUGE if program.table is not None else ()
        kinds = [(EXTREME, (*_FINITE_EXTREMES, *huge)), (NOT_FINITE, _NOT_FINITE)]
    # A column of a table may hold any number; an image does not.
    required = {EXTREME: require_nonfinite or program.table is not None, NOT_FINITE: require_nonfinite}
    planted = [
        replace(runnable(program, planted_values(sampler, kind, values)), is_required=required[kind])
        for kind, values in kinds
    ]
    return (first, *(probe for probe in others if probe.calls or probe.not_run), boundary, *planted)


def ordinary_kind(sampler: Sampler) -> str:
    """What ordinary rows are like."""
    if sampler.given:
        return "rows of the sampler given"
    if sampler.data is not None:
        return "rows like the data"
    return "rows like the example" if sampler.program.table is None else "rows like the training data"


def ordinary(sampler: Sampler) -> ProbeInputs:
    """The example, some of the data, and inputs like them, in batches of many sizes."""
    calls = [sampler.program.example]
    if sampler.data is not None:
        calls.append({name: values[: sampler.most_rows] for name, values in sampler.data.items()})
    if BATCH in sampler.sizes and sampler.is_costly:
        calls += _few_rows(sampler)
    elif BATCH in sampler.sizes:
        calls += [sampler.draw(rows) for rows in BATCH_SIZES if rows <= sampler.most_rows]
    else:
        calls += [sampler.draw() for _ in BATCH_SIZES]
    return ProbeInputs(ordinary_kind(sampler), tuple(calls))


def _few_rows(sampler: Sampler) -> list[Tensors]:
    """One row, and three: two of the example and the same one, so that float64 computes each only once."""
    one = sampler.draw(1)
    first = {name: values[:2] for name, values in sampler.program.example.items()}
    if not sampler.program.is_batched or row_shapes(one) != row_shapes(first):
        return [one, sampler.draw(3)]
    return [one, join([first, one])]


def every_category(sampler: Sampler) -> ProbeInputs:
    """Every category code of every column: each of them is an entry of its own in an artifact."""
    codes = {name: known for name, known in sampler.distributions.items() if known.holds_codes}
    if not codes or not sampler.program.is_batched:
        return ProbeInputs(EVERY_CATEGORY, ())
    counts = {name: np.asarray(known.high) + 1 for name, known in codes.items()}
    walk = np.arange(max(_FEWEST_WALKED, *(int(count.max()) for count in counts.values())))
    rows = sampler.draw_complete(len(walk))
    # Columns out of step, so that a row does not have the same code in all of them.
    walked = {name: (walk[:, None] + np.arange(len(count))) % count for name, count in counts.items()}
    calls = np.array_split(walk, max(1, -(-len(walk) // sampler.most_rows)))
    return ProbeInputs(EVERY_CATEGORY, tuple(take({**rows, **walked}, call) for call in calls))


def calendar_dates(sampler: Sampler) -> ProbeInputs:
    """Every day of some years, leap days and the ends of months, years and centuries, in every column of dates."""
    dates = {name: calendar_edges(known.low, known.high) for name, known in _with_dates(sampler).items()}
    if not dates or not sampler.program.is_batched:
        return ProbeInputs(DATES, ())
    count = count_rows(dates)
    rows = {**sampler.draw_complete(count), **dates}
    calls = np.array_split(np.arange(count), max(1, -(-count // sampler.most_rows)))
    return ProbeInputs(DATES, tuple(take(rows, call) for call in calls))


def _with_dates(sampler: Sampler) -> dict[str, InputDistribution]:
    return {name: known for name, known in sampler.distributions.items() if known.holds_dates}


def missing_values(sampler: Sampler) -> ProbeInputs:
    """Every missing-value pattern, or many, of the columns that may be missing."""
    if not sampler.missing_columns or not sampler.program.is_batched:
        return ProbeInputs(MISSING_VALUES, ())
    patterns = missing_patterns(len(sampler.missing_columns), sampler.most_rows, sampler.random)
    rows = sampler.with_missing(sampler.draw_complete(len(patterns)), patterns)
    return ProbeInputs(MISSING_VALUES, _in_calls(sampler, rows))


def other_lengths(sampler: Sampler) -> ProbeInputs:
    """Several sizes of every dimension except the batch, for one row and for two.

    Sizes beyond the range that torch.export holds the graph for are among them: if the module itself takes them, so
    will the artifact, and it must not take another branch then.
    """
    rows_of_calls = (1, 2) if BATCH in sampler.sizes else (None,)
    calls = [
        sampler.draw(rows, sizes={dimension: size})
        for dimension, example in sampler.lengths.items()
        for size in sorted({*SIZES, 2 * example})
        for rows in rows_of_calls
    ]
    return ProbeInputs(OTHER_LENGTHS, tuple(calls))


def decision_boundary(sampler: Sampler, exact: Arithmetic) -> ProbeInputs:
    """Rows on the decision boundary and on both sides of it."""
    rows = boundary_rows(sampler, exact)
    return ProbeInputs(BOUNDARY, () if rows is None else _in_calls(sampler, rows))


def planted_values(sampler: Sampler, kind: str, values: Sequence[float]) -> ProbeInputs:
    """Rows in which every element of an input, or one alone among ordinary ones, has one of `values`."""
    rows: list[Tensors] = []
    for name, known in sampler.distributions.items():
        if not known.is_floating:
            rows += _smallest_and_largest(sampler, name, known) if kind == EXTREME else []
            continue
        ordinary_row = dict(sampler.draw(1))
        ordinary_row[name] = sampler.mean_row(known, ordinary_row[name].shape)
        count = ordinary_row[name].size
        places = [slice(None), *evenly_spaced(count, _MOST_ELEMENTS)]
        for place in places:
            for value in values:
                planted = ordinary_row[name].copy()
                # A narrow type holds none of the largest.
                largest = np.finfo(planted.dtype).max
                planted.reshape(-1)[place] = np.clip(value, -largest, largest) if np.isfinite(value) else value
                # What stands for an integer is none of these.
                planted = np.where(known.holds_integers, ordinary_row[name], planted)
                rows.append({**ordinary_row, name: planted})
    if not rows:
        return ProbeInputs(kind, ())
    if sampler.program.is_batched:
        rows = [rows[index] for index in evenly_spaced(len(rows), sampler.most_rows)]
        # A sampler of the user's may give rows of several lengths; and a row that the module does not take would cost
        # all others.
        if len(set(map(row_shapes, rows))) == 1 and sampler.program.failure(joined := join(rows)) is None:
            return ProbeInputs(kind, _in_calls(sampler, joined))
    return ProbeInputs(kind, tuple(rows[index] for index in evenly_spaced(len(rows), _MOST_CALLS)))


def _smallest_and_largest(sampler: Sampler, name: str, known: InputDistribution) -> list[Tensors]:
    """Rows in which an input of integers or booleans is smallest or largest, or one column of it alone."""
    places: list[Any] = [..., *((..., column) for column in range(known.columns))]
    rows: list[Tensors] = []
    for end in range(2):
        for place in places:
            row = sampler.draw(1)
            values = row[name].copy()
            low, high = known.low, known.highest(sizes_of(sampler.program, row))
            if known.holds_dates:
                low, high = np.full_like(low, FIRST_SECOND), np.full_like(high, LAST_SECOND)
            extreme = high if end else low
            values[place] = np.broadcast_to(extreme, values.shape)[place]
            rows.append({**row, name: values})
    return rows


def _in_calls(sampler: Sampler, rows: Tensors) -> tuple[Tensors, ...]:
    """`rows` in one call, some of them one by one, and the first and last two as pairs; in one call if costly."""
    if sampler.is_costly:
        return (rows,)
    count = count_rows(rows)
    alone = evenly_spaced(count, _ONE_BY_ONE)
    parts = [slice(None), *(slice(index, index + 1) for index in alone), slice(2), slice(-2, None)]
    return tuple({name: values[part] for name, values in rows.items()} for part in parts)
