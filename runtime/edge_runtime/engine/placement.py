"""Where each call runs: on the one device that was asked for, or for device="auto" where it is done soonest."""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edge_runtime.contract.errors import DeviceUnavailable, InferenceFailed, InvalidInput, InvalidModel
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine.batch_splitting import divide
from edge_runtime.engine.devices import CUDA, cuda_problem
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.engine.session import Session

# What a processor takes for a unit of `Workload.cost`, how many times sooner many of them are done with a call that is
# divided, what a call on a GPU takes besides its work, in nanoseconds, and the bytes that reach it in one.
# docs/performance.md has the measurements.
_UNIT = 0.5
_MOST_GAIN = 4
_GPU_CALL = 100_000.0
_GPU_BYTES = 7.0

# From which on a call is divided, in units of `Workload.cost`.
_WORTH_DIVIDING = 1_000_000

# The largest file, in bytes, that is opened once more for blocks.
_SMALL_FILE = 1024 * 1024


class Placement:
    """The sessions of a model.

    Attributes:
        main: what small calls run on, and all calls unless the device is "auto".
        workload: what a row takes, as far as the artifact says it.
        threads: the most processors that one call may use; None for all that there are.
    """

    def __init__(self, model: Path | bytes, device: str, threads: int | None) -> None:
        """Open `model` on `device`. Raises as `Session`."""
        if threads is not None and (type(threads) is not int or threads < 1):
            raise InvalidInput(f"threads is {threads!r}; a number is needed, one at least")
        self.threads = threads
        self.main = Session(model, "cpu" if device == "auto" else device, threads)
        text = self.main.metadata.get(WORKLOAD_KEY)
        self.workload: Workload | None = None
        if text is not None:
            # Without it calls are not divided; they answer all the same.
            with contextlib.suppress(InvalidModel):
                self.workload = Workload.from_json(text)
        self._opening = threading.Lock()
        self._cuda: Session | None = None
        self._single: Session | None = None
        _placements.add(self)
        # A GPU takes longer to come up than a small model to answer all its life: it is left alone until it pays.
        self._may_use_cuda = device == "auto" and self.workload is not None
        if device == "auto" and self.workload is None and cuda_problem(self.main.source) is None:
            self.main = Session(self.main.source, "auto", threads)

    @property
    def cuda(self) -> Session | None:
        """What large calls run on besides `main`, opened by now; None where there is no such thing."""
        if self._may_use_cuda and self._cuda is None:
            with self._opening:
                if self._cuda is None:
                    if not self.main.is_unchanged() or cuda_problem(self.main.source) is not None:
                        self._may_use_cuda = False
                        return None
                    try:
                        self._cuda = Session(self.main.source, CUDA)
                    except DeviceUnavailable:
                        self._may_use_cuda = False
        return self._cuda

    def divides(self, rows: int) -> bool:
        """Whether a call of `rows` rows on the CPU is worth dividing, and may be."""
        workload = self.workload
        return workload is not None and workload.independent and rows * workload.cost >= _WORTH_DIVIDING

    def divide(
        self,
        rows: int,
        feed: Mapping[str, npt.NDArray[Any]],
        names: Sequence[str],
        write: Callable[[int, int, Sequence[npt.NDArray[Any]]], None],
    ) -> None:
        """Compute the outputs `names` of the `rows` rows in `feed` in blocks on the CPU.

        Threads of our own beat ONNX Runtime's where a block fits the cache; they take a session of one thread a call.
        Large weights are not loaded twice for that: there the blocks come one after the other, on ONNX Runtime's.

        Args:
            rows: how many there are in each input.
            feed: the inputs by name.
            names: of the outputs.
            write: takes the outputs for the rows from `start` up to `stop`; called from several threads at a time.

        Raises:
            InferenceFailed: the model gives another number of rows than it is given, or fails while computing.
        """
        assert self.workload is not None
        single = self._for_blocks()
        session, threads = (self.main, 1) if single is None else (single, self.threads)

        def compute(start: int, stop: int) -> None:
            outputs = session.run(names, {name: values[start:stop] for name, values in feed.items()})
            for output in outputs:
                if len(output) != stop - start:
                    raise InferenceFailed(f"the model gives {len(output)} rows for {stop - start}")
            write(start, stop, outputs)

        divide(rows, self.workload, threads, compute)

    def _for_blocks(self) -> Session | None:
        with self._opening:
            if self._single is None and self.main.size <= _SMALL_FILE and self.main.is_unchanged():
                self._single = Session(self.main.source, "cpu", threads=1)
        return self._single

    def of_call(self, rows: int, feed: Mapping[str, npt.NDArray[Any]]) -> Session:
        """The session for a call of `rows` rows, which are in `feed`."""
        if not self._may_use_cuda or self.workload is None:
            return self.main
        size = sum(values.nbytes for values in feed.values())
        gain = min(_MOST_GAIN, self.threads or available_processors()) if self.divides(rows) else 1
        on_cpu = rows * self.workload.cost * _UNIT / gain
        return self.main if on_cpu < _GPU_CALL + size / _GPU_BYTES else self.cuda or self.main


_placements: "weakref.WeakSet[Placement]" = weakref.WeakSet()


def _begin_anew() -> None:
    """A forked process may have inherited locks that nobody will release: those of opening, and of blocks under way."""
    for placement in _placements:
        placement._opening = threading.Lock()
        placement._single = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
