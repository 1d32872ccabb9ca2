"""How many processors this process may use at the same time."""

import functools
import math
import os
from collections.abc import Iterator

from edge_runtime.engine.control_groups import groups, number_of, text_of


@functools.cache
def available_processors() -> int:
    """The number of processors that the process may run on, or fewer if its control group has less time; at least 1.

    Source: sched_setaffinity(2), and cpu.max of cgroup v2 or cpu.cfs_quota_us of v1 in Linux's
    Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
    """
    limit = group_processors()
    return allowed_processors() if limit is None else max(1, min(allowed_processors(), math.ceil(limit)))


def allowed_processors() -> int:
    """The number of processors that the process may run on, whatever time it gets there."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not every system has it, and a sandbox may forbid it
        return os.cpu_count() or 1


def group_processors() -> float | None:
    """The processor time per time that the control groups around this process allow; None if there is no limit."""
    return min(_limits(), default=None)


def _limits() -> Iterator[float]:
    for group, version in groups("cpu"):
        if version == 2:
            words = text_of(group / "cpu.max").split(" ")
        else:
            words = [text_of(group / "cpu.cfs_quota_us"), text_of(group / "cpu.cfs_period_us")]
        quota, period = map(number_of, words if len(words) == 2 else ["", ""])
        if quota and period:
            yield quota / period
