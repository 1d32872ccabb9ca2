"""Whether a call may be divided, and what a row of it takes: what the runtime needs to know to be fast."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from edge_export.arithmetic import Arithmetic
from edge_export.cases import Case, take
from edge_export.errors import ExportError
from edge_export.program import Program, Tensors, size_hint
from edge_runtime.workload import Workload

# Of each case, so many rows are computed alone, too.
_MOST_ROWS = 12


def workload(program: Program, exact: Arithmetic, cases: Sequence[Case]) -> Workload | None:
    """What a row of `program` takes; None where it has no batch.

    That rows are independent is found by trial: rows of every case, NaN and infinity among them, lead to the same in
    float64 alone and together.
    """
    if not program.is_batched:
        return None
    independent = _is_divisible(exact, cases[0]) and all(_is_independent(exact, rows) for rows in _mixed(cases))
    return Workload(independent, float(np.ceil(program.cost)), _widest(program))


def _mixed(cases: Sequence[Case]) -> list[Tensors]:
    """Some rows of every case, those of one shape beside each other: NaN in one row must not reach another."""
    mixed: dict[tuple[tuple[int, ...], ...], list[Tensors]] = {}
    for case in cases:
        for batch in sorted(case.batches, key=_count, reverse=True)[:1]:
            count = _count(batch)
            rows = take(batch, np.unique(np.linspace(0, count - 1, min(count, _MOST_ROWS)).astype(np.intp)))
            mixed.setdefault(tuple(values.shape[1:] for values in rows.values()), []).append(rows)
    return [{name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]} for parts in mixed.values()]


def _count(batch: Tensors) -> int:
    return len(next(iter(batch.values())))


def _is_divisible(exact: Arithmetic, case: Case) -> bool:
    """Whether the parts of the largest batch lead to what all of it does: a row's place must not matter either."""
    rows = max(case.batches, key=_count)
    count = _count(rows)
    cuts = [0, count // 3, count - count // 7, count]
    try:
        together = exact.run(rows)
        parts = [exact.run(take(rows, np.arange(*cut))) for cut in itertools.pairwise(cuts) if cut[0] < cut[1]]
    except ExportError:
        return False
    return all(
        sum(len(part[name]) if part[name].ndim else 0 for part in parts) == count
        and _same(values, torch.cat([part[name] for part in parts]))
        for name, values in together.items()
    )


def _is_independent(exact: Arithmetic, rows: Tensors) -> bool:
    count = _count(rows)
    try:
        together = exact.run(rows)
        alone = [exact.run(take(rows, np.array([row]))) for row in range(count)]
    except ExportError:
        return False
    return all(
        len(values) == count and all(_alike(values[row], single[name]) for row, single in enumerate(alone))
        for name, values in together.items()
    )


def _alike(row: Tensor, alone: Tensor) -> bool:
    return alone.shape == (1, *row.shape) and _same(row, alone[0])


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


def _widest(program: Program) -> int:
    """The most bytes that one operation reads and writes of a row, about, in float32."""
    rows = len(next(iter(program.example.values())))
    most = 1.0
    for node in program.exported.graph.nodes:
        if node.op != "call_function":
            continue
        taken = [operand for operand in node.all_input_nodes if not operand.name.startswith(("p_", "b_", "c_"))]
        values = [part.meta.get("val") for part in (node, *taken)]
        shapes = [value.shape for value in values if isinstance(value, Tensor)]
        most = max(most, sum(math.prod(map(size_hint, shape)) for shape in shapes))
    return math.ceil(4 * most / rows)
