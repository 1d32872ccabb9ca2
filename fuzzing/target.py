"""A target: one reader of input that anybody may have written, and what is asked of it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fuzzing.mutations import mutated_bytes

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


class Wrong(AssertionError):
    """A reader has taken an input, and what it made of it is not right."""


def expect(condition: object, message: str) -> None:
    """Raise `Wrong` with this message unless `condition` holds."""
    if not condition:
        raise Wrong(message)
