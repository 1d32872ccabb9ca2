"""The models of tests/runtime/models/hostile: what each does, and what is said of it."""

import dataclasses
from typing import NamedTuple

from concurrency import HANG
from paths import MODELS

from edge_runtime import Limits

FOLDER = MODELS / "hostile"
# Functions are counted before a model is opened, unless they may be many.
LIMITS = Limits(isolated_seconds=HANG, isolated_bytes=512 * 2**20, nodes=None)
# Small enough for tests that are done soon.
SOON = dataclasses.replace(LIMITS, isolated_seconds=2)
ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


class Hostile(NamedTuple):
    """A model that does not answer, and what is said of it in isolation, within its limits: one of these."""

    name: str
    said: tuple[str, ...]

    @property
    def limits(self) -> Limits:
        """`SOON` for a model that would not end, and for others more time than any machine takes."""
        return SOON if SLOW in self.said else LIMITS


SLOW, LARGE, CRASH = "took longer than 2 s", "more memory than 512 MiB", "crashed (SIGSEGV)"
HOSTILE = (
    Hostile("endless", (SLOW,)),
    Hostile("functions", (SLOW,)),
    Hostile("doubling", (LARGE, SLOW)),
    Hostile("doubling_rows", (LARGE, SLOW)),
    Hostile("huge", (LARGE,)),
    Hostile("gather_nd", (CRASH,)),
)
