"""The rows on which an exported model does worst, searched for and not only drawn."""

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Run, Tensors, count_rows, take
from edge_export.verify.compare import errors_of, shares
from edge_export.verify.probe_inputs import FEW_ROWS, SEARCHED, Case, Cases
from edge_export.verify.reference import References

_START = 1024
_POOL = 48
# How far rows are moved, in units of the spread; the smallest steps still move a row of ordinary size by more than its
# last places.
_STEPS = (1.0, 0.5, 0.2, 0.1, 0.03, 0.01, 1e-3, 1e-4)


def worst_rows(run: Run, references: References, cases: Cases) -> Case | None:
    """The rows that use most of what they are allowed, by a random search from the worst of many ordinary rows.

    Each round moves the worst rows so far at random, by less and less, and keeps the worst of the old and the new.
    None where the program has no batch or no input that can be moved, or is too costly.
    """
    program = references.program
    if (
        not program.is_batched
        or cases.most_rows < FEW_ROWS
        or not any(spec.dtype.kind == "f" for spec in program.inputs)
    ):
        return None
    pool, used = cases.draw(min(_START, cases.most_rows)), np.zeros(0)
    rows = min(_POOL, max(2, cases.most_rows // 8))
    for step in (0.0, *_STEPS):
        moved = cases.near(pool, step) if step else pool
        found = _used(run, references, moved)
        if found is None:
            return None
        both = {name: np.concatenate([pool[name], moved[name]]) for name in pool} if step else pool
        used = np.concatenate([used, found])
        worst = np.argsort(-used, kind="stable")[:rows]
        pool, used = take(both, worst), used[worst]
    alone = (take(pool, np.arange(index, index + 1)) for index in range(min(8, rows)))
    return cases.runnable(Case(SEARCHED, (pool, *alone)))


def _used(run: Run, references: References, rows: Tensors) -> npt.NDArray[np.float64] | None:
    """The largest share of what is allowed in each row; None where the module fails, or gives no row for each row."""
    if references.program.try_run(rows) is None:
        return None
    count = count_rows(rows)
    outputs = run(rows)
    used = np.zeros(count)
    for name, reference in references.of_batch(rows).items():
        if reference.expected.shape[:1] != (count,):
            return None
        found = shares(errors_of(outputs[name], reference), reference.allowed)
        used = np.maximum(used, found.reshape(count, -1).max(axis=1, initial=0.0))
    return used
