"""`Closable`: a model that is closed while other threads make calls, and whose later calls are refused."""

import threading
from typing import Any, NoReturn, Self

from edge_runtime.contract.errors import PredictorClosed
from edge_runtime.engine import forks
from edge_runtime.engine.feed_runner import FeedRunner


class Closable:
    """A model that `close` and the end of a `with` block close."""

    # The attributes that hold sessions.
    _in_use: tuple[str, ...] = ("_runner",)
    _runner: FeedRunner
    _changing: "threading.RLock"

    def close(self) -> None:
        """Free the model's memory, once the calls that other threads are in have ended; later ones raise.

        Closing it again does nothing. `with Predictor(...) as predictor:` closes it at the end of the block.
        """
        with forks.opening(), self._changing:
            vars(self).update(dict.fromkeys(self._in_use, _CLOSED))

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._runner is _CLOSED

    def _check_open(self) -> None:
        if self.closed:
            _CLOSED.refuse()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Closed:
    """What stands in the place of the sessions of a closed model."""

    def __getattr__(self, name: str) -> NoReturn:
        self.refuse()

    def refuse(self) -> NoReturn:
        raise PredictorClosed("the predictor is closed; open the model again")


# It is used as what it stands for.
_CLOSED: Any = _Closed()
