"""`Reloadable`: an opened model that can be reloaded from its changed file, closed, and pickled."""

import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NoReturn, Self, TypeAlias

from edge_runtime.contract.errors import PredictorClosed
from edge_runtime.engine import forks
from edge_runtime.engine.feed_runner import FeedRunner

# What opens the same model again, in another process and another folder too.
Arguments: TypeAlias = tuple[Path | bytes, str, bool, int | None]


class Reloadable(ABC):
    """An opened model whose calls all begin by reading one attribute, in which everything fits together.

    So `reload` and `close` may replace these attributes under the calls of other threads: what has begun ends with the
    model that it began with.
    """

    # The attributes that hold sessions.
    _in_use: tuple[str, ...] = ("_runner",)
    _arguments: Arguments
    _runner: FeedRunner

    def __init__(self, arguments: Arguments) -> None:
        """Open the model."""
        # A signal handler may close what it interrupts.
        self._changing = threading.RLock()
        self._open(arguments)

    @abstractmethod
    def _open(self, arguments: Arguments) -> None:
        """Open a model, and set all attributes that say what it is."""

    def reload(self) -> bool:
        """Take the model that is in the file now, if the file has changed since it was opened.

        Other threads may go on with their calls: none fails, and each is answered by the old model or by the new one.
        Put a new file over the old one in one step (`os.replace`), not bytewise, and its data file before it. The new
        model may take other inputs and give other answers: `signature` and the other attributes are those of the new
        one.

        Returns:
            Whether there was another file. If not, as always for a model that was opened from its content, this takes
            microseconds.

        Raises:
            PredictorClosed: it was closed.
            ModelNotFound, InvalidModel, DeviceUnavailable, NoCertificate, VerificationFailed: as for opening it, with
                the same arguments. The old model goes on answering.
        """
        if self._runner.placement.main.is_unchanged():
            return False
        # A fork waits until nothing is opened, and so until no thread holds the lock.
        with forks.opening(), self._changing:
            if self._runner.placement.main.is_unchanged():
                return False
            new = object.__new__(type(self))
            new._open(self._arguments)
            # A signal handler may have closed it.
            self._check_open()
            # One step of the interpreter.
            vars(self).update(vars(new))
        return True

    def current(self) -> Self:
        """The model as it is now: another predictor on the same session, which a later `reload` of this one keeps."""
        self._check_open()
        same = object.__new__(type(self))
        vars(same).update(vars(self))
        return same

    @property
    def source(self) -> Path | bytes:
        """The file of the model, or its content if it was opened from that."""
        return self._arguments[0]

    @property
    def verified(self) -> bool:
        """Whether it was opened with `verify=True`, so that the file in use has passed."""
        return self._arguments[2]

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

    def __reduce__(self) -> tuple[type["Reloadable"], Arguments]:
        self._check_open()
        return type(self), self._arguments


class _Closed:
    """What stands in the place of the sessions of a closed model."""

    def __getattr__(self, name: str) -> NoReturn:
        self.refuse()

    def refuse(self) -> NoReturn:
        raise PredictorClosed("the predictor is closed; open the model again")


# It is used as what it stands for.
_CLOSED: Any = _Closed()
