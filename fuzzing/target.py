"""A target: one reader of input that anybody may have written, and what is asked of it."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fuzzing.mutations import mutated_bytes

_PLACE = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir())
# Of the process that imports this, and forks the others.
_PREFIX = f"fuzzing-{os.getpid()}-"

Check = Callable[[bytes], object]
Mutate = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One reader.

    It may refuse an input by an error of `allowed` alone, soon, and without much memory. It must not crash.

    Attributes:
        name: what it is called in the table, and the folder of its corpus.
        prepare: called once in each process, gives the function that reads one input and raises what is not in order.
        seeds: inputs to begin with, most of them as they should be.
        mutate: changes an input in a way that keeps some of its structure.
        guided: whether coverage of Python code guides the search, where atheris is installed.
        seconds: after so long, a single input is a hang.
        memory: how many bytes a process may take beyond those that it has after `prepare`.
        weight: its part of the time, in relation to other targets.
    """

    name: str
    prepare: Callable[[], Check]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Mutate = mutated_bytes
    guided: bool = True
    seconds: float = 10
    memory: int = 2**30
    weight: float = 1


def scratch() -> Path:
    """A folder for the files of one process, in memory where the system has such a place: a disk takes far longer."""
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PLACE))


def remove_scratch() -> None:
    """Remove what the processes of this run have left: they are killed."""
    for folder in _PLACE.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


class Wrong(AssertionError):
    """A reader has taken an input, and what it made of it is not right."""


def expect(condition: object, message: str) -> None:
    """Raise `Wrong` with this message unless `condition` holds."""
    if not condition:
        raise Wrong(message)
