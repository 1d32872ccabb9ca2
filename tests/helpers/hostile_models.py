"""The models of tests/runtime/models/hostile: what each does, and what is said of it."""

from typing import NamedTuple

from paths import MODELS

from edge_runtime import Limits

FOLDER = MODELS / "hostile"
# Small enough for tests that are done soon. Functions are counted before a model is opened, unless they may be many.
LIMITS = Limits(isolated_seconds=2, isolated_bytes=512 * 2**20, nodes=None)
ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


class Hostile(NamedTuple):
    """A model that does not answer, and what is said of it in isolation, with `LIMITS`: one of these."""

    name: str
    said: tuple[str, ...]


SLOW, LARGE, CRASH = "took longer than 2 s", "more memory than 512 MiB", "crashed (SIGSEGV)"
HOSTILE = (
    Hostile("endless", (SLOW,)),
    Hostile("functions", (SLOW,)),
    Hostile("doubling", (LARGE, SLOW)),
    Hostile("doubling_rows", (LARGE, SLOW)),
    Hostile("huge", (LARGE,)),
    Hostile("gather_nd", (CRASH,)),
)
