"""The rows on which an exported model does worst: searched for, and not only drawn."""

import numpy as np
import numpy.typing as npt

from edge_export.tensors import Run, Tensors, count_rows, take
from edge_export.verify.compare import errors_of
from edge_export.verify.comparison import tolerance_used
from edge_export.verify.probe_kinds import SEARCHED, ProbeInputs
from edge_export.verify.reference import References
from edge_export.verify.runnable_calls import runnable
from edge_export.verify.sampler import Sampler
from edge_runtime.contract.progress import SILENT, Progress

_START = 1024
_POOL = 48
# How far rows are moved, in standard deviations; the smallest steps still move a row of ordinary size by more than its
# last places. The first step is the pool as it was drawn.
STEPS = (0.0, 1.0, 0.5, 0.2, 0.1, 0.03, 0.01, 1e-3, 1e-4)


def worst_rows(run: Run, references: References, sampler: Sampler, progress: Progress = SILENT) -> ProbeInputs | None:
    """The rows that use most of their tolerance, by a random search from the worst of many ordinary rows.

    Each round moves the worst rows at random, by less and less, and keeps the worst of the old and the new. None if the
    program has no batch or no input that can be moved, or is too costly.

    Args:
        run: the exported model.
        references: computes what torch computes.
        sampler: draws and moves rows.
        progress: advanced by one step for each round.
    """
    program = references.program
    can_move = any(spec.dtype.kind == "f" for spec in program.inputs)
    if not program.is_batched or sampler.is_costly or not can_move:
        return None
    pool, used = sampler.draw(min(_START, sampler.most_rows)), np.zeros(0)
    if (problem := program.failure(pool)) is not None:
        return ProbeInputs(SEARCHED, (), not_run=1, problem=problem)
    rows = min(_POOL, max(2, sampler.most_rows // 8))
    for step in STEPS:
        moved = sampler.near(pool, step) if step else pool
        found = _used_by_rows(run, references, moved)
        progress.advance()
        if found is None:
            return None
        both = {name: np.concatenate([pool[name], moved[name]]) for name in pool} if step else pool
        used = np.concatenate([used, found])
        worst = np.argsort(-used, kind="stable")[:rows]
        pool, used = take(both, worst), used[worst]
    alone = (take(pool, np.arange(index, index + 1)) for index in range(min(8, rows)))
    return runnable(program, ProbeInputs(SEARCHED, (pool, *alone)))


def _used_by_rows(run: Run, references: References, rows: Tensors) -> npt.NDArray[np.float64] | None:
    """The largest fraction of its tolerance that an element of each row uses, shape (rows,).

    None if the module fails, or does not give a row for each row.
    """
    if references.program.try_run(rows) is None:
        return None
    count = count_rows(rows)
    outputs = run(rows)
    used = np.zeros(count)
    for name, reference in references.of_call(rows).items():
        if reference.expected.shape[:1] != (count,):
            return None
        found = tolerance_used(errors_of(outputs[name], reference), reference.tolerance)
        used = np.maximum(used, found.reshape(count, -1).max(axis=1, initial=0.0))
    return used
