"""Labels for a module's output: which output holds their probabilities, and how these come of logits."""

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import placeholders
from edge_export.errors import ExportError
from edge_runtime import Input, Signature
from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Task

# How far the probabilities of a row may be from adding up to 1.
_ROUNDED = 1e-3


@dataclass(frozen=True)
class Classes:
    """The classes that a module tells apart; a forward hook that makes its output their probabilities, by that name.

    The output is the only one or, of several, the one named logits or else the first. One column stands for the second
    of two labels.

    Attributes:
        labels: a label for each column of the output.
        from_logits: whether the output holds logits, and their softmax is to be exported, or the sigmoid of one column.
    """

    labels: tuple[Label, ...]
    from_logits: bool

    def __call__(self, module: nn.Module, args: Any, returned: Any) -> dict[str, Any]:
        """All that the module returns by name, with probabilities, shape (batch, columns), in place of the output."""
        outputs, scored = self._outputs(returned)
        scores = _columns(outputs[scored])
        if self.from_logits:
            scores = scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)
        name = _name(scores)
        return {name if key == scored else key: scores if key == scored else value for key, value in outputs.items()}

    def signature(self, returned: Any, inputs: Iterable[str], known: Signature | None) -> Signature:
        """What the module takes and gives.

        Args:
            returned: what it returns for its example, without this hook.
            inputs: the names of its inputs.
            known: the signature that it has already.

        Raises:
            ExportError: it has one; or its output does not hold probabilities (or logits) of these labels.
        """
        if known is not None:
            raise ExportError("the module has a signature, which names its labels; drop --labels (labels=...)")
        outputs, scored = self._outputs(returned)
        scores = _columns(outputs[scored])
        if scores.ndim != 2 or not scores.is_floating_point():
            kind = str(scores.dtype).removeprefix("torch.")
            raise ExportError(
                f"labels are for an output of floats of shape (batch, labels), and {scored} is {kind} "
                f"{list(outputs[scored].shape)}"
            )
        columns = scores.shape[1]
        if len(self.labels) != max(columns, 2):
            raise ExportError(
                f"there are {len(self.labels)} labels, and {scored} has {columns} column{'s' * (columns != 1)} (shape "
                f"{list(outputs[scored].shape)}), which need{'s' * (columns == 1)} {max(columns, 2)}"
            )
        if _name(scores) in outputs.keys() - {scored}:
            raise ExportError(
                f"the module returns {_name(scores)} besides {scored}; drop --from-logits (from_logits=True)"
            )
        self._check(scored, scores.double())
        task: Task = "binary_classification" if columns == 1 else "multiclass_classification"
        return Signature(tuple(map(Input, inputs)), _name(scores), self.labels, task)

    def with_probabilities(self, exported: ExportedProgram) -> ExportedProgram:
        """`exported`, captured again with this hook.

        Raises:
            ExportError: torch cannot capture it again with the dimensions that it had.
        """
        assert exported.example_inputs is not None
        args, kwargs = exported.example_inputs
        module = _Called(exported.module())
        module.register_forward_hook(self)
        given = placeholders(exported)
        nodes = iter(given)
        # In the order of the example, which is that of the graph.
        leaves, tree = pytree.tree_flatten(inspect.signature(module.forward).bind(*args, **kwargs).arguments)
        shapes = [
            {axis: Dim.AUTO for axis, size in enumerate(next(nodes).meta["val"].shape) if not isinstance(size, int)}
            if isinstance(leaf, Tensor)
            else None
            for leaf in leaves
        ]
        try:
            again = torch.export.export(
                module, tuple(args), kwargs, dynamic_shapes=pytree.tree_unflatten(shapes, tree), strict=False
            )
        except Exception as error:
            raise ExportError(f"torch.export cannot add probabilities to this program: {cause(error)}") from error
        for before, after in zip(given, placeholders(again), strict=True):
            sizes = zip(before.meta["val"].shape, after.meta["val"].shape, strict=True)
            if any(isinstance(old, int) != isinstance(new, int) for old, new in sizes):
                raise ExportError(
                    f"torch.export fixes a dimension of {before.name} when it adds probabilities to this program; save "
                    "it from a module that returns probabilities"
                )
        return again

    def _outputs(self, returned: Any) -> tuple[dict[str, Any], str]:
        """All that a module returns by name, and the name of what holds the scores of the labels."""
        match returned:
            case Tensor():
                outputs = {"output": returned}
            case Mapping():
                outputs = {str(name): value for name, value in returned.items()}
            case tuple() | list():
                names = getattr(returned, "_fields", [f"output_{place}" for place in range(len(returned))])
                outputs = dict(zip(names, returned, strict=True))
            case _ if dataclasses.is_dataclass(returned):
                outputs = {field.name: getattr(returned, field.name) for field in dataclasses.fields(returned)}
            case _:
                outputs = {}
        tensors = [name for name, value in outputs.items() if isinstance(value, Tensor)]
        if not tensors:
            raise ExportError(f"labels are for a tensor, and the module returns {type(returned).__name__}")
        wanted = ("logits",) if self.from_logits else ("probabilities", "probability", "logits")
        return outputs, next((name for name in wanted if name in tensors), tensors[0])

    def _check(self, name: str, scores: Tensor) -> None:
        """See that `scores`, shape (rows, columns), are the probabilities of labels, or that they are not."""
        are_within = bool(((scores >= -_ROUNDED) & (scores <= 1 + _ROUNDED)).all())
        sums = scores.sum(1)
        add_up = scores.shape[1] == 1 or bool(((sums - 1).abs() <= _ROUNDED).all())
        if not self.from_logits and not (are_within and add_up):
            worst = (sums - 1).abs().argmax()
            found = f"a row that adds up to {sums[worst]:.4g}" if are_within else "numbers beyond 0 and 1"
            raise ExportError(
                f"{name} does not hold probabilities: it has {found} for the example; if these are logits, give "
                "--from-logits (from_logits=True)"
            )
        if self.from_logits and scores.shape[1] > 1 and are_within and add_up:
            raise ExportError(f"{name} holds probabilities already; drop --from-logits (from_logits=True)")


class _Called(nn.Module):
    """Calls a module with its own arguments: torch.export does not run the hooks of a module that it made itself."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

        def forward(*args: Any, **kwargs: Any) -> Any:
            return module(*args, **kwargs)

        forward.__signature__ = inspect.signature(module.forward)  # type: ignore[attr-defined]
        self.forward = forward


def _columns(scores: Tensor) -> Tensor:
    """`scores` with an axis for the one column that they have, if they are of shape (batch,)."""
    return scores.unsqueeze(1) if scores.ndim == 1 else scores


def _name(scores: Tensor) -> str:
    return "probability" if scores.shape[1] == 1 else "probabilities"
