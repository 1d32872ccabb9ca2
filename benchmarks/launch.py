"""Starts commands and reports what each took: a program of its own, that imports next to nothing.

A process that is started from a large one counts the large one's memory as its own peak (Linux carries the figure over
the exec), so this runs as `python -S -E launch.py`, gets {"commands": {name: [argument, ...]}, "rounds": N,
"seconds": S} on stdin as JSON and gives {name: [[wall seconds, peak bytes], ...]} on stdout. The names in "says", if
there are any, are of commands that print the seconds themselves. "once" skips the run of each that does not count.
"""

import json
import os
import random
import sys
import tempfile
import time
from typing import Any


def started(command: list[str], says: bool = False) -> tuple[float, int]:
    """Wall time in seconds and peak memory in bytes of one run of `command`, whose output goes nowhere.

    Args:
        command: starts with the path of a program.
        says: whether it prints the seconds itself, and nothing else.
    """
    nowhere: list[Any] = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    with tempfile.TemporaryFile() as printed:
        if says:
            nowhere.append((os.POSIX_SPAWN_DUP2, printed.fileno(), 1))
        start = time.perf_counter()
        process = os.posix_spawn(command[0], command, os.environ, file_actions=nowhere)
        _, status, usage = os.wait4(process, 0)
        took = time.perf_counter() - start
        if says and not status:
            printed.seek(0)
            took = float(printed.read())
    if status:
        raise SystemExit(f"{' '.join(command)}: ended with {os.waitstatus_to_exitcode(status)}")
    return took, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Run every command once in each round, in random order, after one run of each that does not count."""
    task = json.load(sys.stdin)
    names = list(task["commands"])
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    says = set(task.get("says", ()))
    for name in names:
        if not task.get("once"):
            started(task["commands"][name], name in says)
    order = random.Random(0)
    end = time.perf_counter() + task["seconds"]
    for done in range(task["rounds"]):
        if done >= 5 and time.perf_counter() > end:
            break
        order.shuffle(names)
        for name in names:
            found[name].append(started(task["commands"][name], name in says))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
