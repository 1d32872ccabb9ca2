"""Targets with a fault each, and what the harness finds in them, as JSON: python fake_targets.py FOLDER [KIND]."""

import ctypes
import dataclasses
import json
import math
import sys
import time
from pathlib import Path

from concurrency import HANG
from fuzzing.runner import Bounds, run
from fuzzing.target import Check, Target

from edge_runtime import InvalidInput


def sound(data: bytes) -> None:
    raise InvalidInput("as it should be")


def untyped(data: bytes) -> None:
    if b"5" in data:
        raise KeyError("5")


def crash(data: bytes) -> None:
    if b"5" in data:
        ctypes.string_at(0)


def hang(data: bytes) -> None:
    while b"5" in data:
        time.sleep(0.01)


def memory(data: bytes) -> None:
    if b"5" in data:
        bytes(2**29)


def deep(data: bytes) -> None:
    """Hardly ever found by chance, and by one comparison after the other if somebody counts them."""
    if data[:1] == b"k" and data[1:2] == b"e" and data[2:3] == b"y":
        raise KeyError("key")


def _broken() -> Check:
    ctypes.string_at(0)
    return sound


def _target(check: Check, seed: bytes = b"1234", guided: bool = False, seconds: float = HANG) -> Target:
    return Target(check.__name__, lambda: check, lambda: [seed], guided=guided, seconds=seconds, memory=2**28)


def _runs(kind: str) -> list[tuple[Bounds, list[Target]]]:
    """What is fed, and how much of it: where the clock decides, it decides the same on any machine."""
    if kind == "guided":
        return [(Bounds(math.inf, 200_000), [_target(deep, guided=True)])]
    if kind == "no time":
        return [(Bounds(0), [dataclasses.replace(_target(sound), seeds=lambda: [b"1"] * 1_000)])]
    if kind == "broken":
        return [(Bounds(0), [dataclasses.replace(_target(sound), prepare=_broken)])]
    return [
        (Bounds(math.inf, 2_000), [_target(check) for check in (sound, untyped, crash, memory)]),
        # It is read twice before it is a finding, and the third time ends the run. Nothing else is read in this second.
        (Bounds(math.inf, 3), [_target(hang, b"5", seconds=1)]),
    ]


def main(folder: str, kind: str = "") -> None:
    """Feed the targets of a kind."""
    results = [
        result
        for bounds, targets in _runs(kind)
        for result in run(targets, bounds, Path(folder), lambda name: [], jobs=len(targets))
    ]
    print(json.dumps({result.target: dataclasses.asdict(result) for result in results}))


if __name__ == "__main__":
    if sys.argv[2:] == ["guided"]:
        import atheris

        deep = atheris.instrument_func(deep)
    main(*sys.argv[1:])
