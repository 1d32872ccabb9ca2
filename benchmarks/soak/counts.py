"""What is counted while it runs, and what each process hands over at its end."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

# What is kept of the times of one kind of call, at the beginning and at the end.
_KEPT = 200_000
PERCENTILES = (50.0, 99.0, 99.9)


class Counts:
    """Calls by their kinds.

    Attributes:
        calls, wrong, failed: how many there were, how many gave a wrong answer, and how many raised what they should
            not, or did not raise what they should.
        refused: how many raised what they should.
        messages: of the first failures.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.messages: list[str] = []

    def answer(self, kind: str, is_right: Callable[[], bool]) -> None:
        """Count a call and whether its answer is right; what it raises is a failure."""
        self.calls[kind] += 1
        try:
            if not is_right():
                self.wrong[kind] += 1
                self.note(kind, "a wrong answer")
        except Exception as error:
            self.fail(kind, error)

    @contextmanager
    def refusal(self, kind: str, error: type[Exception] | tuple[type[Exception], ...]) -> Iterator[None]:
        """Count a call that has to raise `error`."""
        self.calls[kind] += 1
        try:
            yield
        except error:
            self.refused[kind] += 1
        except Exception as other:
            self.fail(kind, other)
        else:
            self.fail(kind, "nothing was raised")

    def fail(self, kind: str, why: object) -> None:
        """Count a failure."""
        self.failed[kind] += 1
        self.note(kind, f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why)

    def note(self, kind: str, why: object) -> None:
        """Keep one of the first messages."""
        message = f"{kind}: {why}"[:500]
        if len(self.messages) < 20 and message not in self.messages:
            self.messages.append(message)

    def add(self, other: Mapping[str, Any]) -> None:
        """Add what `as_dict` of another process gave."""
        for name in ("calls", "wrong", "failed", "refused"):
            getattr(self, name).update(other[name])
        self.messages += [message for message in other["messages"] if message not in self.messages]

    def as_dict(self) -> dict[str, Any]:
        """In types of JSON."""
        return dict(vars(self))

    def __str__(self) -> str:
        return json.dumps(self.as_dict())


class Times:
    """Nanoseconds of calls in the first and the last part of a run, in memory that is taken before it begins."""

    def __init__(self) -> None:
        self._kept: npt.NDArray[np.int64] = np.zeros((2, _KEPT), np.int64)
        self._kept += 1
        self._count = [0, 0]

    def add(self, part: int, nanoseconds: int) -> None:
        """Keep one, of the first part (0) or of the last (1)."""
        place = self._count[part] % _KEPT
        self._kept[part, place] = nanoseconds
        self._count[part] += 1

    def percentiles(self) -> list[list[float]]:
        """In seconds, of the first part and the last; empty if there were no calls."""
        return [
            list(np.percentile(kept[: min(count, _KEPT)], PERCENTILES) / 1e9) if count else []
            for kept, count in zip(self._kept, self._count, strict=True)
        ]
