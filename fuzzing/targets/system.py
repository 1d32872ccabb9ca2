"""What the system says about the control groups around this process, which a container may show in any form."""

from edge_runtime.engine import control_groups, memory_limits
from edge_runtime.engine.processor_limits import group_processors
from fuzzing.target import Check, Target, expect, scratch

_BETWEEN = b"\n---\n"
_FILES = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.max", "memory.limit_in_bytes")


def _prepare() -> Check:
    folder = scratch()
    # Where the system has them.
    vars(control_groups).update(_OWN=folder / "cgroup", _MOUNTS=folder / "mountinfo", _USUAL=folder / "usual")
    vars(memory_limits).update(_MEMINFO=folder / "meminfo")
    (group := folder / "usual" / "a").mkdir(parents=True)

    def check(data: bytes) -> None:
        own, mounts, meminfo, *files = data.replace(b"FOLDER", bytes(folder)).split(_BETWEEN) + [b""] * 8
        for name, content in (("cgroup", own), ("mountinfo", mounts), ("meminfo", meminfo)):
            (folder / name).write_bytes(content)
        for name, content in zip(_FILES, files, strict=False):
            (group / name).write_bytes(content)
        processors, memory = group_processors(), memory_limits.memory()
        expect(processors is None or processors > 0, "no processor is left")
        expect(memory.group is None or memory.group >= 0, "the memory is negative")

    return check


_SEEDS = (
    _BETWEEN.join(
        (
            b"0::/a\n",
            b"25 24 0:22 / FOLDER/usual rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            b"MemTotal: 24000000 kB\nMemAvailable: 1000 kB\n",
            b"150000 100000",
            b"",
            b"",
            b"max\n",
        )
    ),
    _BETWEEN.join(
        (
            b"3:cpu,cpuacct:/a\n4:memory:/a\n0::/\n",
            b"30 25 0:26 / FOLDER/usual rw - cgroup cgroup rw,cpu,cpuacct\n"
            b"31 25 0:27 /x FOLDER/usual rw - cgroup cgroup rw,memory\n",
            b"MemTotal: 24000000 kB\n",
            b"",
            b"-1",
            b"100000",
            b"",
            b"9223372036854771712",
        )
    ),
)

TARGETS = (Target("control groups", _prepare, lambda: _SEEDS),)
