"""Targets in processes of their own, which are watched, ended, and started again when one has died."""

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fuzzing.board import Board
from fuzzing.feeding import FULL, feed, guide
from fuzzing.findings import died
from fuzzing.target import Target

_SIGNALS = {number.value: number.name for number in signal.Signals}
# A process that is to write its stack has so many seconds.
_PATIENCE = 30.0
# A target that is not prepared after so many seconds never will be.
_PREPARATION = 600.0


@dataclass
class Result:
    """What became of a target.

    Attributes:
        target: its name.
        guided: whether coverage guided the search.
        inputs: how many it was given.
        seconds: how long that took.
        crashes, hangs: how many inputs ended a process, by where: "ours" and "onnxruntime".
        untyped, memory: how many causes of untyped exceptions, and of memory that ran out, were found.
    """

    target: str
    guided: bool
    inputs: int = 0
    seconds: float = 0
    crashes: dict[str, int] = field(default_factory=lambda: {"ours": 0, "onnxruntime": 0})
    hangs: dict[str, int] = field(default_factory=lambda: {"ours": 0, "onnxruntime": 0})
    untyped: int = 0
    memory: int = 0

    @property
    def faults(self) -> int:
        """How many of these are to be fixed here."""
        return self.crashes["ours"] + self.hangs["ours"] + self.untyped + self.memory


@dataclass(frozen=True)
class Bounds:
    """How much is tried: seconds in all, and inputs for each target.

    Whatever the seconds are, each target is given the inputs that it begins with, or as many others.
    """

    seconds: float
    inputs: int = sys.maxsize


def run(
    targets: Sequence[Target],
    bounds: Bounds,
    output: Path,
    corpus: Callable[[str], list[bytes]],
    jobs: int = 1,
    seed: int = 0,
) -> Iterator[Result]:
    """Feed all targets, `jobs` at a time, and give the results as they come.

    Args:
        targets: the targets.
        bounds: the seconds are those of the whole run, which targets get by their weights.
        output: the folder of what is found: a folder for each target, which is emptied but for its corpus.
        corpus: the inputs to begin with for the target of a name, besides its seeds.
        jobs: how many processes are fed at a time.
        seed: of everything that is drawn.
    """
    weights = sum(target.weight for target in targets)
    waiting = [
        _Watch(
            target,
            min(bounds.seconds, bounds.seconds * jobs * target.weight / weights),
            bounds.inputs,
            output / target.name,
            corpus,
            seed,
        )
        for target in targets
    ]
    # The long ones first, so that both processors are busy to the end.
    waiting.sort(key=lambda one: -one.target.weight)
    running: list[_Watch] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start()
            time.sleep(0.02)
            for watch in list(running):
                if (result := watch.look()) is not None:
                    running.remove(watch)
                    yield result
    finally:
        for watch in running:
            watch.end()


class _Watch:
    """One target, and the process that is fed."""

    def __init__(
        self, target: Target, seconds: float, inputs: int, folder: Path, corpus: Callable[[str], list[bytes]], seed: int
    ) -> None:
        self.target = target
        self._seconds, self._inputs, self._folder, self._seed = seconds, inputs, folder, seed
        self._corpus = corpus(target.name)
        self._faults = folder / "faults"
        self._result = Result(target.name, target.guided and guide() is not None)
        self._pid, self._starts, self._board = 0, 0, Board()
        self._begin = self._forked = 0.0
        # What a process did not read to its end is read by the next one first. What takes too long twice has hung.
        self._again: bytes | None = None
        self._late: bytes | None = None

    def start(self) -> None:
        """Begin."""
        self._begin = time.monotonic()
        for old in self._folder.glob("*"):
            if old.name != "corpus":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fork()

    def _fork(self) -> None:
        self._board = Board()
        self._starts += 1
        self._forked = time.monotonic()
        self._pid = os.fork()
        if self._pid:
            return
        seed = self._seed + self._starts - 1
        try:
            feed(self.target, seed, self._folder, self._board, self._faults, self._corpus, self._again)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(70)

    def look(self) -> Result | None:
        """See to the process. Returns: the result, once a bound is reached."""
        seconds, inputs = time.monotonic() - self._begin, self._result.inputs + self._board.count
        if inputs >= self._inputs or (seconds >= self._seconds and inputs >= self._board.known > 0):
            self.end()
            self._result.inputs += self._board.count
            self._result.seconds = seconds
            self._result.untyped = _causes(self._folder, "untyped")
            self._result.memory = _causes(self._folder, "memory")
            return self._result
        if self._board.seconds > self.target.seconds:
            os.kill(self._pid, signal.SIGABRT)
            self._died("hang", self._status(_PATIENCE))
        elif (status := self._status(0)) is not None:
            self._died("crash", status)
        elif not self._board.known and time.monotonic() - self._forked > _PREPARATION:
            raise RuntimeError(f"{self.target.name}: not prepared within {_PREPARATION:.0f} s\n{self._log()}")
        return None

    def _status(self, patience: float) -> int | None:
        """The exit code of the process, negative for a signal.

        None if it has not ended; none of it is left if it does not within `patience`.
        """
        end = time.monotonic() + patience
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= end:
                break
            time.sleep(0.02)
        if patience:
            self.end()
        return None

    def _died(self, kind: str, status: int | None) -> None:
        """Save what the process was reading, and start another one."""
        data = self._board.data
        if not self._board.count or (status is not None and status >= 0 and status != FULL):
            # Not by an input: what prepares the target, or the driver, does not work.
            raise RuntimeError(f"{self.target.name}: the process has ended with {status}\n{self._log()}")
        if status == FULL:
            self._again = data
        elif kind == "hang" and data != self._late:
            self._again = self._late = data
        else:
            self._again = self._late = None
            how = kind if kind == "hang" or status is None else _SIGNALS.get(-status, "a signal")
            finding = died(kind, self._faults.read_text(errors="replace"), how, data)
            finding.save(self._folder)
            counts = self._result.hangs if kind == "hang" else self._result.crashes
            counts[finding.where] += 1
        self._result.inputs += self._board.count
        self._fork()

    def _log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def end(self) -> None:
        """End the process."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _causes(folder: Path, kind: str) -> int:
    return len(list(folder.glob(f"{kind}-*-0.txt")))
