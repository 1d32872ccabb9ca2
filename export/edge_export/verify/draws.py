"""How far random roundings move what a program computes."""

from collections.abc import Sequence

import numpy as np

from edge_export.errors import ExportError
from edge_export.tensors import Array, Tensors
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.random_rounding import RandomRounding
from edge_export.verify.tensor_reference import MULTIPLE
from edge_runtime.verification import distance


def moved_by_roundings(exact: Arithmetic, tensors: Tensors, float64: Tensors, count: int) -> dict[str, list[Array]]:
    """How far each of `count` draws of roundings moves each output; whether larger ones change integers and booleans.

    Args:
        exact: runs the program in float64.
        tensors: the inputs of a call.
        float64: what it gives for them.
        count: how many choices are drawn.

    Raises:
        ExportError: an output has another shape then.
    """
    moved: dict[str, list[Array]] = {name: [] for name in float64}
    is_discrete = any(values.dtype.kind != "f" for values in float64.values())
    for seed in range(count):
        usual = RandomRounding(exact, seed).run(tensors)
        large = RandomRounding(exact, seed, MULTIPLE).run(tensors) if is_discrete else usual
        for name, values in float64.items():
            if usual[name].shape != values.shape or large[name].shape != values.shape:
                raise ExportError(
                    f"the number of elements of {name} depends on how float32 rounds, so that it cannot be "
                    "compared; return a tensor of a fixed size, such as a mask"
                )
            is_float = values.dtype.kind == "f"
            moved[name].append(distance(usual[name], values) if is_float else large[name] != values)
    return moved


def row_factors(moved: Sequence[Array], usual: Array) -> Array:
    """How many times as far as usual roundings move each row, at least 1; broadcastable to the output's shape."""
    if not moved or moved[0].size == 0:
        return np.ones(())
    axes = (0, *range(2, moved[0].ndim + 1)) if moved[0].ndim else (0,)
    ratios = _ratios(np.stack(moved), usual)
    factor: Array = np.maximum(1.0, np.sqrt(np.mean(ratios**2, axes, keepdims=True)))[0]
    return factor


def tile_factors(exact: Arithmetic, tensors: Tensors, float64: Tensors, usual: Tensors) -> dict[str, float]:
    """How many times as far as usual roundings move each output if convolutions are computed from tiles, at least 1.

    Args:
        exact: runs the program in float64.
        tensors: the inputs of a call.
        float64: what it gives for them.
        usual: how far roundings usually move each floating output.
    """
    moved = RandomRounding(exact, 0, by_tiles=True).run(tensors)
    factors = {}
    for name, known in usual.items():
        ratios = _ratios(distance(moved[name], float64[name]), known)
        factors[name] = max(1.0, float(np.sqrt(np.mean(ratios**2)))) if ratios.size else 1.0
    return factors


def _ratios(moved: Array, usual: Array) -> Array:
    """`moved` in units of `usual`; 0 where that is 0, or where one of two results is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = np.where(usual > 0, moved / usual, 0.0)
    # Squared they stay below float64's largest number.
    return np.minimum(np.where(np.isfinite(ratios), ratios, 0.0), 1e150)
