"""Programs that were exported with torch.export already."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layers import assert_same, in_file, layer, rows
from tiers import mostly_slow
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils import _pytree as pytree

from edge_export import ExportError
from edge_export.capture.capture import adopt

X = rows()
BATCH, LENGTH = Dim("batch"), Dim("length", min=3, max=9)


def saved(module: nn.Module, args: tuple[Any, ...], **options: Any) -> ExportedProgram:
    """`module` as torch.export saves and loads it."""
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about how an LSTM keeps its weights
        torch.export.save(torch.export.export(module, args, **options), content)
    content.seek(0)
    return torch.export.load(content)


def keyword_only(self: Any, x: Tensor, *, shift: Tensor, scale: float = 1.5) -> Any:
    return self.layer(x) * scale - shift


# The forward, what it is called with, the options of torch.export, and the shapes and dimensions that follow.
PROGRAMS: dict[str, tuple[Callable[..., Any], Any, dict[str, Any], list[tuple[Any, ...]], dict[str, Any]]] = {
    "fixed": (lambda self, x: self.layer(x), (X,), {}, [(4, 3)], {}),
    "None among the arguments": (
        lambda self, x, no, y: {"sum": self.layer(x) + y, "rows": x.shape[0]},
        (X, None, X),
        {"dynamic_shapes": ({0: BATCH}, None, {0: BATCH})},
        [("batch", 3), ("batch", 3)],
        {"batch": (1, None)},
    ),
    "keyword-only": (
        keyword_only,
        (X,),
        {"kwargs": {"shift": X, "scale": 3.0}, "dynamic_shapes": {"x": {0: BATCH}, "shift": {0: BATCH}, "scale": None}},
        [("batch", 3), ("batch", 3)],
        {"batch": (1, None)},
    ),
    "a dict": (
        lambda self, b: (self.layer(b["x"]), b["y"].sum(1)),
        ({"x": rows(4, 5, 3), "y": rows(4, 6)},),
        {"dynamic_shapes": ({"x": {0: BATCH, 1: LENGTH}, "y": {0: BATCH, 1: Dim.AUTO}},)},
        [("batch", "b_x_1", 3), ("batch", "b_y_1")],
        {"batch": (1, None), "b_x_1": (3, 9), "b_y_1": (1, None)},
    ),
    "recurrent": (
        lambda self, x: self.recurrent(x)[0],
        (rows(4, 5, 3),),
        {"dynamic_shapes": ({0: BATCH},)},
        [("batch", 5, 3)],
        {"batch": (1, None)},
    ),
}


@pytest.mark.parametrize("name", mostly_slow(PROGRAMS, ["a dict"]))
def test_a_saved_program(name: str) -> None:
    forward, args, options, shapes, dimensions = PROGRAMS[name]
    module = layer(forward).eval()
    program = adopt(saved(module, args, **options))
    assert [spec.shape for spec in program.inputs] == shapes
    assert program.dimensions == dimensions
    with torch.no_grad():
        results = module(*args, **options.get("kwargs", {}))
    tensors = [leaf.numpy() for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
    expected = dict(zip(program.outputs, tensors, strict=True))
    assert_same(program.run(program.example), expected)
    assert_same(in_file(program)(program.example), expected)


def scaled(self: Any, x: Tensor, times: int) -> Any:
    return self.layer(x) * times


@pytest.mark.parametrize(
    ("module", "args", "options", "message"),
    [
        (nn.Dropout().train(), (X,), {}, "it draws random numbers"),
        (nn.BatchNorm1d(3).train(), (X,), {}, "the module changes its own running_mean, running_var"),
        (nn.Linear(3, 3).bfloat16(), (X.bfloat16(),), {}, "the input input is torch.bfloat16"),
        (layer(lambda self, x: x + self.layer.weight.float().sum()).to(torch.float8_e5m2), (X,), {}, "float8_e5m2"),
        (
            layer(scaled),
            (X, 3),
            {"dynamic_shapes": (None, Dim.DYNAMIC)},
            "the argument times is a number that may change; make it a tensor",
        ),
    ],
)
def test_saved_programs_that_cannot_be_exported(module: nn.Module, args: Any, options: Any, message: str) -> None:
    exported = saved(module, args, **options)
    with pytest.raises(ExportError) as raised:
        adopt(exported)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_saved_program_without_its_example() -> None:
    exported = saved(nn.Linear(3, 3), (X,))
    exported.example_inputs = None
    with pytest.raises(ExportError, match="the program carries no example inputs; save it with torch"):
        adopt(exported)
