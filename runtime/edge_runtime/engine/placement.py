"""Where each call runs: on the requested device, or for device="auto" on the one where it is done soonest."""

import contextlib
import logging
import math
import sys
import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edge_runtime.contract.errors import DeviceUnavailable, InvalidModel
from edge_runtime.contract.input_ranges import InputRanges, ranges_in
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import forks
from edge_runtime.engine.bound_buffers import HeldBuffers
from edge_runtime.engine.devices import CPU, CUDA, cuda_problem
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_metadata import ModelMetadata, metadata_of
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.opening import cpu_threads
from edge_runtime.engine.processor_limits import available_processors
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings
from edge_runtime.engine.turns import Turns

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate

_LOG = logging.getLogger("edge_runtime")

# How a call's time is estimated: nanoseconds of one processor for a unit of `Workload.cost`; how many times faster
# several processors are, if the call is split; nanoseconds of a call on a GPU besides its work; and the bytes that
# reach the GPU in a nanosecond. docs/performance.md has the measurements.
_UNIT = 0.5
_MOST_GAIN = 4
_GPU_CALL = 100_000.0
_GPU_BYTES = 7.0

# The work from which on a call is split into batches, in units of `Workload.cost`.
_WORTH_SPLITTING = 1_000_000

# The work from which on several threads of ONNX Runtime may be faster than one, in units of `Workload.cost`. They take
# 50 us to wake up.
_WORTH_THREADS = 500_000

# The work up to which calls had better not compute at the same time, in units of `Workload.cost`: see `turns`.
_SMALL = 40_000

# The largest file, in bytes, that is opened more than once.
_SMALL_FILE = 1024 * 1024


