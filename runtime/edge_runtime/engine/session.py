"""ONNX Runtime's sessions: choosing the device, opening one, calling it, naming its errors.

The words: a *device* is what the user asks for ("auto", "cpu", "cuda", "cuda:1", or a provider's own name); a
*provider* is what ONNX Runtime then really runs on.
"""

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_runtime.contract.errors import (
    InvalidModel,
)
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import private_calls
from edge_runtime.engine.devices import candidates
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_file import readable, stamp
from edge_runtime.engine.opening import open_session
from edge_runtime.engine.ort_errors import translated

_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()


class Session:
    """One opened model: what it declares, what it runs on, and `run`, with ONNX Runtime's errors translated.

    Attributes:
        source: what opens the same model again: its absolute path, or its content.
        version: of ONNX Runtime.
        provider: what it runs on.
        device_id: which of several GPUs.
        turn: to be held by whoever calls, where calls at the same time would write over each other's results: those of
            ONNX Runtime do while it records CUDA graphs. None elsewhere.
        inputs, outputs: the tensors that the file declares.
        metadata: what the file says about itself, by key.
    """

    def __init__(self, model: Path | bytes, device: str, threads: int | None = None) -> None:
        """Open `model` (a file, or a file's content) on `device`, for calls on up to `threads` processors.

        By default on all that there are for this process.

        Raises:
            ModelNotFound, InvalidModel, UnknownDevice, DeviceUnavailable, RuntimeNotInstalled: see `Predictor`.
        """
        wanted = candidates(device)
        ort = import_onnxruntime()
        name, source = ("the model", model) if isinstance(model, bytes) else (str(model), readable(model))
        self._stamp = (0, 0, 0, 0) if isinstance(source, bytes) else stamp(Path(source))
        self._session, options = open_session(ort, source, name, device, wanted, threads)
        self._run = private_calls.run_of(self._session)
        _sessions.add(self)
        self.device_id = int(options.get("device_id", 0))
        self._captures = options.get("enable_cuda_graph") == "1"
        self.turn = threading.RLock() if self._captures else None
        self._run_options = ort.RunOptions()
        if self._captures:
            # Only calls on the same buffers can be recorded; see `bound_call`.
            self._run_options.add_run_config_entry("gpu_graph_id", "-1")
        self.source = source if isinstance(source, bytes) else Path(source).absolute()
        self.version: str = ort.__version__
        self.provider: str = self._session.get_providers()[0]
        try:
            self.inputs = tuple(_spec(tensor) for tensor in self._session.get_inputs())
            self.outputs = tuple(_spec(tensor) for tensor in self._session.get_outputs())
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise InvalidModel(f"{name} is damaged: its names are not UTF-8 text; export the model again") from error

    def is_unchanged(self) -> bool:
        """Whether the file is the one that was opened: what opens it again would get another model otherwise."""
        return isinstance(self.source, bytes) or stamp(self.source) == self._stamp

    @property
    def size(self) -> int:
        """How many bytes the model takes, as a file."""
        return len(self.source) if isinstance(self.source, bytes) else self._stamp[2]

    def content(self) -> bytes:
        """The bytes of the model's file as they are by now. Raises ModelNotFound or InvalidModel if it is gone."""
        if isinstance(self.source, bytes):
            return self.source
        readable(self.source)
        return self.source.read_bytes()

    def bound(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable[[], None]:
        """A call that reads and writes these very arrays, by name, whatever they hold by then; it does not keep them.

        On the CPU alone: elsewhere ONNX Runtime copies inputs when they are bound. The arrays are contiguous, of the
        declared types and of shapes that belong together. The call raises ONNX Runtime's own exceptions, see
        `translated`.
        """
        binding = self.binding()
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        return self.bound_call(binding, None)

    def binding(self) -> Any:
        """A new onnxruntime.IOBinding."""
        return self._session.io_binding()

    def bound_call(self, binding: Any, graph: int | None) -> Callable[[], None]:
        """A call on what is bound, recorded as the CUDA graph of this number if the session records any."""
        options = self._run_options
        if self._captures and graph is not None:
            options = import_onnxruntime().RunOptions()
            options.add_run_config_entry("gpu_graph_id", str(graph))
        return private_calls.bound_run(self._session, binding, options)

    def run(self, names: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` for the inputs in `feed`, which are all there and of the declared types.

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs.
            InferenceFailed: it fails while computing.
        """
        try:
            if self.turn is None:
                return self._run(names, feed, self._run_options)
            with self.turn:
                return self._run(names, feed, self._run_options)
        except Exception as error:
            raise translated(error, "the model") from error


def _outlive_fork() -> None:
    """Keep the sessions of a forked process for good.

    Its copies have no threads: calls do without them, but the end of a session would wait for them for ever.
    """
    for session in _sessions:
        private_calls.keep_for_good(session._session)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_outlive_fork)


def _spec(tensor: Any) -> TensorSpec:
    shape = tensor.shape or ()
    return TensorSpec(tensor.name, tensor.type, tuple(None if size in ("?", "", -1) else size for size in shape))
