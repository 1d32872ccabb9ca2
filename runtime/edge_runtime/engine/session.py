"""One session of ONNX Runtime, and the calls of it."""

import contextlib
import functools
import logging
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge_runtime.contract.errors import EdgePredictError, InferenceFailed, InvalidModel
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.contract.tensors import TensorSpec, needs_ml_dtypes
from edge_runtime.engine import forks, ml_values, private_calls, string_inputs
from edge_runtime.engine.deadlines import Deadline, ended_at
from edge_runtime.engine.devices import CPU
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.opening import open_session
from edge_runtime.engine.ort_errors import translated
from edge_runtime.engine.session_settings import SessionSettings

_LOG = logging.getLogger("edge_runtime")

_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()
# What computes in them, or did in those that are gone and is still part of a cycle.
_computing: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()


class Session:
    """An opened model: what it declares, what it runs on, and `run`, with ONNX Runtime's errors translated.

    Attributes:
        source: where the model comes from.
        version: the version of ONNX Runtime.
        provider: the provider that it runs on.
        device_id: the number of the GPU, if there are several.
        turn: a lock for every call, if ONNX Runtime records CUDA graphs, with one set of results; None otherwise.
        inputs, outputs, overridable_initializers: what the file declares.
        taken: its inputs and overridable initializers, by name.
        must_reopen: whether this is a forked process, in which what was opened cannot be used.
        shares_memory: whether it computes in this process, so that buffers here can be bound to it.
        meta, metadata: its onnxruntime.ModelMetadata, and what the file says about itself, without the certificate.
    """

    shares_memory = True

    def __init__(self, source: ModelSource, settings: SessionSettings) -> None:
        """Open a model.

        Raises:
            ModelNotFound, InvalidModel, InvalidInput, UnknownDevice, DeviceUnavailable, RuntimeNotInstalled: see
                `Predictor`.
        """
        ort = import_onnxruntime()
        with forks.opening():
            self._session, options = open_session(ort, source, settings)
        self._run = private_calls.run_of(self._session)
        self.source, self._settings = source, settings
        self.must_reopen = False
        _sessions.add(self)
        computing = private_calls.computing_in(self._session)
        _computing[id(computing)] = computing
        self.device_id = int(options.get("device_id", 0))
        self._captures = options.get("enable_cuda_graph") == "1"
        self.turn = threading.RLock() if self._captures else None
        self._seconds = settings.limits.call_seconds
        self._run_options = self._new_options(None)
        self.version: str = ort.__version__
        self.provider: str = self._session.get_providers()[0]
        _LOG.info("opened %r on %s", source, self.provider)
        try:
            self.inputs = tuple(_spec(tensor) for tensor in self._session.get_inputs())
            self.outputs = tuple(_spec(tensor) for tensor in self._session.get_outputs())
            self.overridable_initializers = tuple(map(_spec, self._session.get_overridable_initializers()))
            self.taken = {spec.name: spec for spec in (*self.inputs, *self.overridable_initializers)}
            self.meta = self._session.get_modelmeta()
            self.metadata: dict[str, str] = self.meta.custom_metadata_map
            # Most programs only predict, and it may be as large as the weights.
            self.metadata.pop(CERTIFICATE_KEY, None)
        except UnicodeDecodeError as error:
            raise InvalidModel(
                f"{source.name} is damaged: its names are not UTF-8 text; export the model again"
            ) from error
        if any(needs_ml_dtypes(spec.type) for spec in (*self.taken.values(), *self.outputs)):
            self._run = ml_values.run_of(ort, self._session, self.taken, self.outputs)
        if strings := frozenset(name for name, spec in self.taken.items() if "tensor(string)" in spec.type):
            self._run = string_inputs.run_of(self._run, strings)

    def __repr__(self) -> str:
        return f"Session({self.source!r}, {self.provider})"

    def bound(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable[[], None]:
        """A call that reads and writes these arrays in place. It does not keep them alive.

        On the CPU only: on other devices ONNX Runtime copies inputs when they are bound.

        Args:
            inputs: arrays by name, contiguous, with the declared types and shapes.
            outputs: the same for the outputs, with shapes that fit the inputs.

        Returns:
            A function without arguments. It raises ONNX Runtime's own exceptions, see `translated`.
        """
        binding = self.binding()
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return self.bound_call(binding, None)

    def binding(self) -> Any:
        """A new onnxruntime.IOBinding."""
        if self.must_reopen:
            _reopen(self)
        return self._session.io_binding()

    def bound_call(self, binding: Any, graph: int | None) -> Callable[[], None]:
        """A call on what is bound; recorded as the CUDA graph with this number, if the session records graphs."""
        run, seconds = private_calls.bound_run(self._session, binding), self._seconds
        if seconds is None:
            return functools.partial(run, self._run_options if graph is None else self._new_options(graph))
        return lambda: ended_at(Deadline(seconds), run, self._new_options(graph))

    def deadline(self) -> Deadline | None:
        """When a call that begins now has to end; None if it may take as long as it takes."""
        return None if self._seconds is None else Deadline(self._seconds)

    def _new_options(self, graph: int | None) -> Any:
        options = import_onnxruntime().RunOptions()
        if self._captures:
            # Only calls on the same buffers can be recorded.
            options.add_run_config_entry("gpu_graph_id", str(-1 if graph is None else graph))
        return options

    def run(self, names: Sequence[str], feed: Mapping[str, Any], deadline: Deadline | None = None) -> list[Any]:
        """Compute the outputs `names`.

        Args:
            names: the names of the outputs.
            feed: all inputs by name, with the declared types.
            deadline: when this has to end, if it is a part of a call that has begun before.

        Returns:
            The outputs in the order of `names`: arrays for tensors.

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs.
            InferenceFailed: it fails while computing, or the call takes longer than the limit.
        """
        try:
            if self._seconds is not None:
                with self.turn or contextlib.nullcontext():
                    call = functools.partial(self._run, names, feed)
                    return ended_at(deadline or Deadline(self._seconds), call, self._new_options(None))
            if self.turn is None:
                return self._run(names, feed, self._run_options)
            with self.turn:
                return self._run(names, feed, self._run_options)
        except EdgePredictError:
            raise
        except Exception as error:
            raise translated(error, "the model") from error


def _reopen(session: Session) -> None:
    """Open the model once more, in a forked process, for what is locked in the inherited session.

    Raises:
        InferenceFailed: its provider does not outlive a fork, or its file has changed.
    """
    if session.provider != CPU:
        raise InferenceFailed(
            f"{session.provider} does not work in a process that was forked after the model was opened; open it after "
            'the fork, or start processes with multiprocessing.get_context("spawn")'
        )
    if not session.source.opens_the_same():
        raise InferenceFailed(
            f"{session.source!r} was changed after it was opened, and cannot be opened again in this forked "
            "process; open it after the fork"
        )
    again = Session(session.source, session._settings.on_cpu)
    session._session, session._run, session.must_reopen = again._session, again._run, False


def _run_anew(session: Session, *arguments: Any) -> list[Any]:
    _reopen(session)
    return session._run(*arguments)


def _outlive_fork(may_be_locked: bool) -> None:
    """Never destroy the sessions that a forked process has inherited, and use them only if they are not locked.

    The forked process does not have their threads. Calls work without them, but the end of a session would wait for
    them for ever.
    """
    for computing in _computing.values():
        private_calls.keep_for_good(computing)
    for session in _sessions:
        session.must_reopen = session.must_reopen or may_be_locked or session.provider != CPU
        if session._settings.may_choose:
            # Where it will be opened again.
            session.provider = CPU
        if session.must_reopen:
            session._run = functools.partial(_run_anew, session)


forks.after_fork(_outlive_fork)
forks.makes_calls(Session, "run")


def _spec(tensor: Any) -> TensorSpec:
    shape = tensor.shape or ()
    return TensorSpec(tensor.name, tensor.type, tuple([None if size in ("?", "", -1) else size for size in shape]))
