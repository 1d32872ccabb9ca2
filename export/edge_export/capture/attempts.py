"""Capturing a module with torch.export, in the ways that it knows, one after the other."""

import contextlib
import inspect
import logging
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from traceback import FrameSummary
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.dynamic_shapes import refine_dynamic_shapes_from_suggested_fixes
from torch.utils import _pytree as pytree

from edge_export.capture.call import lengthened, with_fixed
from edge_export.capture.checks import check_runs
from edge_export.capture.copies import fresh
from edge_export.capture.diagnostics import cause, own_frames, place_of
from edge_export.capture.distributions import without_validation
from edge_export.capture.recurrent import any_length
from edge_export.capture.structures import looked_into, records_in
from edge_export.errors import ExportError
from edge_export.tensors import Axes

_SHAPES_LOG = "torch.fx.experimental.symbolic_shapes"


class FixedDimension(ExportError):
    """A dimension that was to change has the example's size in what torch.export captured."""

    def __init__(self, dimension: str, size: str, place: str, axes: Mapping[str, Axes]) -> None:
        self.dimension = dimension
        super().__init__(
            f"the dimension {dimension} cannot change: the module fixes it at {size}, the example's size{place}; "
            f"make the module independent of it, or say that the axis is fixed: {with_fixed(axes, [dimension])}"
        )


@dataclass(frozen=True)
class Captured:
    """What torch.export made of a module.

    Attributes:
        exported: the program.
        example: the inputs that it was captured with, by name.
        given: the inputs that it was to be captured with; their sizes may be others.
        is_stateful: whether a call of the module changes its buffers or attributes.
        records: the classes in what the module takes and returns that torch does not look into by itself, each with
            where it was found.
    """

    exported: ExportedProgram
    example: Mapping[str, Tensor]
    given: Mapping[str, Tensor]
    is_stateful: bool
    records: Mapping[type, str]


