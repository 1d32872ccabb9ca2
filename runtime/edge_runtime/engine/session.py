"""One session of ONNX Runtime, and the calls of it."""

import functools
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_runtime.contract.errors import EdgePredictError, InferenceFailed, InvalidModel
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.contract.tensors import TensorSpec, needs_ml_dtypes
from edge_runtime.engine import forks, ml_values, private_calls
from edge_runtime.engine.devices import CPU, candidates
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_file import examined, of_content, stamp
from edge_runtime.engine.opening import open_session
from edge_runtime.engine.ort_errors import translated

_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """An opened model: what it declares, what it runs on, and `run`, with ONNX Runtime's errors translated.

    Attributes:
        source: what opens the same model again: its absolute path, or its content.
        version: the version of ONNX Runtime.
        provider: the provider that it runs on.
        device_id: the number of the GPU, if there are several.
        turn: a lock for every call, if ONNX Runtime records CUDA graphs, with one set of results; None otherwise.
        inputs, outputs, overridable_initializers: what the file declares.
        taken: its inputs and overridable initializers, by name.
        meta, metadata: its onnxruntime.ModelMetadata, and what the file says about itself, without the certificate.
    """

    def __init__(self, model: Path | bytes, device: str, threads: int | None = None) -> None:
        """Open a model.

        Args:
            model: the path of a file, or the content of one.
            device: see `Predictor`.
            threads: the most processors that one call may use on the CPU; None for all of this process.

        Raises:
            ModelNotFound, InvalidModel, UnknownDevice, DeviceUnavailable, RuntimeNotInstalled: see `Predictor`.
        """
        wanted = candidates(device)
        ort = import_onnxruntime()
        name, found = ("the model", of_content(model)) if isinstance(model, bytes) else (str(model), examined(model))
        source, self._stamp, self._data = found
        with forks.opening():
            self._session, options = open_session(ort, source, name, device, wanted, threads, self._data)
        self._run = private_calls.run_of(self._session)
        self._threads, self._must_reopen = threads, False
        _sessions.add(self)
        self.device_id = int(options.get("device_id", 0))
        self._captures = options.get("enable_cuda_graph") == "1"
        self.turn = threading.RLock() if self._captures else None
        self._run_options = ort.RunOptions()
        if self._captures:
            # Only calls on the same buffers can be recorded, see `bound_call`.
            self._run_options.add_run_config_entry("gpu_graph_id", "-1")
        self.source = source if isinstance(source, bytes) else Path(source).absolute()
        self.version: str = ort.__version__
        self.provider: str = self._session.get_providers()[0]
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
            raise InvalidModel(f"{name} is damaged: its names are not UTF-8 text; export the model again") from error
        if any(needs_ml_dtypes(spec.type) for spec in (*self.taken.values(), *self.outputs)):
            self._run = ml_values.run_of(ort, self._session, self.taken, self.outputs)

    def __repr__(self) -> str:
        return f"Session({self.shown_source}, {self.provider})"

    @property
    def shown_source(self) -> str:
        """The name of the file, or the size of the content, for a line of text."""
        return f"<{len(self.source):,} bytes>" if isinstance(self.source, bytes) else repr(self.source.name)

    def is_unchanged(self) -> bool:
        """Whether the file is still the one that was opened, so that opening it again gives the same model."""
        return isinstance(self.source, bytes) or stamp(self.source) == self._stamp

    @property
    def size(self) -> int:
        """The size of the model's file, in bytes, with that of its data file."""
        if isinstance(self.source, bytes):
            return len(self.source)
        return self._stamp[2] + (0 if self._data is None else stamp(self._data)[2])

    def content_sha256(self) -> str | None:
        """`contract.certificate.content_sha256` of the model's file, and its data file, as they are now.

        Raises:
            ModelNotFound, InvalidModel: a file does not exist any more, or cannot be read.
        """
        # Most programs only predict.
        from edge_runtime.contract.certificate import content_sha256

        if not isinstance(self.source, bytes):
            examined(self.source)
        try:
            return content_sha256(self.source, self._data)
        except OSError as error:
            raise InvalidModel(f"{self.shown_source} cannot be read: {error.strerror}") from error

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
        if self._must_reopen:
            _reopen(self)
        return self._session.io_binding()

    def bound_call(self, binding: Any, graph: int | None) -> Callable[[], None]:
        """A call on what is bound; recorded as the CUDA graph with this number, if the session records graphs."""
        options = self._run_options
        if self._captures and graph is not None:
            options = import_onnxruntime().RunOptions()
            options.add_run_config_entry("gpu_graph_id", str(graph))
        return private_calls.bound_run(self._session, binding, options)

    def run(self, names: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        """Compute the outputs `names`.

        Args:
            names: the names of the outputs.
            feed: all inputs by name, with the declared types.

        Returns:
            The outputs in the order of `names`: arrays for tensors.

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs.
            InferenceFailed: it fails while computing.
        """
        try:
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
    if not session.is_unchanged():
        raise InferenceFailed(
            f"{session.shown_source} was changed after it was opened, and cannot be opened again in this forked "
            "process; open it after the fork"
        )
    again = Session(session.source, "cpu", session._threads)
    session._session, session._run, session._must_reopen = again._session, again._run, False


def _run_anew(session: Session, *arguments: Any) -> list[Any]:
    _reopen(session)
    return session._run(*arguments)


def _outlive_fork(may_be_locked: bool) -> None:
    """Never destroy the sessions that a forked process has inherited, and use them only if they are not locked.

    The forked process does not have their threads. Calls work without them, but the end of a session would wait for
    them for ever.
    """
    for session in _sessions:
        private_calls.keep_for_good(session._session)
        session._must_reopen = may_be_locked or session.provider != CPU
        if session._must_reopen:
            session._run = functools.partial(_run_anew, session)


forks.after_fork(_outlive_fork)
forks.makes_calls(Session, "run")


def _spec(tensor: Any) -> TensorSpec:
    shape = tensor.shape or ()
    return TensorSpec(tensor.name, tensor.type, tuple(None if size in ("?", "", -1) else size for size in shape))
