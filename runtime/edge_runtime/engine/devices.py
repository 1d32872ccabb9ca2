"""From a device to the providers of ONNX Runtime, and why one cannot be used.

A *device* is what the user asks for ("auto", "cpu", "cuda", "cuda:1", or the name of a provider). A *provider* is what
ONNX Runtime then runs on.
"""

import ctypes
import re
import sys
from pathlib import Path
from types import ModuleType

from edge_runtime.contract.errors import UnknownDevice
from edge_runtime.contract.terminal import one_line, printable, suggestion
from edge_runtime.engine.installation import import_onnxruntime, replacing
from edge_runtime.engine.model_source import ModelSource

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
_ENDING = "ExecutionProvider"  # of every provider's name


def cuda_driver_problem() -> str | None:
    """Why this machine does not have an NVIDIA GPU that can be used; None if the driver reports at least one.

    Asks the driver itself (cuInit and cuDeviceGetCount of the CUDA driver API), because ONNX Runtime writes to the
    terminal when it tries CUDA on a machine without a GPU.
    """
    try:
        driver = ctypes.CDLL(_driver_library())
    except OSError:
        return f"the NVIDIA driver is not installed ({_driver_library()} is not found)"
    if status := driver.cuInit(0):
        return f"the NVIDIA driver does not find a usable GPU (cuInit returns error {status})"
    count = ctypes.c_int(0)
    if status := driver.cuDeviceGetCount(ctypes.byref(count)):
        return f"the NVIDIA driver cannot count its GPUs (error {status})"
    return None if count.value else "the NVIDIA driver does not find a GPU"


def driver_cuda_version() -> tuple[int, int] | None:
    """The newest CUDA that the NVIDIA driver supports (cuDriverGetVersion); None if there is no driver."""
    version = ctypes.c_int(0)
    try:
        driver = ctypes.CDLL(_driver_library())
    except OSError:
        return None
    if driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return version.value // 1000, version.value % 1000 // 10


def _driver_library() -> str:
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def candidates(device: str) -> list[tuple[str, dict[str, str]]]:
    """The providers to try for `device`, the best first, with their options.

    Raises:
        UnknownDevice: no device has this name.
    """
    if device == "cpu":
        return [(CPU, {})]
    if device in ("auto", "cuda", CUDA) or re.fullmatch(r"cuda:\d+", device):
        # TF32 keeps 10 bits of the 23 of a float32: what was verified in float32 must not run in it.
        options = {"use_tf32": "0"}
        if number := device.partition(":")[2]:
            options["device_id"] = number
        # Graphs can only be recorded if the whole model runs on the GPU.
        cuda = [(CUDA, {**options, "enable_cuda_graph": "1"}), (CUDA, options)]
        return [*cuda, (CPU, {})] if device == "auto" else cuda
    if device.endswith(_ENDING):
        return [(device, {})]
    # "gpu" is spelled like "cpu", but not meant so.
    meant = suggestion(device.lower().replace("gpu", "cuda"), ("auto", "cpu", "cuda", CPU, CUDA))
    raise UnknownDevice(
        f"unknown device {device!r}{meant or ';'} use auto, cpu, cuda, cuda:N, or the name of an ONNX Runtime provider"
    )


def provider_problem(ort: ModuleType, provider: str, source: ModelSource) -> str | None:
    """Why `provider` cannot be used for the model `source`; None if only trying can tell."""
    if provider == CPU:
        return None
    if provider == CUDA:
        return cuda_problem(source)
    if provider not in (available := ort.get_available_providers()):
        # All of them end alike, so that any would look like any other.
        kinds = {name.removesuffix(_ENDING): name for name in available}
        alike = [name for kind, name in kinds.items() if suggestion(provider.removesuffix(_ENDING), [kind])]
        # Of `cpu` there is not enough to look like the whole name.
        meant = suggestion(provider, alike) or (f"; did you mean {alike[0]!r}?" if alike else "")
        return f"the installed onnxruntime does not have {printable(provider)}, only {', '.join(available)}{meant}"
    return None


def cuda_problem(source: ModelSource) -> str | None:
    """Why the model `source` cannot run on CUDA here; None if only trying can tell."""
    if CUDA not in import_onnxruntime().get_available_providers():
        return f"the installed onnxruntime does not have CUDA; {replacing(['onnxruntime'], 'gpu-cuda')}"
    if source.is_ort_format:
        # ONNX Runtime 1.31 crashes on some of them there, and silently runs others on the CPU.
        return "a file in ORT format runs only on the CPU; use the ONNX file on CUDA"
    return cuda_driver_problem()


def library_problem(ort: ModuleType, provider: str) -> str:
    """Why `provider` did not start when it was tried: most often a shared library that it needs is missing."""
    if provider == CUDA and sys.platform != "win32":
        library = Path(str(ort.__file__)).parent / "capi" / "libonnxruntime_providers_cuda.so"
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return f"{one_line(error)}; CUDA and cuDNN come with pip install 'edge-predict[gpu-cuda]'"
    return f"ONNX Runtime did not start {provider}, and fell back to the CPU"
