"""From the device that a person asks for to the providers of ONNX Runtime, and why one cannot be used.

The words: a *device* is what the user asks for ("auto", "cpu", "cuda", "cuda:1", or a provider's own name); a
*provider* is what ONNX Runtime then really runs on.
"""

import ctypes
import re
import sys
from pathlib import Path
from types import ModuleType

from edge_runtime.contract.errors import (
    UnknownDevice,
)
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.model_file import is_ort_format
from edge_runtime.engine.ort_errors import one_line

CPU = "CPUExecutionProvider"


CUDA = "CUDAExecutionProvider"


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


def candidates(device: str) -> list[tuple[str, dict[str, str]]]:
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


def provider_problem(ort: ModuleType, provider: str, source: str | bytes) -> str | None:
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
    if is_ort_format(source):
        # ONNX Runtime 1.31 crashes on some of them there, and runs others on the CPU without a word.
        return "a file in ORT format is prepared for the CPU alone; take the ONNX file on CUDA"
    return cuda_driver_problem()


def library_problem(ort: ModuleType, provider: str) -> str:
    """Why `provider` did not come up although it was tried: most often a shared library that it needs is missing."""
    if provider == CUDA and sys.platform != "win32":
        library = Path(str(ort.__file__)).parent / "capi" / "libonnxruntime_providers_cuda.so"
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            return f"{one_line(error)}; CUDA and cuDNN come with pip install 'edge-predict[gpu-cuda]'"
    return f"ONNX Runtime did not start {provider} and fell back to the CPU"
