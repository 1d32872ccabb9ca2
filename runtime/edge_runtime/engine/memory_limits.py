"""How much memory this process may use."""

from pathlib import Path
from typing import NamedTuple

from edge_runtime.engine.control_groups import groups, number_of, text_of

_MEMINFO = Path("/proc/meminfo")
# Control groups of version 1 say so where they have no limit: a number beyond any memory.
_NO_LIMIT = 2**60


class Memory(NamedTuple):
    """Sizes in bytes; None for what the system does not say.

    Attributes:
        total: that of the machine.
        available: what programs can take of it at present.
        group: what the control groups around this process allow.
    """

    total: int | None
    available: int | None
    group: int | None


def memory() -> Memory:
    """The memory of this machine and of this process, on Linux.

    Source: proc_meminfo(5), and memory.max of cgroup v2 or memory.limit_in_bytes of v1 in Linux's
    Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    sizes: dict[str, int] = {}
    for line in text_of(_MEMINFO).split("\n"):
        name, _, size = line.partition(":")
        digits, _, unit = size.strip().partition(" ")
        number = number_of(digits)
        if number is not None and unit == "kB":
            sizes[name] = number * 1024
    limits = [
        number_of(text_of(group / ("memory.max" if version == 2 else "memory.limit_in_bytes")))
        for group, version in groups("memory")
    ]
    allowed = [limit for limit in limits if limit is not None and limit < _NO_LIMIT]
    return Memory(sizes.get("MemTotal"), sizes.get("MemAvailable"), min(allowed, default=None))
