"""A model in an isolated process, in the place of `engine.session.Session` and `engine.placement.Placement`."""

import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.contract.errors import ContentMismatch, DeviceUnavailable, IsolationFailed
from edge_runtime.contract.input_ranges import ranges_in
from edge_runtime.contract.lazy import cached_property
from edge_runtime.engine import forks
from edge_runtime.engine.devices import CPU
from edge_runtime.engine.model_metadata import ModelMetadata
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings
from edge_runtime.isolate import replies
from edge_runtime.isolate.process import IsolatedProcess, ProcessLost
from edge_runtime.verification import Verification

if TYPE_CHECKING:
    from edge_runtime.contract.certificate import Certificate

# What a process says when it has opened its model.
_DECLARED = ("version", "metadata", "inputs", "outputs", "overridable_initializers")


class IsolatedSession:
    """A model that is opened in an isolated process: what it declares, and calls of it.

    Attributes:
        source, version, provider, inputs, outputs, overridable_initializers, taken, metadata, must_reopen,
            shares_memory: see `engine.session.Session`.
    """

    must_reopen = shares_memory = False

    def __init__(self, source: ModelSource, settings: SessionSettings) -> None:
        """Open a model.

        Raises:
            IsolationFailed, ModelNotFound, InvalidModel, InvalidInput, RuntimeNotInstalled: see `IsolatedPredictor`.
        """
        self.source, self._settings = source, settings
        # A signal handler may make a call while the model is opened again.
        self._opening = threading.RLock()
        self._process, opened = self._started()
        self.provider, self.version = CPU, replies.text(opened["version"])
        self.inputs, self.outputs = replies.specs(opened["inputs"]), replies.specs(opened["outputs"])
        self.overridable_initializers = replies.specs(opened["overridable_initializers"])
        self.metadata = replies.texts(opened["metadata"])
        self.taken = {spec.name: spec for spec in (*self.inputs, *self.overridable_initializers)}
        self._of_output = {spec.name: spec for spec in self.outputs}

    def run(self, names: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        """As `Session.run`. Raises: as that, and IsolationFailed."""
        return replies.outputs(self.ask("run", names, feed), [self._of_output[name] for name in names])

    def ask(self, what: str, *arguments: Any, on_step: Callable[[], object] | None = None) -> Any:
        """What the process answers, see `IsolatedProcess.ask`. A process that was lost is replaced."""
        while True:
            process = self._process
            try:
                return process.ask(what, *arguments, seconds=self._settings.limits.isolated_seconds, on_step=on_step)
            except ProcessLost:
                self._replace(process)

    def end(self) -> None:
        """End the process."""
        self._process.end()

    def _replace(self, lost: IsolatedProcess) -> None:
        with forks.opening(), self._opening:
            if self._process is lost:
                if not self.source.opens_the_same():
                    raise IsolationFailed(f"{self.source!r} was changed after it was opened; open it again")
                self._process, _ = self._started()

    def _started(self) -> tuple[IsolatedProcess, Mapping[str, Any]]:
        limits = self._settings.limits
        with forks.opening():
            # What is held here is what it opens, whatever is in the file by then.
            pickled = pickle.dumps((self.source.held(), self._settings))
            process = IsolatedProcess(limits)
            with process.ending_on_error():
                try:
                    opened = process.ask("open", pickled, seconds=limits.isolated_seconds)
                except ContentMismatch:
                    if self.source.opens_the_same():
                        raise
                    changed = f"{self.source.name} was changed while it was opened; open the model again"
                    raise ContentMismatch(changed) from None
                return process, replies.named(opened, _DECLARED)


class IsolatedPlacement(Placement):
    """The one session of an isolated model, in the place of several: its process decides where each call runs.

    Attributes:
        users: the predictors that share it; empty if there is only one.
    """

    most_unsplit = most_on_one = sys.maxsize

    def __init__(self, source: ModelSource, settings: SessionSettings) -> None:
        """Open a model.

        Raises:
            DeviceUnavailable: the model is to run on something other than the CPU.
            IsolationFailed, ModelNotFound, InvalidModel, InvalidInput, RuntimeNotInstalled: see `IsolatedPredictor`.
        """
        if settings.device not in ("auto", "cpu", CPU) or any(name != CPU for name, _ in settings.providers or ()):
            raise DeviceUnavailable(
                f"{settings.shown_device} cannot be used: an isolated model runs on the CPU alone; leave it out, or "
                "open a model that you trust without isolation"
            )
        self.settings, self.isolated = settings, IsolatedSession(source, settings.on_cpu)
        self.main = self._pooled = cast(Session, self.isolated)
        self.threads, self.ranges = settings.threads, ranges_in(self.main.metadata, self.main.inputs)
        self._turns, self._opening = None, threading.RLock()
        self._cuda, self._may_use_cuda = None, False
        self.users: weakref.WeakSet[Any] = weakref.WeakSet()

    def is_small(self, rows: int | None) -> bool:
        """False: what waits for another process takes little of Python's lock."""
        return False

    def single_threaded(self) -> None:
        """None: there is no second session."""

    def end(self) -> None:
        """End the process, after the call that another thread is in."""
        self.isolated.end()

    @cached_property
    def metadata(self) -> ModelMetadata:
        """See `Placement`."""
        return replies.metadata(self.isolated.ask("metadata"))

    @cached_property
    def certificate(self) -> "Certificate | None":
        """See `Placement`. The process has read it before, so that its limits hold for that too."""
        from edge_runtime.contract.certificate import Certificate

        text = replies.optional_text(self.isolated.ask("certificate"))
        return None if text is None else Certificate.from_json(text, self.settings.limits)

    def verify(self, on_batch: Callable[[], object] | None) -> Verification:
        """See `OpenedModel.verify`."""
        return replies.verification(self.isolated.ask("verify", on_step=on_batch))