class Placement:
    """The sessions of a model.

    Attributes:
        main: the session for small calls, and for all unless the device is "auto", or it computes on one thread.
        ranges: the integers that inputs take, if the model looks something up at them; None if it does not.
        threads: the most processors that one call may use; None for all of this process.
        settings: how the model was opened.
    """

    def __init__(self, source: ModelSource, settings: SessionSettings) -> None:
        """Open a model.

        Raises:
            ModelNotFound, InvalidModel, InvalidInput, UnknownDevice, DeviceUnavailable, RuntimeNotInstalled: see
                `Predictor`.
        """
        self._source, self.settings, self.threads = source, settings, settings.threads
        chooses = settings.may_choose
        self._all_threads = settings.on_cpu if chooses else settings
        # Its threads would take longer to start than the rest, and most of its calls are done before they wake up.
        leaves = self._all_threads.leaves_threads
        has_one = leaves and cpu_threads(import_onnxruntime(), settings.threads) == 1
        begins_on_one = has_one or (leaves and source.says_workload and source.size <= _SMALL_FILE)
        self.main = Session(source, self._all_threads.on_one_thread if begins_on_one else self._all_threads)
        # Without ONNX Runtime's allocator it is not for batches, see `single_threaded`.
        self._single: Session | None = self.main if begins_on_one and not source.has_small_rows else None
        self._pooled: Session | None = self.main if has_one or not begins_on_one else None
        self.ranges: InputRanges | None = ranges_in(self.main.metadata, self.main.inputs)
        self._turns: Turns[HeldBuffers] | None = None
        # A signal handler may make a call that opens a session while one is opened.
        self._opening = threading.RLock()
        self._cuda: Session | None = None
        _placements.add(self)
        # A GPU takes longer to start than a small model may ever compute, so it is not opened before it pays.
        self._may_use_cuda = chooses and self.says_workload
        if chooses and not self._may_use_cuda and cuda_problem(source) is None:
            self.main = self._pooled = Session(source, settings)
            self._single = None

    @property
    def turns(self) -> Turns[HeldBuffers]:
        """What each small call holds while it is under way."""
        if self._turns is None:
            with self._opening:
                self._turns = self._turns or Turns(HeldBuffers)
        return self._turns

    @property
    def says_workload(self) -> bool:
        """Whether the artifact says how much work a row takes."""
        return WORKLOAD_KEY in self.main.metadata

    @cached_property
    def workload(self) -> Workload | None:
        """The work for one row; None if the artifact does not say it."""
        text = self.main.metadata.get(WORKLOAD_KEY)
        # Without it calls are not split, but their answers are the same.
        with contextlib.suppress(InvalidModel):
            return None if text is None else Workload.from_json(text)
        return None

    @cached_property
    def certificate(self) -> "Certificate | None":
        """The certificate that the model carries; None if it does not carry one.

        Raises:
            InvalidModel: it is damaged or beyond the limits, or its schema is newer than this version reads.
        """
        # Most programs only predict.
        from edge_runtime.contract import certificate

        text = self.main.meta.custom_metadata_map.get(CERTIFICATE_KEY)
        return None if text is None else certificate.Certificate.from_json(text, self.settings.limits)

    @cached_property
    def metadata(self) -> ModelMetadata:
        """What the model's file says about itself."""
        return metadata_of(self.main)

    @property
    def cuda(self) -> Session | None:
        """The session for large calls, if it is not `main`; opened when it is first needed. None if there is none."""
        if self._may_use_cuda and self._cuda is None:
            with self._opening:
                if self._cuda is None:
                    problem = cuda_problem(self._source) if self._source.opens_the_same() else "its file was changed"
                    if problem is not None:
                        _LOG.info("large calls of %r stay on the CPU: %s", self._source, problem)
                        self._may_use_cuda = False
                        return None
                    try:
                        self._cuda = Session(self._source, replace(self.settings, device=CUDA))
                    except DeviceUnavailable as error:
                        _LOG.warning("large calls of %r stay on the CPU: %s", self._source, error)
                        self._may_use_cuda = False
        return self._cuda

    def session_for(self, rows: int, feed: Mapping[str, npt.NDArray[Any]]) -> Session:
        """The session for a call of `rows` rows, which are in `feed`."""
        if not self._may_use_cuda or self.workload is None:
            return self.main
        size = sum(values.nbytes for values in feed.values())
        gain = min(_MOST_GAIN, self.threads or available_processors()) if self.is_worth_splitting(rows) else 1
        on_cpu = rows * self.workload.cost * _UNIT / gain
        return self.main if on_cpu < _GPU_CALL + size / _GPU_BYTES else self.cuda or self.main

    def is_worth_splitting(self, rows: int) -> bool:
        """Whether a call of `rows` rows on the CPU may be split into batches, and is large enough for that."""
        return rows > self.most_unsplit

    @cached_property
    def most_unsplit(self) -> int:
        """The most rows that a call on the CPU may have without being worth splitting."""
        workload = self.workload
        if workload is None or not workload.independent:
            return sys.maxsize
        return math.ceil(_WORTH_SPLITTING / workload.cost) - 1

    @cached_property
    def most_on_one(self) -> int:
        """The most rows of a call for which the thread of `main` is enough, if it has one; more go to `pooled`."""
        if self._pooled is self.main:
            return sys.maxsize
        return -1 if self.workload is None else math.ceil(_WORTH_THREADS / self.workload.cost) - 1

    def is_small(self, rows: int | None) -> bool | None:
        """Whether a call of `rows` rows takes less time than Python's lock; None if it is not known."""
        if self.main.provider != CPU:
            # A thread that waits for a GPU uses little processor time, so that its calls look small.
            return False
        return None if self.workload is None or rows is None else rows * self.workload.cost < _SMALL

    def pooled(self) -> Session:
        """The session for calls on the CPU that may gain from all threads; opened when it is first needed."""
        with self._opening:
            if self._pooled is None:
                self._pooled = Session(self._source, self._all_threads) if self._source.opens_the_same() else self.main
        return self._pooled

    def single_threaded(self) -> Session | None:
        """A session on the CPU that computes on one thread; None if the model is too large to be opened twice."""
        if self._single is not None:
            return self._single
        with self._opening:
            if self._single is None and self._source.size <= _SMALL_FILE and self._source.opens_the_same():
                # The system's allocator would keep memory for each thread that takes batches.
                settings = self.settings.on_one_thread.with_options({"enable_cpu_mem_arena": True})
                self._single = Session(self._source, settings)
        return self._single


_placements: "weakref.WeakSet[Placement]" = weakref.WeakSet()


def _begin_anew(may_be_locked: bool) -> None:
    """Replace what a forked process has inherited locked for ever: the lock of opening, and calls on other threads."""
    for placement in _placements:
        placement._opening = threading.RLock()
        if placement._single is not placement.main:
            placement._single = None
        if placement._cuda is not None:
            # CUDA neither outlives a fork nor starts again in the child.
            placement._cuda, placement._may_use_cuda = None, False
        if placement.main.must_reopen and placement._turns is not None:
            # Buffers are bound to what was opened.
            placement._turns.begin_anew()


forks.after_fork(_begin_anew)
