"""Copies of a module: what one call of it leaves behind must not meet the next."""

import copy
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.jit._trace import TopLevelTracedModule, TracedModule
from torch.nn.parameter import is_lazy

from edge_export.capture.diagnostics import cause
from edge_export.errors import ExportError


def on_cpu(module: nn.Module) -> nn.Module:
    """A copy of `module` to export, in evaluation mode, so that neither its mode nor its place changes.

    Raises:
        ExportError: it is not a module that torch.export can take.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ExportError(
            "a TorchScript module is what torch made of a module written in Python, and its sizes and branches are "
            "fixed or hidden: export the Python module that it was made of, with its state_dict"
        )
    if not isinstance(module, nn.Module):
        raise ExportError(f"a torch.nn.Module written in Python is needed, not {type(module).__name__}")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if isinstance(module, nn.DataParallel):
        module = module.module
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule) and not _is_traced(part):
            raise ExportError(
                f"{name} is made by torch.jit.script, which torch.export cannot look into: use the Python module that "
                "it was made of in its place"
            )
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if empty := [name for name, tensor in state.items() if is_lazy(tensor)]:
        raise ExportError(f"{empty[0]} has no values yet, since the module is lazy: call it once before the export")
    # A tensor that was computed in an earlier call, such as torch.nn.utils.weight_norm's weight, cannot be copied with
    # its history.
    computed = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    try:
        module = copy.deepcopy(module, computed).cpu().eval()
    except Exception as error:
        raise ExportError(f"the module cannot be copied: {cause(error)}") from error
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):  # its copy has computed tensors for parameters
            for name, parameter in list(part.named_parameters(recurse=False)):
                setattr(part, name, nn.Parameter(parameter.detach()))
    return module.requires_grad_(False)


def _is_traced(part: torch.jit.ScriptModule) -> bool:
    return isinstance(part, (TracedModule, TopLevelTracedModule))


def fresh(module: nn.Module, *, with_buffers: bool) -> nn.Module:
    """A copy of `module` that shares its parameters, and its buffers too unless `with_buffers` copies them.

    What it keeps in its attributes as it runs, such as tensors for the last shape, stays its own.
    """
    traced = [part for part in module.modules() if isinstance(part, torch.jit.ScriptModule)]
    shared = [*module.parameters(), *traced, *([] if with_buffers else module.buffers())]
    return copy.deepcopy(module, {id(part): part for part in shared})


def is_same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two copies of a module still hold the same buffers and attributes; False where that cannot be told."""
    try:
        return _same(one, other, set())
    except Exception:  # an attribute of any class may refuse to be compared
        return False


def _same(one: Any, other: Any, met: set[tuple[int, int]]) -> bool:
    if one is other or (id(one), id(other)) in met:
        return True
    if isinstance(one, weakref.ref):  # torch keeps one to the module in each hook that takes it
        return isinstance(other, weakref.ref) and _same(one(), other(), met)
    if isinstance(one, fx.GraphModule):  # each has a class of its own, and no call changes its graph
        return _same(one._buffers, other._buffers, met) and _same(one._modules, other._modules, met)
    if type(one) is not type(other):
        return False
    met.add((id(one), id(other)))
    match one:
        case Tensor():
            return one.dtype == other.dtype and one.shape == other.shape and _same_bits(one, other)
        case np.ndarray():
            return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())
        case dict():
            return one.keys() == other.keys() and all(_same(one[key], other[key], met) for key in one)
        case list() | tuple():
            return len(one) == len(other) and all(_same(*pair, met) for pair in zip(one, other, strict=True))
    if hasattr(one, "__dict__"):
        return _same(vars(one), vars(other), met)
    return bool(one == other)


def _same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one type and shape hold the same, NaN included."""
    if one.data_ptr() == other.data_ptr():
        return True
    return bool(((one == other) | ((one != one) & (other != other))).all())
