"""Targets with a fault each, and what the harness finds in them, as JSON: python fake_targets.py FOLDER [guided]."""

import ctypes
import dataclasses
import json
import sys
import time
from pathlib import Path

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
    if data[:1] == b"d" and data[1:2] == b"e" and data[2:3] == b"e" and data[3:4] == b"p":
        raise KeyError("deep")


def _target(check: Check, guided: bool) -> Target:
    return Target(check.__name__, lambda: check, lambda: [b"1234"], guided=guided, seconds=0.5, memory=2**28)


def main(folder: str, guided: bool) -> None:
    """Feed all of them for some seconds."""
    checks = [deep] if guided else [sound, untyped, crash, hang, memory]
    targets = [_target(check, guided) for check in checks]
    bounds = Bounds(20) if guided else Bounds(4, 30_000)
    results = list(run(targets, bounds, Path(folder), lambda name: [], jobs=len(targets)))
    print(json.dumps({result.target: dataclasses.asdict(result) for result in results}))


if __name__ == "__main__":
    if is_guided := sys.argv[2:] == ["guided"]:
        import atheris

        deep = atheris.instrument_func(deep)
    main(sys.argv[1], is_guided)
