"""How many processors this process may use at the same time."""

import functools
import math
import os
from pathlib import Path

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@functools.cache
def available_processors() -> int:
    """The number of processors that the process may run on, or fewer if its control group has less time; at least 1.

    Source: sched_setaffinity(2), and cpu.max of cgroup v2 or cpu.cfs_quota_us of v1 in Linux's
    Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.
    """
    # Not every system has sched_getaffinity.
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([count, *(math.ceil(limit) for limit in _limits())]))


def _limits() -> list[float]:
    """The processor time per time that each control group around this process may use."""
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if not controllers:
            root, read = _CGROUPS, _limit_v2
        elif "cpu" in controllers.split(","):
            root, read = _CGROUPS / "cpu", _limit_v1
        else:
            continue
        # The limits of the groups around a group hold for it too.
        folder = root / place.strip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(root):
                break
            if (limit := read(group)) is not None:
                limits.append(limit)
    return limits


def _limit_v2(group: Path) -> float | None:
    quota, _, period = _first_line(group / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _limit_v1(group: Path) -> float | None:
    quota, period = _first_line(group / "cpu.cfs_quota_us"), _first_line(group / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
