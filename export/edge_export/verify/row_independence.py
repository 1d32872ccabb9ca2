"""Whether the rows of a call are independent, and what a row takes: what the runtime needs to know to be fast."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from edge_export.capture.program import COSTLY, Program, size_hint
from edge_export.errors import ExportError
from edge_export.tensors import Array, Tensors, count_rows, evenly_spaced, join, row_shapes, take
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_kinds import NOT_FINITE, ProbeInputs
from edge_runtime.contract.workload import Workload

# Rows of each kind that are also computed alone; of a costly program one ordinary row and one with NaN.
_MOST_ROWS = 12


def workload(program: Program, exact: Arithmetic, probes: Sequence[ProbeInputs]) -> Workload | None:
    """What a row of `program` takes; None if it has no batch.

    That rows are independent is found by trial: rows of every kind, NaN and infinity among them, lead to the same in
    float64 alone and together.

    Args:
        program: the program.
        exact: runs it in float64.
        probes: inputs of every kind, ordinary ones first.
    """
    if not program.is_batched:
        return None
    ordinary = max(probes[0].calls, key=count_rows)
    count = count_rows(ordinary)
    if program.cost >= COSTLY:
        mixed = _mixed([probes[0], *[probe for probe in probes if probe.kind == NOT_FINITE]], 1)
    else:
        mixed = _mixed(probes, _MOST_ROWS)
    independent = all(_is_same_in_parts(exact, rows, range(count_rows(rows) + 1)) for rows in mixed)
    if independent and program.cost < COSTLY:
        # The place of a row must not matter either, which a few rows do not tell.
        independent = _is_same_in_parts(exact, ordinary, [0, count // 3, count - count // 7, count])
    return Workload(independent, float(np.ceil(program.cost)), _widest(program))


def _mixed(probes: Sequence[ProbeInputs], most: int) -> list[Tensors]:
    """At most `most` rows of every kind, beside each other if of one shape: NaN in one must not reach another."""
    mixed: dict[tuple[tuple[int, ...], ...], list[Tensors]] = {}
    for probe in probes:
        if not probe.calls:
            continue
        largest = max(probe.calls, key=count_rows)
        count = count_rows(largest)
        rows = take(largest, evenly_spaced(count, most))
        mixed.setdefault(row_shapes(rows), []).append(rows)
    return list(map(join, mixed.values()))


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
        and all(_is_same(values[part], outputs[name]) for part, outputs in zip(parts, found, strict=True))
        for name, values in together.items()
    )


def _is_same(one: Array, other: Array) -> bool:
    """Whether two results are the same but for the order of summation in float64."""
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)


def _widest(program: Program) -> int:
    """About the most bytes that one operation reads and writes of a row, in float32."""
    rows = count_rows(program.example)
    most = 1.0
    for node in program.exported.graph.nodes:
        # What follows from weights alone, such as an embedding's table, does not belong to a row.
        if node.op != "call_function" or node not in program.varying:
            continue
        taken = [operand for operand in node.all_input_nodes if operand in program.varying]
        values = [part.meta.get("val") for part in (node, *taken)]
        shapes = [value.shape for value in values if isinstance(value, Tensor)]
        most = max(most, sum(math.prod(map(size_hint, shape)) for shape in shapes))
    return math.ceil(4 * most / rows)
