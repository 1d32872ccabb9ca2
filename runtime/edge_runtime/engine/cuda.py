"""Calls on an NVIDIA GPU: buffers that stay there, captured graphs, and tensors of other libraries without a copy."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.input_ranges import InputRanges
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine import forks
from edge_runtime.engine.installation import import_onnxruntime
from edge_runtime.engine.ort_errors import reason_of, translated
from edge_runtime.engine.output_shapes import check_sizes
from edge_runtime.engine.session import Session

# kDLCUDA of the DLPack protocol, https://dmlc.github.io/dlpack/latest/c_api.html
_ON_CUDA = 2

_graph_numbers = itertools.count(1)


def bound(session: Session, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> Callable[[], None]:
    """As `Session.bound`, through buffers on the GPU; one call at a time.

    If the whole model runs on the GPU, its kernels are recorded once and then launched together (CUDA graphs), which
    saves half of a small model's time.
    """
    # First, since it refuses a session that was inherited by a fork: CUDA itself would fail below.
    binding = session.binding()
    ort = import_onnxruntime()
    place = ("cuda", session.device_id)
    taken = [(ort.OrtValue.ortvalue_from_numpy(array, *place), array) for array in inputs.values()]
    given = [
        (ort.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype.type, *place), array)
        for array in outputs.values()
    ]
    for name, (value, _) in zip(inputs, taken, strict=True):
        binding.bind_ortvalue_input(name, value)
    for name, (value, _) in zip(outputs, given, strict=True):
        binding.bind_ortvalue_output(name, value)
    call = session.bound_call(binding, next(_graph_numbers))

    def run() -> None:
        with session.turn or contextlib.nullcontext():
            for value, array in taken:
                value.update_inplace(array)
            call()
            for value, array in given:
                array[...] = value.numpy()

    return run


def is_on_cuda(value: Any) -> bool:
    """Whether `value` is a tensor on an NVIDIA GPU, of any library that supports DLPack."""
    try:
        return bool(value.__dlpack_device__()[0] == _ON_CUDA)
    except Exception:  # libraries raise different ones for what they cannot lend
        return False


def run_there(
    session: Session,
    inputs: Mapping[str, Any],
    names: Sequence[str],
    ranges: InputRanges | None = None,
    counted: str | None = None,
) -> dict[str, Any]:
    """`Predictor.run` for inputs of which some are on the GPU; the others are arrays.

    Args:
        session: a session on CUDA.
        inputs: every input by name, and overridden initializers.
        names: the outputs to compute.
        ranges: the ranges of inputs of integers, which are copied to the host to be checked; None if there are none.
        counted: the input that has a row for each row of the outputs, if that is known.

    Returns:
        ONNX Runtime's OrtValues by name, on the GPU: torch.from_dlpack and cupy.from_dlpack take them without a copy,
        and their `numpy()` copies them to the host.

    Raises:
        InvalidInput: an input does not have the declared type and shape, is not contiguous, or is outside its range.
        InferenceFailed: ONNX Runtime failed while computing, or returns outputs of other shapes, see `check_sizes`.
    """
    ort = import_onnxruntime()
    if not hasattr(ort.OrtValue, "from_dlpack"):
        raise InvalidInput(f"ONNX Runtime {session.version} cannot take tensors on a GPU; upgrade it, or pass arrays")
    binding = session.binding()
    values = {name: _as_value(ort, value, session.taken[name], session) for name, value in inputs.items()}
    if ranges is not None:
        ranges.check({name: values[name].numpy() for name in ranges.names})
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for name in names:
        binding.bind_output(name, "cuda", session.device_id)
    try:
        # ONNX Runtime and other libraries do not wait for each other's work by themselves.
        with session.turn or contextlib.nullcontext():
            binding.synchronize_inputs()
            session.bound_call(binding, None)()
            binding.synchronize_outputs()
    except Exception as error:
        raise translated(error, "the model") from error
    found = dict(zip(names, binding.get_outputs(), strict=True))
    if counted is not None:
        rows = values[counted].shape()[0]
        for spec in session.outputs:
            if spec.name in found:
                check_sizes(tuple(found[spec.name].shape()), spec, rows)
    return found


forks.makes_calls(sys.modules[__name__], "run_there")


def _as_value(ort: Any, value: Any, spec: TensorSpec, session: Session) -> Any:
    if isinstance(value, np.ndarray):
        return ort.OrtValue.ortvalue_from_numpy(value, "cuda", session.device_id)
    try:
        found = ort.OrtValue.from_dlpack(value)
    except Exception as error:
        raise InvalidInput(f"{spec.name} cannot be used on the GPU as it is: {reason_of(error)}") from error
    shape = list(found.shape())
    if found.data_type() != spec.type or not spec.takes(shape):
        raise InvalidInput(f"the model takes {spec}, found {found.data_type()} of shape {shape} on a GPU")
    return found