class Attempts:
    """The ways to capture a call of a module."""

    def __init__(
        self,
        module: nn.Module,
        arguments: inspect.BoundArguments,
        axes: Mapping[str, Axes],
        doubled: Sequence[str],
        records: Mapping[type, str],
    ) -> None:
        """Prepare to capture `module`.

        Args:
            module: the module; no call touches it.
            arguments: those of the call.
            axes: the names of the axes of each input; None for a fixed one.
            doubled: the dimensions that are 1 in the example as it was given.
            records: the classes in the arguments that torch does not look into by itself; registered while this works.
        """
        self._module, self._arguments, self._axes = module, arguments, axes
        self._doubled, self._records = doubled, records
        self._leaves, self._tree = pytree.tree_flatten(dict(arguments.arguments))
        self._dims = {axis: Dim(axis) for wanted in axes.values() for axis in wanted if axis is not None}
        wanted = iter(axes.values())
        shapes = [
            {axis: self._dims[name] for axis, name in enumerate(next(wanted)) if name is not None}
            if isinstance(leaf, Tensor)
            else None
            for leaf in self._leaves
        ]
        self._dynamic_shapes = _in_structure(self._tree, iter(shapes)) if self._dims else None

    def captured(self, example: Mapping[str, Tensor]) -> Captured:
        """The program, captured with `example`, or with a longer one.

        Raises:
            FixedDimension, ExportError: torch.export cannot capture the module; what it said of the first attempt.
        """
        problem: ExportError
        others: tuple[tuple[Mapping[str, Tensor], bool], ...] = ((example, True),)
        try:
            return self._captured(example, example, strict=False)
        except FixedDimension as error:
            # By chance the size may be a number that stands for something else in the module, such as the two
            # directions of an LSTM, and torch takes the one for the other: another size tells.
            axes, dimension = self._axes, error.dimension
            longer = {name: lengthened(tensor, axes[name], dimension) for name, tensor in example.items()}
            problem, others = error, ((longer, False), *others)
        except ExportError as error:
            problem = error
        for other, strict in others:
            with contextlib.suppress(ExportError):
                return self._captured(other, example, strict=strict)
        raise problem

    def _captured(self, example: Mapping[str, Tensor], given: Mapping[str, Tensor], *, strict: bool) -> Captured:
        """As torch runs the module or, if `strict`, reads its bytecode, where it knows that `len(x)` may change."""
        tensors = iter(example.values())
        flat = [next(tensors) if isinstance(leaf, Tensor) else leaf for leaf in self._leaves]
        self._arguments.arguments.update(pytree.tree_unflatten(flat, self._tree))
        args, kwargs = self._arguments.args, self._arguments.kwargs
        returned, is_stateful = check_runs(self._module, args, kwargs, self._axes, self._doubled)
        records = {**self._records, **records_in(returned)}
        with looked_into(records):
            exported = self._exported(args, kwargs, strict)
        return Captured(exported, example, given, is_stateful, records)

    def _exported(self, args: tuple[Any, ...], kwargs: dict[str, Any], strict: bool) -> ExportedProgram:
        problem: Exception | None = None
        frames: dict[str, FrameSummary] = {}
        # Deferred assertions capture more, such as kernels as wide as what they slide over, or an LSTM before a GRU;
        # they come second, since they also change the graphs of modules that need none.
        for deferred in (False, True):
            shapes: Any = self._dynamic_shapes
            # Each round narrows a dimension's range to what the module turned out to need, such as a kernel's width.
            for _ in range(len(self._dims) + 1):
                try:
                    with any_length(), without_validation(), _specializations({} if problem else frames):
                        return torch.export.export(
                            fresh(self._module, with_buffers=False),
                            args,
                            kwargs,
                            dynamic_shapes=shapes,
                            strict=strict,
                            prefer_deferred_runtime_asserts_over_guards=deferred,
                        )
                except Exception as error:
                    text = getattr(error, "msg", str(error))
                    problem = problem or error
                    if _fixed(text) or "Suggested fixes:" not in text:
                        break
                    shapes = refine_dynamic_shapes_from_suggested_fixes(text, shapes)
        assert problem is not None
        if fixed := _fixed(getattr(problem, "msg", str(problem))):
            dimension, size = fixed.groups()
            raise FixedDimension(dimension, size, place_of(frames.get(size)), self._axes) from problem
        raise ExportError(f"torch.export cannot capture this module: {cause(problem)}") from problem


def _in_structure(tree: pytree.TreeSpec, shapes: Iterator[Any]) -> Any:
    """`shapes` in the structure of the arguments, as torch.export takes them: with lists in place of records."""
    if tree.is_leaf():
        return next(shapes)
    children = [_in_structure(child, shapes) for child in tree.children()]
    if tree.type not in pytree.BUILTIN_TYPES:
        return children
    return pytree.SUPPORTED_NODES[tree.type].unflatten_fn(children, tree.context)


def _fixed(text: str) -> re.Match[str] | None:
    """What torch.export suggests to fix a dimension at, if it does."""
    return re.search(r"^\s*(\w+) = (\d+)$", text, re.MULTILINE)


@contextlib.contextmanager
def _specializations(frames: dict[str, FrameSummary]) -> Iterator[None]:
    """In here the line of the module's code that fixes a size at a number goes to `frames`, by that number.

    torch tells such lines to its log alone.
    """

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, str) and record.msg.startswith("set_replacement") and len(record.args or ()) > 1:
                stack = traceback.extract_stack()
                here = max(place for place, frame in enumerate(stack) if frame.name == Attempts._exported.__name__)
                if own := own_frames(stack[here:]):
                    frames.setdefault(str(tuple(record.args or ())[1]), own[-1])

    log = logging.getLogger(_SHAPES_LOG)
    before = log.handlers, log.level, log.propagate
    log.handlers, log.propagate = [Listener()], False
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.handlers, level, log.propagate = before
        log.setLevel(level)
