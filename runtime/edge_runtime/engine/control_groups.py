"""The control groups that this process is in (Linux): what limits its processors and its memory, in containers too."""

from collections.abc import Iterator
from pathlib import Path

_CGROUPS, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def groups(controller: str) -> Iterator[tuple[Path, int]]:
    """The folder of each group around this process that may limit `controller`, and the version of its interface.

    The limits of the groups around a group hold for it too. Source: Linux's Documentation/admin-guide/cgroup-v2.rst.
    """
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        if not controllers:
            root, version = _CGROUPS, 2
        elif controller in controllers.split(","):
            root, version = _CGROUPS / controller, 1
        else:
            continue
        folder = root / place.strip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(root):
                break
            yield group, version


def text_of(path: Path) -> str:
    """What a file of a group says; nothing if there is no such file."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
