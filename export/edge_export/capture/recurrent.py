"""LSTM, GRU and max_pool1d along an axis of any length, which torch.export would fix."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import torch
from torch import Tensor
from torch._decomp import get_decompositions
from torch.export import ExportedProgram

from edge_export.errors import ExportError

_PATCHES: list[Callable[[], AbstractContextManager[None]]]
try:
    from torch.export._patches import (
        register_gru_while_loop_decomposition,
        register_lstm_while_loop_decomposition,
    )
except ImportError:  # a torch in which a recurrent layer's length stays fixed
    _PATCHES = []
else:
    _PATCHES = [register_lstm_while_loop_decomposition, register_gru_while_loop_decomposition]

# What is left of these in a graph is still to be traced in here.
OF_ANY_LENGTH = (torch.ops.aten.lstm.input, torch.ops.aten.gru.input, torch.ops.aten.max_pool1d.default)

_Width: TypeAlias = int | Sequence[int]


@contextlib.contextmanager
def any_length() -> Iterator[None]:
    """Keep torch.export from unrolling LSTM and GRU, as torch's own ONNX exporter does, and from fixing max_pool1d."""
    with contextlib.ExitStack() as stack:
        for patch in (*_PATCHES, _pooling_patch):
            stack.enter_context(patch())
        try:
            # What an earlier call found, with or without the patch, is remembered here.
            for operation in OF_ANY_LENGTH:
                operation._dispatch_cache.clear()
            yield
        finally:
            for operation in OF_ANY_LENGTH:
                operation._dispatch_cache.clear()


@contextlib.contextmanager
def _pooling_patch() -> Iterator[None]:
    kernels = torch.ops.aten.max_pool1d.default.py_kernels
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    before = dict(kernels)
    kernels[key] = _max_pool1d
    try:
        yield
    finally:
        kernels.clear()
        kernels.update(before)


def _max_pool1d(
    values: Tensor,
    kernel_size: _Width,
    stride: _Width = (),
    padding: _Width = 0,
    dilation: _Width = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """max_pool1d by max_pool2d, which leaves the length open."""

    def on_the_last_of_two(width: _Width, other: int) -> list[int]:
        return [other, *([width] if isinstance(width, int) else width)]

    pooled: Tensor = torch.ops.aten.max_pool2d.default(
        values.unsqueeze(-2),
        on_the_last_of_two(kernel_size, 1),
        on_the_last_of_two(stride or kernel_size, 1),
        on_the_last_of_two(padding, 0),
        on_the_last_of_two(dilation, 1),
        ceil_mode,
    )
    return pooled.squeeze(-2)


def with_projections_unrolled(program: ExportedProgram) -> ExportedProgram:
    """`program` with LSTM layers step by step if one of them has a projection (`proj_size`): ONNX's LSTM has none.

    Not within `any_length`, which has other decompositions.

    Raises:
        ExportError: how many steps there are is not fixed.
    """
    lstm = torch.ops.aten.lstm.input
    projected = [node for node in program.graph.nodes if node.target is lstm and _has_projection(node)]
    if not projected:
        return program
    for node in projected:
        batch_first = node.args[8]
        if not isinstance(node.args[0].meta["val"].shape[1 if batch_first else 0], int):
            raise ExportError(
                "an LSTM with proj_size is written step by step, and so for a fixed number of steps, but the axis of "
                "its steps may have any size; give that axis no name in --dynamic (dynamic=...)"
            )
    unrolled: ExportedProgram = program.run_decompositions(get_decompositions([lstm]))
    return unrolled


def _has_projection(node: torch.fx.Node) -> bool:
    """Whether the output of an LSTM is of another size than its cells."""
    hidden, cell = (state.meta["val"] for state in node.args[1])  # type: ignore[union-attr]
    return bool(hidden.shape[-1] != cell.shape[-1])
