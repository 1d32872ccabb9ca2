"""ONNX Runtime's sessions: choosing the device, opening one, calling it, naming its errors.

The words: a *device* is what the user asks for ("auto", "cpu", "cuda", "cuda:1", or a provider's own name); a
*provider* is what ONNX Runtime then really runs on.
"""

import contextlib
import ctypes
import functools
import os
import re
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from edge_runtime.arrays import TensorSpec
from edge_runtime.errors import (
    DeviceUnavailable,
    EdgePredictError,
    InferenceFailed,
    InvalidInput,
    InvalidModel,
    ModelNotFound,
    UnknownDevice,
)
from edge_runtime.installation import import_onnxruntime
from edge_runtime.processors import available_processors

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_REDIRECTING = threading.Lock()

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
        candidates = _candidates(device)
        ort = import_onnxruntime()
        name, source = ("the model", model) if isinstance(model, bytes) else (str(model), _readable(model))
        self._stamp = (0, 0, 0, 0) if isinstance(source, bytes) else _stamp(Path(source))
        self._session, options = _open(ort, source, name, device, candidates, threads)
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
        return isinstance(self.source, bytes) or _stamp(self.source) == self._stamp

    @property
    def size(self) -> int:
        """How many bytes the model takes, as a file."""
        return len(self.source) if isinstance(self.source, bytes) else self._stamp[2]

    def content(self) -> bytes:
        """The bytes of the model's file as they are by now. Raises ModelNotFound or InvalidModel if it is gone."""
        if isinstance(self.source, bytes):
            return self.source
        _readable(self.source)
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
        # InferenceSession.run_with_iobinding looks for captured graphs first, which takes as long as a small model.
        return functools.partial(self._session._sess.run_with_iobinding, binding._iobinding, options)

    def run(self, names: Sequence[str], feed: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` for the inputs in `feed`, which are all there and of the declared types.

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs.
            InferenceFailed: it fails while computing.
        """
        try:
            # InferenceSession.run checks the names of inputs and looks for captured graphs first.
            if self.turn is None:
                return self._session._sess.run(names, feed, self._run_options)  # type: ignore[no-any-return]
            with self.turn:
                return self._session._sess.run(names, feed, self._run_options)  # type: ignore[no-any-return]
        except Exception as error:
            raise translated(error, "the model") from error


def translated(error: Exception, model: str) -> EdgePredictError:
    """ONNX Runtime's `error` about `model` as one of ours; the one place where its exceptions are known.

    Its exceptions derive from bare Exception and say their kind only in the name of their class.
    """
    reason = _one_line(error)
    match type(error).__name__:
        case "NoSuchFile":
            return ModelNotFound(f"{model}: no such file, or one that it refers to is missing: {reason}")
        case "InvalidProtobuf" | "InvalidGraph" | "NoModel" | "ModelLoaded" | "ModelRequiresCompilation":
            return InvalidModel(f"{model} is not a model that ONNX Runtime can load: {reason}")
        case "InvalidArgument" | "ValueError" | "TypeError":
            return InvalidInput(f"{model} cannot take these inputs: {reason}")
        case _:
            return InferenceFailed(f"ONNX Runtime failed on {model}: {reason}")


def cuda_driver_problem() -> str | None:
    """Why there is no NVIDIA GPU to use here, or None if the driver reports at least one.

    Asked of the driver itself (cuInit, cuDeviceGetCount of the CUDA driver API), because ONNX Runtime's own attempt on
    a machine without a GPU writes to the terminal.
    """
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return f"no NVIDIA driver is installed ({library} is not found)"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver finds no usable GPU (cuInit gives error {status})"
    count = ctypes.c_int(0)
    if status := driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"the NVIDIA driver cannot count its GPUs (error {status})"
    return None if count.value else "the NVIDIA driver sees no GPU"


def _candidates(device: str) -> list[tuple[str, dict[str, str]]]:
    """The providers to try for `device`, best first, with their options."""
    if device == "cpu":
        return [(CPU, {})]
    if device in ("auto", "cuda", CUDA) or re.fullmatch(r"cuda:\d+", device):
        # TF32 keeps 10 bits of a float32's 23: what was proven in float32 must not run in it.
        options = {"use_tf32": "0"}
        if number := device.partition(":")[2]:
            options["device_id"] = number
        # Graphs can be recorded of models that run on the GPU as a whole.
        cuda = [(CUDA, {**options, "enable_cuda_graph": "1"}), (CUDA, options)]
        return [*cuda, (CPU, {})] if device == "auto" else cuda
    if device.endswith("ExecutionProvider"):
        return [(device, {})]
    raise UnknownDevice(
        f"unknown device {device!r}: use auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider"
    )


def _open(
    ort: ModuleType,
    source: str | bytes,
    name: str,
    device: str,
    candidates: list[tuple[str, dict[str, str]]],
    threads: int | None,
) -> tuple[Any, dict[str, str]]:
    """A session on the first candidate that really comes up, and its options."""
    problem: str | None = None
    for provider, options in candidates:
        if problem := _provider_problem(ort, provider, source):
            continue
        try:
            session = _new_session(ort, source, provider, options, threads)
        except Exception as error:
            if provider == CPU:
                raise _loading_error(error, name) from error
            problem = _one_line(error)
            continue
        # ONNX Runtime falls back to the CPU without a word: only the finished session tells.
        if session.get_providers()[0] == provider:
            return session, options
        problem = _library_problem(ort, provider)
    # Is it the device, or a model that opens nowhere? Then that is what has to be said.
    _open(ort, source, name, "cpu", _candidates("cpu"), 1)
    raise DeviceUnavailable(f"device {device!r} cannot be used: {problem}")


def _new_session(
    ort: ModuleType, source: str | bytes, provider: str, options: dict[str, str], threads: int | None
) -> Any:
    settings = ort.SessionOptions()
    settings.inter_op_num_threads = 1
    # A pattern would be kept for every number of rows that is ever called.
    settings.enable_mem_pattern = False
    if provider == CPU and _can_spin_briefly(ort) and threads != 1 and (most := available_processors()) > 1:
        wanted = min(most, threads or most)
        # Left to itself ONNX Runtime gives each thread a processor of its own, which is right where all are ours.
        settings.intra_op_num_threads = 0 if wanted == os.cpu_count() else wanted
        # Threads that sleep take longer to wake up than most calls take; so long they wait for the next call, no more.
        settings.add_session_config_entry("session.intra_op.spin_duration_us", "200")
    else:
        settings.intra_op_num_threads = 1
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Errors reach the caller as exceptions; ONNX Runtime need not print them as well.
    settings.log_severity_level = 4
    if provider == CPU:
        return ort.InferenceSession(source, settings, providers=[provider])
    # What ONNX Runtime prints about missing libraries goes to stdout, which belongs to the answers. One redirection at
    # a time: two would undo each other in the wrong order.
    with _REDIRECTING, contextlib.redirect_stdout(sys.stderr):
        if provider == CUDA and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        return ort.InferenceSession(source, settings, providers=[(provider, options)], enable_fallback=0)


def _can_spin_briefly(ort: ModuleType) -> bool:
    """Whether this ONNX Runtime can let idle threads sleep soon; older ones spin for long, or lose by not spinning."""
    return tuple(map(int, ort.__version__.split(".")[:2])) >= (1, 26)


def _outlive_fork() -> None:
    """Keep the sessions of a forked process for good.

    Its copies have no threads: calls do without them, but the end of a session would wait for them for ever.
    """
    for session in _sessions:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._session._sess))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_outlive_fork)


def _provider_problem(ort: ModuleType, provider: str, source: str | bytes) -> str | None:
    """Why `provider` cannot come up for the model `source`, as far as can be known without trying."""
    if provider == CUDA:
        return cuda_problem(source)
    if provider not in (available := ort.get_available_providers()):
        return f"the onnxruntime installed has no {provider}, only {', '.join(available)}"
    return None


def cuda_problem(source: Path | str | bytes) -> str | None:
    """Why the model `source` cannot run on CUDA here, as far as can be known without trying."""
    if CUDA not in import_onnxruntime().get_available_providers():
        return (
            "the onnxruntime installed has no CUDA; mend it with "
            "pip uninstall -y onnxruntime && pip install 'edge-predict[gpu-cuda]'"
        )
    if _is_ort_format(source):
        # ONNX Runtime 1.31 crashes on some of them there, and runs others on the CPU without a word.
        return "a file in ORT format is prepared for the CPU alone; take the ONNX file on CUDA"
    return cuda_driver_problem()


def _stamp(path: Path) -> tuple[int, int, int, int]:
    """What tells a file from another one of its name; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0, 0)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _is_ort_format(source: Path | str | bytes) -> bool:
    """Whether a model is in ORT format: by the file identifier of its FlatBuffers schema, ORTM."""
    if isinstance(source, bytes):
        return source[4:8] == b"ORTM"
    with Path(source).open("rb") as file:
        return file.read(8)[4:] == b"ORTM"


def _library_problem(ort: ModuleType, provider: str) -> str:
    """Why `provider` did not come up although it was tried: most often a shared library that it needs is missing."""
    if provider == CUDA and sys.platform != "win32":
        library = Path(str(ort.__file__)).parent / "capi" / "libonnxruntime_providers_cuda.so"
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return f"{_one_line(error)}; CUDA and cuDNN come with pip install 'edge-predict[gpu-cuda]'"
    return f"ONNX Runtime did not start {provider} and fell back to the CPU"


def _loading_error(error: Exception, name: str) -> EdgePredictError:
    translation = translated(error, name)
    if isinstance(translation, ModelNotFound):
        return translation
    reason = re.sub("^Load model from .*? failed:", "", _one_line(error)).rstrip(".")
    return InvalidModel(f"{name} is not a model that ONNX Runtime can load ({reason}); edge-export makes one")


def _readable(path: Path) -> str | bytes:
    """What ONNX Runtime can open `path` by, if it can be read: its own words for the other cases name no cause."""
    try:
        if path.is_dir():
            raise InvalidModel(f"{path} is a folder, not a model file")
        with path.open("rb") as file:
            # A pipe can be read once only.
            if not path.is_file():
                return file.read()
            if not file.read(1):
                raise InvalidModel(f"{path} is empty; export the model again")
    except FileNotFoundError as error:
        raise ModelNotFound(f"no such file: {path}") from error
    except OSError as error:
        raise InvalidModel(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        if isinstance(error, InvalidModel):
            raise
        raise InvalidModel(f"{str(path)!r} is no path: {error}") from error
    return str(path)


def _spec(tensor: Any) -> TensorSpec:
    shape = tensor.shape or ()
    return TensorSpec(tensor.name, tensor.type, tuple(None if size in ("?", "", -1) else size for size in shape))


def _one_line(error: Exception) -> str:
    """The message of `error` without ONNX Runtime's prefix and line breaks."""
    text = " ".join(str(error).split())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
