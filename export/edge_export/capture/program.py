"""A captured program: what every other part of the exporter works on.

It holds the graph that torch.export makes of a module and the names and shapes of its tensors, and runs the module as
torch does.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

from edge_export.capture.attention import without_fast_path
from edge_export.capture.copies import fresh
from edge_export.capture.diagnostics import cause
from edge_export.capture.distributions import without_validation
from edge_export.capture.structures import looked_into
from edge_export.errors import ExportError
from edge_export.recent_results import RecentResults
from edge_export.tensors import BATCH, Tensors
from edge_runtime import Signature

# A program is costly if it computes so many numbers for a row: what is tried with it is tried less often.
COSTLY = 2.0**18
# Their second matrix is multiplied by columns.
_PRODUCTS = frozenset(getattr(torch.ops.aten, name).default for name in ("matmul", "mm", "bmm", "addmm", "baddbmm"))


@dataclass(frozen=True)
class InputTensor:
    """One tensor that a program takes.

    Attributes:
        name: its name, also in the artifact.
        dtype: the type of its elements.
        shape: the size of each axis, or the name of its dimension where the size may change.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Program:
    """A module and the graph that torch.export made of it, on the CPU, in evaluation mode.

    Attributes:
        module: computes as torch does; called with the structure of arguments that it was captured with. Nothing calls
            it itself if it is stateful.
        exported: its graph; without in-place operations, so that every value in it is computed once.
        inputs: the tensors it takes, in the order of the graph.
        outputs: the names of the tensors that it returns, in the order of the graph.
        example: the inputs that it was captured with.
        dimensions: the smallest and largest size of each dimension that may change; the largest is None if unbounded.
        signature: what rows and answers mean, if known.
        is_stateful: whether a call of the module changes its buffers or attributes, so that each has a copy of its own.
        structure: of the arguments that the module is called with.
        records: classes in what it takes and returns that torch's pytree does not know by itself.
        notes: what the user should know although the export goes on, a line each.
    """

    module: nn.Module
    exported: ExportedProgram
    inputs: tuple[InputTensor, ...]
    outputs: tuple[str, ...]
    example: Tensors
    dimensions: Mapping[str, tuple[int, int | None]]
    signature: Signature | None
    structure: pytree.TreeSpec
    is_stateful: bool
    records: tuple[type, ...]
    notes: tuple[str, ...]
    _results: RecentResults = field(default_factory=RecentResults, init=False, repr=False, compare=False)

    def run(self, tensors: Tensors) -> Tensors:
        """What torch computes for `tensors`, as the module is: read-only arrays. Exceptions are torch's own."""
        return self._results.of(tensors, lambda given: self.call(self.callable_module(), given))

    def callable_module(self) -> nn.Module:
        """The module to call, which no earlier call has changed."""
        return fresh(self.module, with_buffers=True) if self.is_stateful else self.module

    def call(self, module: Callable[..., Any], tensors: Tensors) -> Tensors:
        """What `module`, which takes and returns what this program's module does, computes for `tensors`."""
        return self._called(module, self.arguments(tensors))

    def run_captured(self, tensors: Tensors) -> Tensors:
        """What the graph computes for `tensors` in torch, without its assertions about sizes, which no file keeps.

        Raises:
            ExportError: torch cannot make a module of the graph.
        """
        return self._called(self._captured, self.captured_arguments(tensors))

    @cached_property
    def _captured(self) -> fx.GraphModule:
        return _without_assertions(self.exported)

    def _called(self, module: Callable[..., Any], arguments: tuple[tuple[Any, ...], dict[str, Any]]) -> Tensors:
        args, kwargs = arguments
        with torch.inference_mode(), without_fast_path(), without_validation(), looked_into(self.records):
            found = [leaf for leaf in pytree.tree_leaves(module(*args, **kwargs)) if isinstance(leaf, Tensor)]
        return {name: leaf.numpy() for name, leaf in zip(self.outputs, found, strict=True)}

    def arguments(self, tensors: Tensors) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`tensors` in the structure that the module is called with."""
        return self._in_structure(tensors, self.structure)

    def captured_arguments(self, tensors: Tensors) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`tensors` in the structure that `exported` is called with, which has dicts in place of records."""
        return self._in_structure(tensors, self.exported.call_spec.in_spec)

    def _in_structure(self, tensors: Tensors, structure: pytree.TreeSpec) -> tuple[tuple[Any, ...], dict[str, Any]]:
        given = iter([torch.from_numpy(np.array(tensors[spec.name])) for spec in self.inputs])
        specs = [spec for spec in self.exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
        leaves = [next(given) if isinstance(spec.arg, TensorArgument) else spec.arg.value for spec in specs]
        with looked_into(self.records):
            args, kwargs = pytree.tree_unflatten(leaves, structure)
        return args, kwargs

    def try_run(self, tensors: Tensors) -> Tensors | None:
        """As `run`, or None if the module itself raises: then nothing can be compared on `tensors`."""
        try:
            return self.run(tensors)
        except MemoryError:
            raise
        except Exception:
            return None

    def failure(self, tensors: Tensors) -> str | None:
        """What the module itself raises on `tensors`, in one line; None if it runs."""
        try:
            self.run(tensors)
        except MemoryError:
            raise
        except Exception as error:
            return cause(error)
        return None

    @property
    def classifier(self) -> Signature | None:
        """The signature of a program that returns the probabilities of labels; None for all others."""
        return None if self.signature is None or self.signature.task == "regression" else self.signature

    @property
    def table(self) -> Signature | None:
        """The signature of a program that takes rows of named features; None for all others."""
        return self.signature if self.signature is not None and self.signature.has_features else None

    @property
    def is_batched(self) -> bool:
        """Whether the first axis of every input is the batch."""
        return all(spec.shape[:1] == (BATCH,) for spec in self.inputs)

    @cached_property
    def fixed_axes(self) -> dict[str, tuple[bool, ...]]:
        """For each axis of each output, whether its size is fixed, so that each place on it has a meaning of its own.

        If the program has a batch, the first axis of an output holds rows.
        """
        values = [getattr(node, "meta", {}).get("val") for node in self.exported.graph.output_node().args[0]]
        tensors = [value for value in values if isinstance(value, Tensor)]
        return {
            name: tuple(
                isinstance(size, int) and (axis > 0 or not self.is_batched) for axis, size in enumerate(value.shape)
            )
            for name, value in zip(self.outputs, tensors, strict=True)
        }

    @cached_property
    def varying(self) -> frozenset[fx.Node]:
        """The nodes of the graph whose values follow from the inputs; those of all others follow from weights alone."""
        found = set(placeholders(self.exported))
        for node in self.exported.graph.nodes:
            if not found.isdisjoint(node.all_input_nodes):
                found.add(node)
        return frozenset(found)

    @property
    def has_convolutions(self) -> bool:
        """Whether the program has convolutions, which processors' libraries compute in several ways."""
        return any("conv" in str(node.target) for node in self.exported.graph.nodes if node.op == "call_function")

    @cached_property
    def cost(self) -> float:
        """About how much torch computes for a row of the example, or for all of it if the program has no batch.

        In elements that it makes, and a fraction of its multiplications, which take less time each.
        """
        # What is made of weights alone is made once, not for each row.
        total = sum(_cost(node) for node in self.exported.graph.nodes if node in self.varying)
        rows = len(next(iter(self.example.values()))) if self.is_batched else 1
        return max(1.0, float(total / rows))


def _cost(node: fx.Node) -> float:
    """See `Program.cost`."""
    if node.op != "call_function" or node.target is operator.getitem:
        return 0.0
    # A recurrent layer, for one, gives several; each is picked by a node of its own.
    made = [value for value in pytree.tree_leaves(node.meta.get("val")) if isinstance(value, Tensor)]
    elements = sum(np.prod([size_hint(size) for size in value.shape], dtype=float) for value in made)
    weights = [operand.meta["val"].shape for operand in node.all_input_nodes if operand.name.startswith("p_")]
    # A row of a layer's weights for each element that it gives; a column, where a matrix is multiplied as it stands.
    if node.target in _PRODUCTS:
        products = float(sum(shape[-2] for shape in weights if len(shape) > 1))
    else:
        products = sum(np.prod(shape[1:], dtype=float) for shape in weights if len(shape) > 1)
    return float(elements * (1 + products / 32))


def _without_assertions(exported: ExportedProgram) -> fx.GraphModule:
    try:
        module: Any = exported.module(check_guards=False)
    except Exception as error:
        raise ExportError(f"torch cannot run the graph of this module: {cause(error)}") from error
    for node in list(module.graph.nodes):
        if node.target is torch.ops.aten._assert_scalar.default:
            module.graph.erase_node(node)
    module.recompile()
    return module  # type: ignore[no-any-return]


def state_of(exported: ExportedProgram) -> dict[str, Tensor]:
    """The parameters, buffers and constants of a graph, by name."""
    state = {**exported.state_dict, **exported.constants}
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def placeholders(exported: ExportedProgram) -> list[fx.Node]:
    """The nodes that stand for the tensors that `exported` takes."""
    specs = exported.graph_signature.input_specs
    taken = {
        spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    }
    return [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in taken]


def size_hint(size: Any) -> int:
    """The size of an axis in the example."""
    return size if isinstance(size, int) else int(size.node.hint or 1)
