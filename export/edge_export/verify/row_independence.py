"""Whether a call may be divided, and what a row of it takes: what the runtime needs to know to be fast."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from edge_export.capture.program import Program, size_hint
from edge_export.errors import ExportError
from edge_export.tensors import Tensors, count_rows, take
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_inputs import Case
from edge_runtime.contract.workload import Workload

# Of each case, so many rows are computed alone, too.
_MOST_ROWS = 12


def workload(program: Program, exact: Arithmetic, cases: Sequence[Case]) -> Workload | None:
    """What a row of `program` takes; None where it has no batch.

    That rows are independent is found by trial: rows of every case, NaN and infinity among them, lead to the same in
    float64 alone and together.
    """
    if not program.is_batched:
        return None
    # A row's place must not matter either, which few rows do not tell.
    ordinary = max(cases[0].batches, key=count_rows)
    count = count_rows(ordinary)
    independent = _is_same_in_parts(exact, ordinary, [0, count // 3, count - count // 7, count]) and all(
        _is_same_in_parts(exact, rows, range(count_rows(rows) + 1)) for rows in _mixed(cases)
    )
    return Workload(independent, float(np.ceil(program.cost)), _widest(program))


def _mixed(cases: Sequence[Case]) -> list[Tensors]:
    """Some rows of every case, those of one shape beside each other: NaN in one row must not reach another."""
    mixed: dict[tuple[tuple[int, ...], ...], list[Tensors]] = {}
    for case in cases:
        if not case.batches:
            continue
        batch = max(case.batches, key=count_rows)
        count = count_rows(batch)
        rows = take(batch, np.unique(np.linspace(0, count - 1, min(count, _MOST_ROWS)).astype(np.intp)))
        mixed.setdefault(tuple(values.shape[1:] for values in rows.values()), []).append(rows)
    return [{name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]} for parts in mixed.values()]


def _is_same_in_parts(exact: Arithmetic, rows: Tensors, cuts: Sequence[int]) -> bool:
    """Whether `rows`, cut at these places, lead to what all of them lead to together."""
    parts = [slice(*cut) for cut in itertools.pairwise(cuts) if cut[0] < cut[1]]
    try:
        together = exact.run(rows)
        found = [exact.run({name: values[part] for name, values in rows.items()}) for part in parts]
    except ExportError:
        return False
    return all(
        values.ndim > 0
        and len(values) == count_rows(rows)
        and all(_alike(values[part], outputs[name]) for part, outputs in zip(parts, found, strict=True))
        for name, values in together.items()
    )


def _alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


def _widest(program: Program) -> int:
    """The most bytes that one operation reads and writes of a row, about, in float32."""
    rows = count_rows(program.example)
    most = 1.0
    for node in program.exported.graph.nodes:
        if node.op != "call_function":
            continue
        taken = [operand for operand in node.all_input_nodes if not operand.name.startswith(("p_", "b_", "c_"))]
        values = [part.meta.get("val") for part in (node, *taken)]
        shapes = [value.shape for value in values if isinstance(value, Tensor)]
        most = max(most, sum(math.prod(map(size_hint, shape)) for shape in shapes))
    return math.ceil(4 * most / rows)
