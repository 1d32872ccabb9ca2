"""The control groups that this process is in (Linux): what limits its processors and its memory, in containers too.

What the system says here is only advice: whatever is in these files, a model opens. What makes no sense does not limit.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_OWN, _MOUNTS, _USUAL = Path("/proc/self/cgroup"), Path("/proc/self/mountinfo"), Path("/sys/fs/cgroup")
_MOST_BYTES = 16 * 1024**2
# The kernel counts in 64 bits.
_NUMBER = re.compile(r"[0-9]{1,20}")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class _Mount(NamedTuple):
    """Where the tree of the groups of one hierarchy is seen.

    Attributes:
        controllers: what version 1 limits there; None for version 2, which has one hierarchy for all.
        root: the group whose folder the mount point is: names of groups from the root of the hierarchy on, or from the
            root of this process's namespace.
        point: the mount point.
    """

    controllers: list[str] | None
    root: list[str]
    point: Path


def groups(controller: str) -> Iterator[tuple[Path, int]]:
    """The folder of each group around this process that may limit `controller`, and the version of its interface.

    The limits of the groups around a group hold for it too. A group that no mount shows is not among them. Sources:
    Linux's Documentation/admin-guide/cgroup-v2.rst, cgroup_namespaces(7), proc_pid_mountinfo(5).
    """
    mounts = list(_mounts())
    for line in text_of(_OWN).split("\n"):
        _, colon, rest = line.partition(":")
        controllers, second_colon, place = rest.partition(":")
        if not colon or not second_colon:
            continue
        if not controllers:
            version, usual = 2, _USUAL
            seen = [mount for mount in mounts if mount.controllers is None]
        elif controller in controllers.split(","):
            version, usual = 1, _USUAL / controller
            seen = [mount for mount in mounts if mount.controllers is not None and controller in mount.controllers]
        else:
            continue
        # Some containers show the groups by a file system of their own.
        for mount in seen or [_Mount(None, [], usual)]:
            names = _below(mount.root, _names(place))
            for length in range(-1 if names is None else len(names), -1, -1):
                yield mount.point.joinpath(*(names or [])[:length]), version


def text_of(path: Path) -> str:
    """What a file of the system says; nothing if there is no such file, or if it cannot be read."""
    try:
        with path.open("rb") as file:
            return os.fsdecode(file.read(_MOST_BYTES)).strip("\n")
    except (OSError, ValueError):  # a ValueError for a path that no system has
        return ""


def number_of(text: str) -> int | None:
    """The number that the kernel writes as `text`; None for "max", and for what it does not write."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _mounts() -> Iterator[_Mount]:
    for line in text_of(_MOUNTS).split("\n"):
        before, _, after = line.partition(" - ")
        words, kind = before.split(" "), after.split(" ")
        if len(words) < 5 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        root, point = (_ESCAPED.sub(lambda found: chr(int(found[1], 8)), word) for word in words[3:5])
        yield _Mount(None if kind[0] == "cgroup2" else kind[-1].split(","), _names(root), Path(point))


def _names(place: str) -> list[str]:
    return [name for name in place.split("/") if name]


def _below(root: list[str], place: list[str]) -> list[str] | None:
    """The names that lead from the group `root` to the group `place`; None if `place` is not in it.

    Both begin with a ".." for each step from the root of the namespace up. The names of the groups on the way down to
    that root are not known: then there are none.
    """
    if place[: len(root)] == root:
        names = place[len(root) :]
        return None if ".." in names else names
    return [] if set(root) == {".."} and place.count("..") < len(root) else None
