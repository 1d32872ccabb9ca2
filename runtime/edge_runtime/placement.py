"""Where each call runs: on the one device that was asked for, or for device="auto" where it is done soonest."""

import threading
from pathlib import Path

from edge_runtime.errors import DeviceUnavailable, InvalidInput
from edge_runtime.processors import available_processors
from edge_runtime.session import CUDA, Session, cuda_problem
from edge_runtime.workload import METADATA_KEY, Workload

# What a processor takes for a unit of `Workload.cost`, what a call on a GPU takes besides its work, in nanoseconds, and
# the bytes that reach it in one. docs/performance.md has the measurements.
_UNIT = 0.5
_GPU_CALL = 100_000.0
_GPU_BYTES = 7.0


class Placement:
    """The sessions of a model.

    Attributes:
        main: what small calls run on, and all calls unless the device is "auto".
        workload: what a row takes, as far as the artifact says it.
        threads: the most processors that one call may use; None for all that there are.
    """

    def __init__(self, model: Path | bytes, device: str, threads: int | None) -> None:
        """Open `model` on `device`. Raises as `Session`."""
        self.threads = threads
        self.main = Session(model, "cpu" if device == "auto" else device)
        text = self.main.metadata.get(METADATA_KEY)
        self.workload = None if text is None else Workload.from_json(text)
        if threads is not None and threads < 1:
            raise InvalidInput(f"threads is {threads}; one is needed at least")
        self._opening = threading.Lock()
        self._cuda: Session | None = None
        # A GPU takes longer to come up than a small model to answer all its life: it is left alone until it pays.
        self._may_use_cuda = device == "auto" and cuda_problem(self.main.source) is None
        if self._may_use_cuda and self.workload is None:
            self.main, self._may_use_cuda = Session(self.main.source, "auto"), False

    @property
    def cuda(self) -> Session | None:
        """What large calls run on besides `main`, opened by now; None where there is no such thing."""
        if self._may_use_cuda and self._cuda is None:
            with self._opening:
                if self._cuda is None:
                    try:
                        self._cuda = Session(self.main.source, CUDA)
                    except DeviceUnavailable:
                        self._may_use_cuda = False
        return self._cuda

    def of_call(self, rows: int, size: int) -> Session:
        """The session for a call of `rows` rows that take `size` bytes."""
        if not self._may_use_cuda or self.workload is None:
            return self.main
        processors = (self.threads or available_processors()) if self.workload.independent else 1
        on_cpu = rows * self.workload.cost * _UNIT / processors
        return self.main if on_cpu < _GPU_CALL + size / _GPU_BYTES else self.cuda or self.main
