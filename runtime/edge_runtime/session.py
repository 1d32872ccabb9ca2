"""Everything that touches ONNX Runtime: finding it, choosing the device, opening a session, naming its errors.

The words: a *device* is what the user asks for ("auto", "cpu", "cuda", "cuda:1", or a provider's own name); a
*provider* is what ONNX Runtime then really runs on.
"""

import contextlib
import ctypes
import functools
import re
import sys
import threading
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
    RuntimeNotInstalled,
    UnknownDevice,
)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

_REDIRECTING = threading.Lock()


class Session:
    """One opened model: what it declares, what it runs on, and `run`, with ONNX Runtime's errors translated.

    Attributes:
        source: what opens the same model again: its absolute path, or its content.
        version: of ONNX Runtime.
        metadata: what the file says about itself, by key.
    """

    def __init__(self, model: Path | bytes, device: str) -> None:
        """Open `model` (a file, or a file's content) on `device`.

        Raises:
            ModelNotFound, InvalidModel, UnknownDevice, DeviceUnavailable, RuntimeNotInstalled: see `Predictor`.
        """
        candidates = _candidates(device)
        ort = import_onnxruntime()
        name, source = ("the model", model) if isinstance(model, bytes) else (str(model), _readable(model))
        self._session = _open(ort, source, name, device, candidates)
        self._run_options = ort.RunOptions()
        self.source = source if isinstance(source, bytes) else Path(source).absolute()
        self.version: str = ort.__version__
        self.provider: str = self._session.get_providers()[0]
        try:
            self.inputs = tuple(_spec(tensor) for tensor in self._session.get_inputs())
            self.outputs = tuple(_spec(tensor) for tensor in self._session.get_outputs())
            self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise InvalidModel(f"{name} is damaged: its names are not UTF-8 text; export the model again") from error

    def content(self) -> bytes:
        """The bytes of the model's file as they are by now. Raises ModelNotFound or InvalidModel if it is gone."""
        if isinstance(self.source, bytes):
            return self.source
        _readable(self.source)
        return self.source.read_bytes()

    def bound(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable[[], None]:
        """A call that reads and writes these very arrays, by name, whatever they hold by then; it does not keep them.

        The arrays are contiguous, of the declared types and of shapes that belong together. The call raises ONNX
        Runtime's own exceptions, see `translated`.
        """
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_input(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        # InferenceSession.run_with_iobinding looks for captured graphs first, which takes as long as a small model.
        return functools.partial(self._session._sess.run_with_iobinding, binding._iobinding, self._run_options)

    def run_bound(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Compute once as `bound` says. Raises as `run`."""
        try:
            self.bound(inputs, outputs)()
        except Exception as error:
            raise translated(error, "the model") from error

    def run(self, names: list[str] | None, feed: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` (all, if None) for the inputs in `feed`.

        Raises:
            InvalidInput: ONNX Runtime refuses the inputs.
            InferenceFailed: it fails while computing.
        """
        try:
            return self._session.run(names, feed)  # type: ignore[no-any-return]
        except Exception as error:
            raise translated(error, "the model") from error


def import_onnxruntime() -> ModuleType:
    """The onnxruntime module.

    Raises:
        RuntimeNotInstalled: it is missing, cannot be loaded, or two of its packages are installed over each other.
    """
    try:
        import onnxruntime
    except ImportError as error:
        found = _distributions(sys.path)
        _check_single(found)
        if not found:
            reason = "ONNX Runtime is not installed; install it with pip install 'edge-predict[cpu]' (or [gpu])"
        else:
            reason = (
                f"{found[0]} is installed but cannot be loaded ({_one_line(error)}); reinstall it with "
                f"pip install --force-reinstall {found[0]}"
            )
        raise RuntimeNotInstalled(reason) from error
    _check_single(_distributions([str(Path(folder).parent) for folder in getattr(onnxruntime, "__path__", ())]))
    if not hasattr(onnxruntime, "InferenceSession"):
        # What a pip uninstall of one of two clashing packages leaves behind: a folder without its core.
        raise RuntimeNotInstalled(
            "the onnxruntime package is incomplete; mend it with "
            "pip install --force-reinstall 'edge-predict[cpu]' (or [gpu])"
        )
    return onnxruntime  # type: ignore[no-any-return]


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
    # TF32 keeps 10 bits of a float32's 23: what was proven in float32 must not run in it.
    cuda_options = {"use_tf32": "0"}
    if device == "auto":
        return [(CUDA, cuda_options), (CPU, {})]
    if device == "cpu":
        return [(CPU, {})]
    if device in ("cuda", CUDA):
        return [(CUDA, cuda_options)]
    if numbered := re.fullmatch(r"cuda:(\d+)", device):
        return [(CUDA, {**cuda_options, "device_id": numbered[1]})]
    if device.endswith("ExecutionProvider"):
        return [(device, {})]
    raise UnknownDevice(
        f"unknown device {device!r}: use auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider"
    )


def _open(
    ort: ModuleType, source: str | bytes, name: str, device: str, candidates: list[tuple[str, dict[str, str]]]
) -> Any:
    """A session on the first candidate that really comes up."""
    problem: str | None = None
    for provider, options in candidates:
        if problem := _provider_problem(ort, provider, source):
            continue
        try:
            session = _new_session(ort, source, provider, options)
        except Exception as error:
            if provider == CPU:
                raise _loading_error(error, name) from error
            problem = _one_line(error)
            continue
        # ONNX Runtime falls back to the CPU without a word: only the finished session tells.
        if session.get_providers()[0] == provider:
            return session
        problem = _library_problem(ort, provider)
    # Is it the device, or a model that opens nowhere? Then that is what has to be said.
    _open(ort, source, name, "cpu", _candidates("cpu"))
    raise DeviceUnavailable(f"device {device!r} cannot be used: {problem}")


def _new_session(ort: ModuleType, source: str | bytes, provider: str, options: dict[str, str]) -> Any:
    settings = ort.SessionOptions()
    # A small model loses more to a thread pool than it gains, and idle threads spin. Without a pool of its own a
    # session also survives a fork.
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
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


def _provider_problem(ort: ModuleType, provider: str, source: str | bytes) -> str | None:
    """Why `provider` cannot come up for the model `source`, as far as can be known without trying."""
    if provider not in (available := ort.get_available_providers()):
        if provider == CUDA:
            return (
                "the onnxruntime installed has no CUDA; mend it with "
                "pip uninstall -y onnxruntime && pip install 'edge-predict[gpu-cuda]'"
            )
        return f"the onnxruntime installed has no {provider}, only {', '.join(available)}"
    if provider != CUDA:
        return None
    if _is_ort_format(source):
        # ONNX Runtime 1.31 crashes on some of them there, and runs others on the CPU without a word.
        return "a file in ORT format is prepared for the CPU alone; take the ONNX file on CUDA"
    return cuda_driver_problem()


def _is_ort_format(source: str | bytes) -> bool:
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


def _distributions(folders: Sequence[str]) -> list[str]:
    """The packages of ONNX Runtime in `folders`; they all install the same folder `onnxruntime`.

    Their names alone are looked at: importlib.metadata takes a tenth of the time in which a command answers.
    """
    found = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            names = [path.name for path in Path(folder).glob("onnxruntime*.dist-info")]
            found |= {name.split("-")[0] for name in names}
    return sorted(name.replace("_", "-") for name in found)


def _check_single(distributions: Sequence[str]) -> None:
    if len(distributions) > 1:
        raise RuntimeNotInstalled(
            f"{' and '.join(distributions)} are both installed and overwrite each other; mend it with "
            f"pip uninstall -y {' '.join(distributions)} && pip install 'edge-predict[cpu]' (or [gpu])"
        )


def _spec(tensor: Any) -> TensorSpec:
    shape = tensor.shape or ()
    return TensorSpec(tensor.name, tensor.type, tuple(None if size in ("?", "", -1) else size for size in shape))


def _one_line(error: Exception) -> str:
    """The message of `error` without ONNX Runtime's prefix and line breaks."""
    text = " ".join(str(error).split())
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
