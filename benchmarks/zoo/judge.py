"""Whether an exported file computes what torch computes, judged without edge-predict.

Fresh batches of ordinary inputs go through ONNX Runtime, and through torch in float32 and in float64. The criterion is
generous on purpose: what fails it is wrong by any standard.
"""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Network, positional

Array = npt.NDArray[Any]

# The file's error (root mean square) against float64 may be so many times torch float32's own,
_TIMES_TORCH = 10.0
# or such a part of the output's root mean square, whichever is more: ONNX Runtime's sigmoid of -8 is 0.00004 off.
_PART_OF_OUTPUT = 1e-4
# Without float64, the difference from torch float32 may be such a part of it.
_PART_WITHOUT_FLOAT64 = 1e-3
# A row where torch float32 itself is as far off (in parts of the output's root mean square) went another way at a tie:
# it says nothing about the file.
_UNDECIDED = 1e-2
_SEED = 1234


def problem_of(file: Path, network: Network, module: nn.Module) -> str | None:
    """What is wrong with `file`, in one line; None if nothing is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        return f"ONNX Runtime cannot load it: {_line(error)}"
    names = [one.name for one in session.get_inputs()]
    torch.manual_seed(_SEED)
    double = _doubled(module)
    for rows in network.sizes:
        arguments = network.inputs(rows)
        given = positional(arguments)
        if len(names) != len(given):
            return f"it has {len(names)} inputs, and the module {len(given)}"
        float32 = _answers(module, arguments)
        float64 = None if double is None else _answers(double, _as_double(arguments))
        try:
            found = session.run(None, {name: one.numpy() for name, one in zip(names, given, strict=True)})
        except Exception as error:
            return f"at batch {rows}, ONNX Runtime fails: {_line(error)}"
        if len(found) != len(float32):
            return f"it has {len(found)} outputs, and the module {len(float32)}"
        for problem in _problems(found, float32, float64, rows):
            return f"at batch {rows}, {problem}"
    return None


def _problems(
    found: Sequence[Array], float32: Sequence[Array], float64: Sequence[Array] | None, rows: int
) -> Iterator[str]:
    """What is wrong with the outputs of one batch."""
    for place, (mine, single) in enumerate(zip(found, float32, strict=True)):
        if mine.shape != single.shape:
            yield f"output {place} has shape {mine.shape}, not {single.shape}"
            return
        if mine.dtype != single.dtype:
            yield f"output {place} is {mine.dtype}, not {single.dtype}"
            return
    kept = _decided_rows(float32, float64, rows)
    for place, (mine, single) in enumerate(zip(found, float32, strict=True)):
        double = single if float64 is None else float64[place]
        mine, single, double = (one[kept] if _has_rows(one, rows) else one for one in (mine, single, double))
        if not np.issubdtype(mine.dtype, np.floating):
            differ = int(((mine != double) & (single == double)).sum())
            if differ:
                yield f"{differ} of {mine.size} elements of output {place} differ"
        else:
            yield from (f"output {place} {what}" for what in _distances(mine, single, double, float64 is not None))


def _distances(mine: Array, single: Array, double: Array, is_double: bool) -> Iterator[str]:
    """What is wrong with one output of floats."""
    finite = np.isfinite(double) & np.isfinite(single)
    if not np.array_equal(np.isfinite(mine) | ~finite, np.ones_like(finite)):
        yield "is not finite where torch is"
        return
    own, reference, torch_own = (one.astype(np.float64)[finite] for one in (mine, double, single))
    error, scale = _rms(own - reference), _rms(reference)
    torch_error = _rms(torch_own - reference)
    allowed = max(_TIMES_TORCH * torch_error, _PART_OF_OUTPUT * scale) if is_double else _PART_WITHOUT_FLOAT64 * scale
    if error > allowed:
        yield f"is {error:.2g} off (root mean square; torch {torch_error:.2g}, the output {scale:.2g})"
        return
    if double.ndim < 2 or double.shape[-1] < 2 or not finite.all():
        return
    ordered = np.sort(double, axis=-1)
    margin = ordered[..., -1] - ordered[..., -2]
    decided = margin > 20 * max(float(np.abs(single - double).max(initial=0.0)), _PART_OF_OUTPUT * scale)
    differ = int((decided & (mine.argmax(-1) != double.argmax(-1))).sum())
    if differ:
        yield f"has another largest element in {differ} of {decided.size} rows"


def _decided_rows(float32: Sequence[Array], float64: Sequence[Array] | None, rows: int) -> npt.NDArray[np.bool_]:
    """The rows where float32 goes the same way as float64; all of them if more than half went another way."""
    kept = np.ones(rows, dtype=bool)
    for single, double in zip(float32, float64 or (), strict=float64 is not None):
        if not _has_rows(single, rows):
            continue
        flat, exact = single.reshape(rows, -1), double.reshape(rows, -1)
        if np.issubdtype(single.dtype, np.floating):
            with np.errstate(invalid="ignore"):
                kept &= ~(np.abs(flat - exact).max(axis=1, initial=0.0) > _UNDECIDED * _rms(exact))
        else:
            kept &= (flat == exact).all(axis=1)
    return kept if 2 * kept.sum() >= rows else np.ones(rows, dtype=bool)


def _has_rows(values: Array, rows: int) -> bool:
    return values.ndim > 0 and values.shape[0] == rows


def _rms(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(np.square(finite, dtype=np.float64)))) if finite.size else 0.0


def _doubled(module: nn.Module) -> nn.Module | None:
    """A copy in float64; None if it cannot be copied."""
    try:
        return copy.deepcopy(module).double()
    except Exception:
        return None


def _as_double(arguments: Arguments) -> Arguments:
    if isinstance(arguments, dict):
        return {name: _double(tensor) for name, tensor in arguments.items()}
    return tuple(map(_double, arguments))


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _answers(module: nn.Module, arguments: Arguments) -> list[Array]:
    """The tensors that `module` gives, in torch.export's order."""
    with torch.no_grad():
        made = module(**arguments) if isinstance(arguments, dict) else module(*arguments)
    leaves = torch.utils._pytree.tree_leaves(made)
    return [one.numpy() for one in leaves if isinstance(one, Tensor)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
