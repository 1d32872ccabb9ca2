"""Which member of a network holds out which rows: each learns from other rows, and is judged by those it held out."""

import numpy as np
import numpy.typing as npt

# (sqrt(5) - 1) / 2. Its multiples, without their integers, fill every part of the interval from 0
# to 1 evenly, however many there are (Weyl 1916).
_STEP = (5**0.5 - 1) / 2


def rows_learned(
    target: npt.NDArray[np.generic], classes: int, members: int, fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Whether each member learns from each row, shape (rows, members).

    The members hold out a fraction of the rows each, in turn, of all classes alike: with a fraction of one over
    `members` each row is held out once. Each member learns from at least one row of each class.

    Args:
        target: shape (rows,): the classes as places, or values.
        classes: how many classes there are; 0 for values.
        members: how many members there are.
        fraction: of the rows that a member holds out, from 0 to below 1.
        seed: of the order of rows.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(target))
    if classes:
        order = order[target[order].argsort(kind="stable")]
    phase = np.empty(len(target))
    # From 1 on: a phase of 0 is on the edge of two members' parts.
    phase[order] = (np.arange(1, len(target) + 1) * _STEP) % 1
    learned = (phase[:, None] - np.arange(members) / members) % 1 >= fraction
    ends = np.bincount(target.astype(np.int64), minlength=classes).cumsum() if classes else [len(target)]
    for rows in np.split(order, ends[:-1]):
        learned[rows[:1]] |= ~learned[rows].any(0)
    return learned
