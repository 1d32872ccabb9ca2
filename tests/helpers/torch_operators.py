"""Every operator that torch has tests for, as a module of fixed shapes, exported with torch alone and with edge_export.

`python tests/helpers/torch_operators.py` prints the table in docs/modules.md.
"""

import contextlib
import functools
import io
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from quick_exports import few_probes, few_reference_rows, one_registry
from torch import Tensor, nn
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

from edge_export import ExportError, ParityError, export
from edge_export.capture.diagnostics import cause
from edge_export.capture.quiet import quiet

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

# How many of an operator's samples are tried until one is usable.
_TRIED = 12


class Call(nn.Module):
    """A call of an operator: its tensors are inputs, everything else is as in a sample."""

    def __init__(self, function: Any, arguments: Arguments) -> None:
        super().__init__()
        self.function = function
        leaves, self.structure = pytree.tree_flatten(arguments)
        self.constants = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self.is_tensor = [isinstance(leaf, Tensor) for leaf in leaves]

    def forward(self, tensors: tuple[Tensor, ...]) -> Any:
        given = iter(tensors)
        leaves = [
            next(given) if is_tensor else constant
            for is_tensor, constant in zip(self.is_tensor, self.constants, strict=True)
        ]
        args, kwargs = pytree.tree_unflatten(leaves, self.structure)
        return self.function(*args, **kwargs)


@dataclass(frozen=True)
class Operator:
    """An operator and the first usable sample of its arguments.

    Attributes:
        name: torch's name for it, with the variant if there are several.
        module: calls it.
        example: the tensors of the sample.
        fresh: others of the same shapes, drawn as torch draws them.
    """

    name: str
    module: Call
    example: tuple[Tensor, ...]
    fresh: tuple[tuple[Tensor, ...], ...]


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all operators that take float32."""
    return tuple(sorted(_infos()))


def operator(name: str) -> Operator | None:
    """The operator of this name; None if no sample is usable: of tensors with elements, and giving the same again."""
    info = _infos()[name]
    for place, arguments in enumerate(_samples(info, 0)):
        example = _tensors(arguments)
        if not _is_plain(example) or not any(tensor.is_floating_point() for tensor in example):
            continue
        module = Call(info.op, arguments)
        if not _is_usable(module, example):
            continue
        others = [_samples(info, seed)[place : place + 1] for seed in (1, 2, 3)]
        fresh = [_tensors(other) for (other,) in filter(None, others) if _described(other) == _described(arguments)]
        return Operator(name, module, example, tuple(fresh))
    return None


def exported(found: Operator) -> str:
    """What `edge_export.export` makes of an operator: right, wrong, or refused with the reason.

    Only ExportError and ParityError count as a refusal; other exceptions are raised.
    """
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Some operators warn on each call that they are deprecated.
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        dynamic = {f"tensors_{place}": () for place in range(len(found.example))}
        try:
            export(found.module, (found.example,), path, dynamic=dynamic, note=lambda line: None)
        except (ExportError, ParityError) as error:
            return f"refused: {error}".replace(f"{path} ", "the file ")
        return _judged(path.read_bytes(), found)


def exported_by_torch(found: Operator) -> str:
    """What torch.onnx.export makes of an operator: right, wrong, or fails with the reason."""
    with quiet(), contextlib.redirect_stdout(io.StringIO()):
        try:
            made = torch.onnx.export(found.module, (found.example,), dynamo=True, verbose=False, external_data=False)
            assert made is not None
            return _judged(made.model_proto.SerializeToString(), found)
        except Exception as error:
            return f"fails: {cause(error)}"


def outputs(module: nn.Module, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors that a call gives; some operators change their operands in place."""
    with torch.no_grad():
        found = module(tuple(tensor.clone() for tensor in tensors))
    return [leaf for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]


def _judged(content: bytes, found: Operator) -> str:
    """Whether a file gives what torch gives on the sample and on fresh inputs like it, roughly."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    taken = {spec.name for spec in session.get_inputs()}
    for tensors in (found.example, *found.fresh):
        named = {f"tensors_{place}": tensor.numpy() for place, tensor in enumerate(tensors)}
        results = session.run(None, {name: values for name, values in named.items() if name in taken})
        expected = [tensor.numpy() for tensor in outputs(found.module, tensors)]
        if len(results) != len(expected) or not all(map(_is_alike, results, expected)):
            return "wrong"
    return "right"


def _is_alike(found: Any, expected: Any) -> bool:
    if found.shape != expected.shape or (found.dtype.kind == "f") != (expected.dtype.kind == "f"):
        return False
    if expected.dtype.kind != "f":
        return bool((found == expected).all())
    size = np.abs(expected[np.isfinite(expected)]).max(initial=1e-3)
    return np.allclose(found, expected, rtol=1e-3, atol=1e-4 * size, equal_nan=True)


@functools.cache
def _infos() -> dict[str, Any]:
    named = {info.name + (f".{info.variant_test_name}" if info.variant_test_name else ""): info for info in op_db}
    return {name: info for name, info in named.items() if torch.float32 in info.supported_dtypes("cpu")}  # type: ignore[no-untyped-call]


def _samples(info: Any, seed: int) -> list[Arguments]:
    torch.manual_seed(seed)
    found: list[Arguments] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # To its end: a generator left half way would be closed, through torch, in the middle of some capture.
            for sample in info.sample_inputs("cpu", torch.float32, requires_grad=False):
                if len(found) < _TRIED:
                    found.append(((sample.input, *sample.args), dict(sample.kwargs)))
        except Exception:
            pass
    return found


def _tensors(arguments: Arguments) -> tuple[Tensor, ...]:
    return tuple(leaf.detach().clone() for leaf in pytree.tree_leaves(arguments) if isinstance(leaf, Tensor))


def _described(arguments: Arguments) -> Any:
    leaves, structure = pytree.tree_flatten(arguments)
    return structure, [(leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else repr(leaf) for leaf in leaves]


def _is_plain(tensors: Sequence[Tensor]) -> bool:
    """Whether all have elements, and in a layout and of a type that a file can hold."""
    return all(tensor.numel() and tensor.layout == torch.strided and not tensor.is_complex() for tensor in tensors)


def _is_usable(module: Call, example: tuple[Tensor, ...]) -> bool:
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            first, again = outputs(module, example), outputs(module, example)
    except Exception:
        return False
    return bool(first) and all(
        one.layout == torch.strided
        and not one.is_complex()
        and one.shape == other.shape
        and torch.equal(one.nan_to_num(0.123), other.nan_to_num(0.123))
        for one, other in zip(first, again, strict=True)
    )


def main() -> None:
    """Print the table in docs/modules.md, and each refusal with its reason."""
    torch.set_num_threads(1)
    counts: Counter[tuple[str, str]] = Counter()
    refused = []
    with one_registry(), few_probes(), few_reference_rows():
        for name in names():
            if (found := operator(name)) is None:
                continue
            bare, ours = exported_by_torch(found), exported(found)
            counts[bare.split(":")[0], ours.split(":")[0]] += 1
            if bare == "right" and ours != "right":
                refused.append(f"{name}: {ours}")
    print("| torch.onnx.export | operators | exported and verified | refused | wrong |")
    print("| --- | --- | --- | --- | --- |")
    for bare in ("right", "wrong", "fails"):
        row = [counts[bare, ours] for ours in ("right", "refused", "wrong")]
        print(f"| {bare} | {sum(row)} | {' | '.join(map(str, row))} |")
    print(*refused, sep="\n")


if __name__ == "__main__":
    main()
