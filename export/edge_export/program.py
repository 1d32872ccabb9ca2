"""Any torch module, captured: what it takes, what it gives, and how torch computes it.

A `Program` is what every other part of the exporter works on. It holds the graph that torch.export makes of a module,
the names and shapes of its tensors, and runs the module as torch does.
"""

import copy
import inspect
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram
from torch.export.dynamic_shapes import refine_dynamic_shapes_from_suggested_fixes
from torch.export.graph_signature import InputKind, OutputKind, SymIntArgument, TensorArgument
from torch.nn.parameter import is_lazy
from torch.utils import _pytree as pytree

from edge_export.attention_steps import any_layout, attention_in_steps, without_fast_path
from edge_export.causes import cause
from edge_export.errors import ExportError
from edge_export.quiet import quiet
from edge_export.recurrent import any_length
from edge_runtime import Signature
from edge_train.encoding import UNKNOWN, last_code

BATCH = "batch"

# The tensors of one call by name; the first axis of each is the batch, where the program has one.
Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]

# Which axes of an input may change from call to call, by the name of their dimension; None where the size is fixed.
Axes: TypeAlias = Sequence[str | None]

_CHANGED_INPUT = OutputKind.USER_INPUT_MUTATION
_DTYPES = {torch.float32, torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


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
        module: computes as torch does; called with the structure of arguments that it was captured with.
        exported: its graph; without in-place operations, so that every value in it is computed once.
        inputs: the tensors it takes, in the order of the graph.
        outputs: the names of the tensors that it gives, in the order of the graph.
        example: the inputs that it was captured with.
        dimensions: the smallest and largest size of each dimension that may change; the largest is None if unbounded.
        signature: what rows and answers mean, if known.
    """

    module: nn.Module
    exported: ExportedProgram
    inputs: tuple[InputTensor, ...]
    outputs: tuple[str, ...]
    example: Tensors
    dimensions: Mapping[str, tuple[int, int | None]]
    signature: Signature | None

    def run(self, tensors: Tensors) -> Tensors:
        """What torch computes for `tensors`, as the module is; exceptions are torch's own."""
        return self.call(self.module, tensors)

    def call(self, module: Callable[..., Any], tensors: Tensors) -> Tensors:
        """What `module`, which takes and gives what this program does, computes for `tensors`."""
        args, kwargs = self.arguments(tensors)
        with torch.inference_mode(), without_fast_path():
            found = [leaf for leaf in pytree.tree_leaves(module(*args, **kwargs)) if isinstance(leaf, Tensor)]
        return {name: leaf.numpy() for name, leaf in zip(self.outputs, found, strict=True)}

    def arguments(self, tensors: Tensors) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """`tensors` in the structure that the module is called with."""
        given = iter([torch.from_numpy(np.array(tensors[spec.name])) for spec in self.inputs])
        specs = [spec for spec in self.exported.graph_signature.input_specs if spec.kind == InputKind.USER_INPUT]
        leaves = [next(given) if isinstance(spec.arg, TensorArgument) else spec.arg.value for spec in specs]
        args, kwargs = pytree.tree_unflatten(leaves, self.exported.call_spec.in_spec)
        return args, kwargs

    def try_run(self, tensors: Tensors) -> Tensors | None:
        """As `run`, or None if the module itself raises: then nothing can be compared on `tensors`."""
        try:
            return self.run(tensors)
        except MemoryError:
            raise
        except Exception:
            return None

    @property
    def classifier(self) -> Signature | None:
        """The signature of a program that gives the probabilities of labels; None for all others."""
        return None if self.signature is None or self.signature.task == "regression" else self.signature

    @property
    def is_batched(self) -> bool:
        """Whether the first axis of every input is the batch."""
        return all(spec.shape[:1] == (BATCH,) for spec in self.inputs)

    @cached_property
    def column_outputs(self) -> set[str]:
        """The floating outputs whose last axis has a fixed size, so that each place on it has a meaning of its own."""
        values = [getattr(node, "meta", {}).get("val") for node in self.exported.graph.output_node().args[0]]
        tensors = [value for value in values if isinstance(value, Tensor)]
        return {
            name
            for name, value in zip(self.outputs, tensors, strict=True)
            if value.ndim > 1 and isinstance(value.shape[-1], int) and value.is_floating_point()
        }

    @property
    def embedding_rows(self) -> dict[str, int]:
        """For each input that is looked up in an embedding as it is, how many rows that has."""
        found = {}
        for spec, node in zip(self.inputs, _placeholders(self.exported), strict=True):
            for user in node.users:
                if user.target is torch.ops.aten.embedding.default and user.args[1] is node:
                    found[spec.name] = int(user.args[0].meta["val"].shape[0])  # type: ignore[union-attr]
        return found

    @cached_property
    def cost(self) -> float:
        """About how much torch computes for the example, for each row of it where the program is batched.

        In elements that it makes, and a share of its multiplications, which take less time each.
        """
        total = 0.0
        # What is made of weights alone is made once, not for each row.
        per_row = set(_placeholders(self.exported))
        for node in self.exported.graph.nodes:
            if node.op != "call_function" or per_row.isdisjoint(node.all_input_nodes):
                continue
            per_row.add(node)
            value = node.meta.get("val")
            if not isinstance(value, Tensor):
                continue
            elements = np.prod([size_hint(size) for size in value.shape], dtype=float)
            weights = [operand.meta["val"].shape for operand in node.all_input_nodes if operand.name.startswith("p_")]
            # A row of a layer's weights for each element that it gives.
            products = sum(np.prod(shape[1:], dtype=float) for shape in weights if len(shape) > 1)
            total += elements * (1 + products / 32)
        rows = len(next(iter(self.example.values()))) if self.is_batched else 1
        return max(1.0, float(total / rows))


@quiet()
def capture(
    module: nn.Module,
    example_inputs: Any,
    dynamic: Mapping[str, Axes] | None = None,
    signature: Signature | None = None,
) -> Program:
    """Capture `module` with torch.export, on a copy of it.

    Args:
        module: any module of float32 parameters.
        example_inputs: what it is called with: a tensor, a tuple of positional arguments, or a dict of arguments by
            name; each argument may be a tuple, list or dict of tensors.
        dynamic: for tensors by name, the names of their axes, None where the size is fixed; axes beyond the last one
            named are fixed. Axes that share a name share their size. A tensor that is not mentioned has its first axis
            for the batch. Tensors within an argument are named argument_key, such as batch_image.
        signature: what rows and answers mean; the module's own attribute `signature` by default.

    Raises:
        ExportError: torch cannot export it; the message names the operation or the branch that is the cause.
    """
    module = _on_cpu(module)
    arguments = _bind(module, example_inputs)
    leaves, tree = pytree.tree_flatten(dict(arguments.arguments))
    names = _named(arguments)
    axes = _axes(names, dynamic or {})
    sizes = _enlarge(names, axes)
    dims = {dimension: Dim(dimension) for dimension in sizes}
    wanted = iter(axes.values())
    flat_shapes = [
        {axis: dims[name] for axis, name in enumerate(next(wanted)) if name is not None}
        if isinstance(leaf, Tensor)
        else None
        for leaf in leaves
    ]
    shapes = pytree.tree_unflatten(flat_shapes, tree) if dims else None

    def exported_with(example: Mapping[str, Tensor]) -> ExportedProgram:
        tensors = iter(example.values())
        flat = [next(tensors) if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        arguments.arguments.update(pytree.tree_unflatten(flat, tree))
        _check_runs(module, arguments.args, arguments.kwargs, [name for name, size in sizes.items() if size == 1])
        return _export(module, arguments.args, arguments.kwargs, shapes, sizes)

    try:
        exported = exported_with(names)
    except _FixedDimension as error:
        # By chance the size may be a number that stands for something else in the module, such as the two directions of
        # an LSTM, and torch takes the one for the other: another size tells.
        names = {name: _lengthened(tensor, axes[name], error.dimension) for name, tensor in names.items()}
        try:
            exported = exported_with(names)
        except ExportError:
            raise error from None
    if signature is None and isinstance(found := getattr(module, "signature", None), Signature):
        signature = found
    return _program(module, exported, names, axes, signature)


@quiet()
def adopt(exported: ExportedProgram, signature: Signature | None = None) -> Program:
    """The program that somebody exported with torch.export, with the dimensions that were dynamic then.

    Raises:
        ExportError: it carries no example inputs, or takes or gives what an artifact cannot.
    """
    if exported.example_inputs is None:
        raise ExportError("the program carries no example inputs; save it with torch.export.save as it was exported")
    module = exported.module()
    args, kwargs = exported.example_inputs
    names = _named(_bind(module, args, kwargs))
    _check_types(exported.state_dict)
    _check_runs(module, args, kwargs)
    symbols: dict[str, str] = {}
    axes: dict[str, Axes] = {}
    for name, node in zip(names, _placeholders(exported), strict=True):
        sizes = node.meta["val"].shape
        for axis, size in enumerate(sizes):
            if not isinstance(size, int):
                symbols.setdefault(
                    str(size), BATCH if axis == 0 and BATCH not in symbols.values() else f"{name}_{axis}"
                )
        axes[name] = [None if isinstance(size, int) else symbols[str(size)] for size in sizes]
    return _program(module, exported, names, axes, signature)


def _program(
    module: nn.Module,
    exported: ExportedProgram,
    names: Mapping[str, Tensor],
    axes: Mapping[str, Axes],
    signature: Signature | None,
) -> Program:
    try:
        with any_length(), any_layout(exported):
            attention = torch.ops.aten.scaled_dot_product_attention.default
            exported = exported.run_decompositions({attention: attention_in_steps})
    except Exception as error:
        raise ExportError(f"torch.export cannot bring this module into functional form: {cause(error)}") from error
    specs = exported.graph_signature.output_specs
    if changed := [spec.target for spec in specs if spec.kind not in (OutputKind.USER_OUTPUT, _CHANGED_INPUT)]:
        raise ExportError(
            f"the module changes its own {', '.join(map(str, changed))} as it runs, and an artifact keeps nothing from "
            "call to call: give it as an input and return its new value"
        )
    given = exported.graph_signature.input_specs
    if numbers := [spec.arg.name for spec in given if isinstance(spec.arg, SymIntArgument)]:
        raise ExportError(f"the argument {numbers[0]} is a number that may change; make it a tensor")
    inputs = []
    for name, tensor in names.items():
        shape = [size if axis is None else axis for size, axis in zip(tensor.shape, axes[name], strict=True)]
        inputs.append(InputTensor(name, np.dtype(str(tensor.dtype).removeprefix("torch.")), tuple(shape)))
    if not inputs:
        raise ExportError("the module takes no tensor: there is nothing that could be answered")
    outputs = _output_names(exported, names, signature)
    _keep_tensors(exported)
    _check_graph(exported, outputs)
    if signature is not None:
        _check_signature(signature, inputs, outputs)
    program = Program(
        module=module,
        exported=exported,
        inputs=tuple(inputs),
        outputs=outputs,
        example={name: tensor.detach().numpy() for name, tensor in names.items()},
        dimensions=_dimensions(exported, inputs),
        signature=signature,
    )
    _check_repeats(program)
    _check_codes(program)
    return program


def _on_cpu(module: nn.Module) -> nn.Module:
    """A copy of `module` to export, so that neither its mode nor its place changes."""
    if not isinstance(module, nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise ExportError(f"a torch.nn.Module is needed that is written in Python, not {type(module).__name__}")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if isinstance(module, nn.DataParallel):
        module = module.module
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if empty := [name for name, tensor in state.items() if is_lazy(tensor)]:
        raise ExportError(f"{empty[0]} has no values yet, as the module is lazy: call it once before it is exported")
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
    _check_types(state)
    return module.requires_grad_(False)


def _check_types(state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        if tensor.dtype not in _DTYPES:
            raise ExportError(f"{name} is {tensor.dtype}; export module.float(), and choose the precision there")


def _check_runs(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], doubled: Sequence[str] = ()) -> None:
    args, kwargs = copy.deepcopy((args, kwargs))  # it may change them
    try:
        with torch.no_grad(), without_fast_path():
            module(*args, **kwargs)
    except Exception as error:
        sizes = f", when {' and '.join(doubled)} is 2 in place of 1" if doubled else ""
        raise ExportError(f"the module fails on the example inputs{sizes}: {cause(error)}") from error


def _check_graph(exported: ExportedProgram, outputs: Sequence[str]) -> None:
    """See that `exported` computes in types that an artifact can be held to."""
    graphs = [part.graph for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    for node in itertools.chain.from_iterable(graph.nodes for graph in graphs):
        value = node.meta.get("val")
        if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
            raise ExportError(
                f"the module computes in {value.dtype} ({node.target}); export it in float32, and choose the precision "
                "there"
            )
    for name, node in zip(outputs, exported.graph.output_node().args[0], strict=True):
        if node.meta["val"].dtype not in {*_DTYPES, torch.float64}:
            raise ExportError(f"the output {name} is {node.meta['val'].dtype}, which an artifact cannot give")


def _check_signature(signature: Signature, inputs: Sequence[InputTensor], outputs: Sequence[str]) -> None:
    """See that `signature` is about these tensors."""
    described = {tensor.name: len(tensor.features) for tensor in signature.inputs}
    taken = {spec.name: spec.shape[-1] if len(spec.shape) == 2 else spec.shape for spec in inputs}
    if described != taken or signature.output not in outputs:
        raise ExportError(
            f"the signature describes inputs of (name, features) {[*described.items()]} and the output "
            f"{signature.output}; the module takes {[*taken.items()]} and gives {', '.join(outputs)}"
        )
    texts = {tensor.name for tensor in signature.inputs if tensor.is_text}
    for spec in inputs:
        if spec.name in texts and spec.dtype != np.int64:
            raise ExportError(
                f"the signature says that {spec.name} holds texts, of which the module takes the codes in int64; "
                f"it takes {spec.dtype}"
            )
        if spec.name not in texts and spec.dtype.kind != "f":
            raise ExportError(f"the signature says that {spec.name} holds numbers; the module takes {spec.dtype}")


def _check_codes(program: Program) -> None:
    """See that the module takes every code of every text: what it fails on would never be compared."""
    for tensor in () if program.signature is None else program.signature.inputs:
        for column, feature in enumerate(tensor.features if tensor.is_text else ()):
            last = last_code(feature)
            for code in (UNKNOWN, last):
                codes = program.example[tensor.name].copy()
                codes[:, column] = code
                try:
                    program.run({**program.example, tensor.name: codes})
                except Exception as error:
                    raise ExportError(
                        f"the module fails on the code {code} of {feature.name}, of which there are {last + 1} (0 for "
                        f"unknown texts, 1 for a gap, one for each category): {cause(error)}"
                    ) from error


def _check_repeats(program: Program) -> None:
    """See that the module gives the same again on its example, and so does its graph."""
    first, again = program.run(program.example), program.run(program.example)
    captured = program.call(program.exported.module(check_guards=False), program.example)
    for name, values in first.items():
        if not _alike(values, again[name]):
            raise ExportError(
                f"the module gives another {name} when it is called again with the same inputs: it draws random "
                "numbers, or keeps something from call to call; make that an input"
            )
        if values.dtype.kind == "f" and not _alike(values, captured[name]):
            raise ExportError(
                f"the module gives another {name} than the graph that torch.export made of it: it computes otherwise "
                "while it is exported"
            )


def _alike(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    """Whether two results may be roundings of the same."""
    size = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-2, atol=1e-3 * size, equal_nan=True)


def _keep_tensors(exported: ExportedProgram) -> None:
    """Drop what `exported` gives besides tensors, such as sizes, and new values of inputs: an artifact has neither."""
    specs = exported.graph_signature.output_specs
    kept = [spec.kind == OutputKind.USER_OUTPUT and isinstance(spec.arg, TensorArgument) for spec in specs]
    output = exported.graph.output_node()
    output.args = (tuple(itertools.compress(output.args[0], kept)),)
    specs[:] = itertools.compress(specs, kept)
    exported.module_call_graph[0].signature.out_spec = pytree.tree_structure((None,) * len(specs))
    exported.graph_module.recompile()


def _bind(module: nn.Module, example_inputs: Any, kwargs: Mapping[str, Any] | None = None) -> inspect.BoundArguments:
    """The arguments of a call by the names of `module.forward`'s parameters."""
    match example_inputs:
        case tuple() | list():
            args, named = tuple(example_inputs), dict(kwargs or {})
        case Mapping():
            args, named = (), dict(example_inputs)
        case _:
            args, named = (example_inputs,), {}
    args, named = pytree.tree_map_only(np.ndarray, torch.from_numpy, (args, named))
    args, named = pytree.tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), (args, named))
    try:
        return inspect.signature(module.forward).bind(*args, **named)
    except TypeError as error:
        hint = "; a dict is taken for arguments by name, and as one argument it is written ({...},)"
        raise ExportError(
            f"the example inputs do not fit the module's forward: {error}{hint if args == () and named else ''}"
        ) from error


def _named(arguments: inspect.BoundArguments) -> dict[str, Tensor]:
    """The tensors in `arguments`, each by a name of its own."""
    leaves, _ = pytree.tree_flatten_with_path(dict(arguments.arguments))
    names: dict[str, Tensor] = {}
    for path, leaf in leaves:
        if isinstance(leaf, Tensor):
            name = _path_name(path)
            while name in names:
                name += "_"
            if leaf.dtype not in _DTYPES:
                raise ExportError(f"the input {name} is {leaf.dtype}; float32, integers and booleans can be exported")
            names[name] = leaf
    return names


def _path_name(path: Sequence[Any]) -> str:
    """`batch_image` for the tensor at `image` within the argument `batch`."""
    keys = [getattr(key, "key", getattr(key, "idx", getattr(key, "name", key))) for key in path]
    return "_".join(re.sub(r"\W", "_", str(key)) for key in keys)


def _axes(names: Mapping[str, Tensor], dynamic: Mapping[str, Axes]) -> dict[str, Axes]:
    if unknown := [name for name in dynamic if name not in names]:
        raise ExportError(f"no input is named {unknown[0]}; there are {', '.join(names)}")
    axes: dict[str, Axes] = {}
    for name, tensor in names.items():
        given = dynamic.get(name, [BATCH][: tensor.ndim])
        wanted = [given] if isinstance(given, str) else list(given or ())
        if len(wanted) > tensor.ndim:
            raise ExportError(
                f"{name} has {tensor.ndim} axes, and {len(wanted)} are named: {', '.join(map(str, wanted))}"
            )
        if wrong := [axis for axis in wanted if axis is not None and not str(axis).isidentifier()]:
            raise ExportError(f"{wrong[0]!r} is no name for an axis of {name}; take letters, digits and _")
        axes[name] = wanted + [None] * (tensor.ndim - len(wanted))
    return axes


def _enlarge(names: dict[str, Tensor], axes: Mapping[str, Axes]) -> dict[str, int]:
    """The size of each dimension in the example; an example of size 1, which torch takes for a constant, is doubled."""
    sizes: dict[str, int] = {}
    for name, tensor in names.items():
        for axis, dimension in enumerate(axes[name]):
            if dimension is not None and sizes.setdefault(dimension, tensor.shape[axis]) != tensor.shape[axis]:
                raise ExportError(
                    f"the dimension {dimension} has the size {sizes[dimension]} in one example input and "
                    f"{tensor.shape[axis]} in {name}; give axes of different sizes different names"
                )
    if empty := [dimension for dimension, size in sizes.items() if size == 0]:
        raise ExportError(f"the example inputs are empty along {empty[0]}; give at least one row")
    for name, tensor in names.items():
        repeats = [2 if dimension is not None and sizes[dimension] == 1 else 1 for dimension in axes[name]]
        if repeats:
            names[name] = tensor.repeat(*repeats)
    return sizes


def _export(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    shapes: Any,
    sizes: Mapping[str, int],
) -> ExportedProgram:
    problem: Exception | None = None
    # Deferred assertions capture more, such as kernels as wide as what they slide over, or an LSTM before a GRU; they
    # come second, since they also change the graphs of modules that need none.
    for deferred in (False, True):
        narrowed = shapes
        # Each round narrows a dimension's range to what the module turned out to need, such as a kernel's width.
        for _ in range(len(sizes) + 1):
            try:
                with any_length():
                    return torch.export.export(
                        module,
                        args,
                        kwargs,
                        dynamic_shapes=narrowed,
                        strict=False,
                        prefer_deferred_runtime_asserts_over_guards=deferred,
                    )
            except Exception as error:
                text = getattr(error, "msg", str(error))
                problem = problem or error
                if _fixed(text) or "Suggested fixes:" not in text:
                    break
                narrowed = refine_dynamic_shapes_from_suggested_fixes(text, narrowed)
    assert problem is not None
    if fixed := _fixed(getattr(problem, "msg", str(problem))):
        raise _FixedDimension(fixed[1], fixed[2]) from problem
    raise ExportError(f"torch.export cannot capture this module: {cause(problem)}") from problem


class _FixedDimension(ExportError):
    def __init__(self, dimension: str, size: str) -> None:
        self.dimension = dimension
        super().__init__(
            f"the dimension {dimension} cannot change: the module fixes it at {size}, the example's size; "
            "make the module independent of it, or say that the axis is fixed"
        )


def _lengthened(tensor: Tensor, axes: Axes, dimension: str) -> Tensor:
    """`tensor` with itself and a part of itself behind it along `dimension`: of size 2n + 5."""
    for axis, name in enumerate(axes):
        if name == dimension:
            size = 2 * tensor.shape[axis] + 5
            tensor = tensor.index_select(axis, torch.arange(size) % tensor.shape[axis])
    return tensor


def _fixed(text: str) -> re.Match[str] | None:
    """What torch.export suggests to fix a dimension at, if it does."""
    return re.search(r"^\s*(\w+) = (\d+)$", text, re.MULTILINE)


def _placeholders(exported: ExportedProgram) -> list[fx.Node]:
    """The nodes that stand for the tensors that `exported` takes."""
    specs = exported.graph_signature.input_specs
    taken = {
        spec.arg.name for spec in specs if spec.kind == InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    }
    return [node for node in exported.graph.nodes if node.op == "placeholder" and node.name in taken]


def _output_names(
    exported: ExportedProgram, inputs: Mapping[str, Tensor], signature: Signature | None
) -> tuple[str, ...]:
    """A name for each tensor that the program gives: the signature's for a single one, else keys and places."""
    specs = [spec for spec in exported.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT]
    structure = pytree.tree_unflatten(list(range(len(specs))), exported.call_spec.out_spec)
    tensors = [isinstance(spec.arg, TensorArgument) for spec in specs]
    paths = [path for path, leaf in pytree.tree_flatten_with_path(structure)[0] if tensors[leaf]]
    if not paths:
        raise ExportError("the module gives no tensor")
    if len(paths) == 1 and signature is not None:
        return (signature.output,)
    names: list[str] = []
    for path in paths:
        name = _path_name(path) or "output"
        if name[0].isdigit():
            name = f"output_{name}"
        while name in inputs or name in names:
            name += "_output" if name in inputs else "_"
        names.append(name)
    return tuple(names)


def _dimensions(exported: ExportedProgram, inputs: Sequence[InputTensor]) -> dict[str, tuple[int, int | None]]:
    ranges: dict[str, tuple[int, int | None]] = {}
    for spec, node in zip(inputs, _placeholders(exported), strict=True):
        for dimension, size in zip(spec.shape, node.meta["val"].shape, strict=True):
            if isinstance(dimension, str) and not isinstance(size, int) and dimension not in ranges:
                known = exported.range_constraints.get(size.node.expr)
                lower = int(known.lower) if known is not None else 1
                upper = int(known.upper) if known is not None and known.upper.is_Integer else None
                # torch takes sizes 0 and 1 apart, so that a range that begins at 2 says nothing of them.
                ranges[dimension] = (1 if lower <= 2 else lower, upper)
            elif isinstance(dimension, str):
                ranges.setdefault(dimension, (1, None))
    return ranges


def size_hint(size: Any) -> int:
    """The size of an axis in the example."""
    return size if isinstance(size, int) else int(size.node.hint or 1)
