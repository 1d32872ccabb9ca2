"""The names of what a module takes and returns, however its call is structured."""

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from exports import onnx_bytes
from layers import assert_same, in_file, layer, refusal, rows
from tiers import mostly_slow
from torch import Tensor
from torch.utils import _pytree as pytree

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.naming import named_axes
from edge_runtime import Feature, Input, Predictor, Signature


class Pair(NamedTuple):
    mean: Tensor
    deviation: Tensor


def with_defaults(self: Any, x: Tensor, scale: float = 2.0, flip: bool = False, mask: Tensor | None = None) -> Any:
    y = self.layer(x) * scale
    y = y if mask is None else y * mask
    return -y if flip else y


def keyword_only(self: Any, x: Tensor, *, shift: Tensor, scale: float = 1.5) -> Any:
    return self.layer(x) * scale - shift


def by_mode(self: Any, x: Tensor, mode: str, times: int) -> Any:
    return self.layer(x) * times if mode == "linear" else x


def given_twice(self: Any, x: Tensor) -> dict[str, Any]:
    y = self.layer(x)
    return {"a": y, "b": y, "c": [y]}


def in_place(self: Any, x: Tensor) -> Any:
    y = self.layer(x)
    y[:, 0] += 1
    y[x > 1] = 0
    return y.relu_()


def changes_its_input(self: Any, x: Tensor) -> Any:
    x += 1
    return self.layer(x)


X = rows()
# The forward, what it is called with, and the names of inputs and outputs.
CALLS: dict[str, tuple[Callable[..., Any], Any, list[str], list[str]]] = {
    "a tensor": (lambda self, x: self.layer(x), X, ["x"], ["output"]),
    "a numpy array": (lambda self, x: self.layer(x), X.numpy(), ["x"], ["output"]),
    "a tuple": (lambda self, x, y: self.layer(x) - y, (X, 2 * X), ["x", "y"], ["output"]),
    "by name, in another order": (lambda self, x, y: self.layer(x) - y, {"y": X, "x": 2 * X}, ["x", "y"], ["output"]),
    "a nested dict": (
        lambda self, b: self.layer(b["a"][0]) + b["a"][1] * b["c"]["d"],
        ({"a": [X, 2 * X], "c": {"d": 3 * X}},),
        ["b_a_0", "b_a_1", "b_c_d"],
        ["output"],
    ),
    "a nested tuple": (lambda self, b: self.layer(b[0]) + b[1][0], ((X, (2 * X,)),), ["b_0", "b_1_0"], ["output"]),
    "a named tuple": (
        lambda self, p: self.layer(p[0]) * p[1],
        (Pair(X, 2 * X),),
        ["p_mean", "p_deviation"],
        ["output"],
    ),
    "keys that are not names": (
        lambda self, b: {"a b": self.layer(b["a b"]), "a-b": b["a-b"] * 2, "": b["a b"] + 1},
        ({"a b": X, "a-b": 2 * X},),
        ["b_a_b", "b_a_b_"],
        ["a_b", "a_b_", "output"],
    ),
    "two that would have one name": (
        lambda self, a, a_b: self.layer(a["b"]) + a_b,
        ({"b": X}, 5 * X),
        ["a_b", "a_b_"],
        ["output"],
    ),
    "defaults": (with_defaults, X, ["x"], ["output"]),
    "defaults given": (with_defaults, (X, 3.0, True, None), ["x"], ["output"]),
    "None before a tensor": (lambda self, x, no, y: self.layer(x) + y, (X, None, 2 * X), ["x", "y"], ["output"]),
    "defaults given by name": (with_defaults, {"x": X, "mask": 2 * X}, ["x", "mask"], ["output"]),
    "keyword-only": (keyword_only, {"x": X, "shift": 2 * X}, ["x", "shift"], ["output"]),
    "any number": (lambda self, *xs: self.layer(xs[0]) + xs[1], (X, 2 * X), ["xs_0", "xs_1"], ["output"]),
    "a string and a number": (by_mode, (X, "linear", 3), ["x"], ["output"]),
    "one tensor for two": (lambda self, x, y: self.layer(x) + 2 * y, (X, X), ["x", "y"], ["output"]),
    "one that is not used": (lambda self, b: self.layer(b["x"]), ({"x": X, "z": X},), ["b_x", "b_z"], ["output"]),
    "scalars": (lambda self, x, s: (self.layer(x) * s).sum(), (X, torch.tensor(2.0)), ["x", "s"], ["output"]),
    "named as outputs are": (
        lambda self, output, b: {"b": self.layer(output), "output": b * 2, "c": b},
        (X, 2 * X),
        ["output", "b"],
        ["b_output", "output_output", "c"],
    ),
    "gives a tuple": (lambda self, x: (self.layer(x), x * 2), X, ["x"], ["output_0", "output_1"]),
    "gives a nested dict": (
        lambda self, x: OrderedDict(z=(self.layer(x), [x * 2]), a={"b": x + 1}),
        X,
        ["x"],
        ["z_0", "z_1_0", "a_b"],
    ),
    "gives a named tuple": (lambda self, x: Pair(self.layer(x), x * 2), X, ["x"], ["mean", "deviation"]),
    "gives numbers by key": (lambda self, x: {0: self.layer(x), 7: x * 2}, X, ["x"], ["output_0", "output_7"]),
    "gives more than tensors": (
        lambda self, x: (None, self.layer(x), 3, x.shape[0], 1.5, "text", True, x + 1),
        X,
        ["x"],
        ["output_1", "output_7"],
    ),
    "gives one tensor three times": (given_twice, X, ["x"], ["a", "b", "c_0"]),
    "gives an input back": (lambda self, x: (x, self.layer(x), x), X, ["x"], ["output_0", "output_1", "output_2"]),
    "gives only an input": (lambda self, x: x, X, ["x"], ["output"]),
    "gives a weight": (lambda self, x: (self.layer.bias, x + 1), X, ["x"], ["output_0", "output_1"]),
    "gives a constant": (lambda self, x: (torch.ones(2, 2), x + 1), X, ["x"], ["output_0", "output_1"]),
    "changes its own values": (in_place, X, ["x"], ["output"]),
    "changes its input": (changes_its_input, X, ["x"], ["output"]),
}
FAST = (
    "by name, in another order",
    "a nested dict",
    "a named tuple",
    "keys that are not names",
    "two that would have one name",
    "defaults given",
    "None before a tensor",
    "keyword-only",
    "named as outputs are",
    "gives more than tensors",
    "gives numbers by key",
    "gives an input back",
    "changes its own values",
    "changes its input",
)


@pytest.mark.parametrize("name", mostly_slow(CALLS, FAST))
def test_structures_of_calls(name: str) -> None:
    forward, example, inputs, outputs = CALLS[name]
    module = layer(forward)
    program = capture(module, copy.deepcopy(example))
    assert [spec.name for spec in program.inputs] == inputs
    assert list(program.outputs) == outputs
    # As the module itself is called, with the structure that was given.
    args = example if isinstance(example, tuple) else () if isinstance(example, dict) else (torch.as_tensor(example),)
    with torch.no_grad():
        results = module(*args, **(example if isinstance(example, dict) else {}))
    tensors = [leaf.detach().numpy() for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
    assert_same(program.run(program.example), dict(zip(outputs, tensors, strict=True)))


@pytest.mark.parametrize("name", mostly_slow(CALLS, ("a nested dict", "changes its input")))
def test_structures_of_calls_in_files(name: str) -> None:
    forward, example, _, _ = CALLS[name]
    program = capture(layer(forward), copy.deepcopy(example))
    more = {
        spec.name: np.concatenate([program.example[spec.name]] * 2)[:7] if spec.shape else program.example[spec.name]
        for spec in program.inputs
    }
    assert_same(in_file(program)(more), program.run(more))


def test_an_input_that_an_artifact_cannot_hold_is_named() -> None:
    message = refusal(layer(lambda self, b: b["x"].real), ({"x": torch.ones(4, 3, dtype=torch.complex64)},))
    assert (
        message
        == "the input b_x is torch.complex64, which ONNX Runtime neither takes nor gives: see torch.view_as_real"
    )


def test_a_module_must_return_a_tensor() -> None:
    assert refusal(layer(lambda self, x: (3, None)), X) == "the module returns no tensor"


def test_a_single_output_is_named_by_the_signature() -> None:
    signature = Signature((Input("x", (Feature("a"), Feature("b"), Feature("c"))),), "chance", ("no", "yes"))
    module = layer(lambda self, x: self.layer(x)[:, :1].sigmoid())
    assert capture(module, X, signature=signature).outputs == ("chance",)


def plus(self: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x * 2, y + 1


# What is given as `dynamic`, and the shapes of x and y that follow.
DIMENSIONS: dict[str, tuple[Any, tuple[Any, ...], tuple[Any, ...]]] = {
    "nothing": (None, ("batch", 5, 3), ("batch", 2)),
    "one of two": ({"y": ("other",)}, ("batch", 5, 3), ("other", 2)),
    "a second axis": ({"x": ("batch", "length")}, ("batch", "length", 3), ("batch", 2)),
    "fixed axes": ({"x": (None, "length", None), "y": (None, "width")}, (4, "length", 3), (4, "width")),
    "all fixed": ({"x": (), "y": None}, (4, 5, 3), (4, 2)),
    "a string": ({"x": "batch", "y": ["batch"]}, ("batch", 5, 3), ("batch", 2)),
}


@pytest.mark.parametrize("name", mostly_slow(DIMENSIONS, ["nothing", "fixed axes", "all fixed"]))
def test_dimensions(name: str) -> None:
    dynamic, x, y = DIMENSIONS[name]
    program = capture(layer(plus), (rows(4, 5, 3), rows(4, 2)), dynamic)
    assert [spec.shape for spec in program.inputs] == [x, y]
    names = [name for name in (*x, *y) if isinstance(name, str)]
    assert program.dimensions == dict.fromkeys(names, (1, None))
    assert program.is_batched == (x[0] == y[0] == "batch")


def test_dimensions_in_a_file() -> None:
    program = capture(layer(plus), (rows(4, 5, 3), rows(4, 2)), {"x": (None, "length"), "y": ("batch", "width")})
    shapes = [spec.shape for spec in Predictor(onnx_bytes(program), device="cpu").inputs]
    assert shapes == [(4, "length", 3), ("batch", "width")]


@pytest.mark.parametrize(
    ("dynamic", "message"),
    [
        ({"z": ("batch",)}, "no input is named z; the inputs are ids, scale"),
        ({"idz": ("batch",)}, "no input is named idz; the inputs are ids, scale; did you mean 'ids'?"),
        ({"Scale": ()}, "no input is named Scale; the inputs are ids, scale; did you mean 'scale'?"),
        ({"ids": ("a", None, "b")}, "ids has 2 axes, and 3 are named: a, None, b"),
        ({"ids": ("ba tch",)}, "'ba tch' is not a name for an axis of ids; use letters, digits and _"),
        ({"ids": ("1",)}, "'1' is not a name for an axis of ids"),
        ({"ids": ("",)}, "'' is not a name for an axis of ids"),
        ({"ids": {0: "batch"}}, "0 is not a name for an axis of ids"),
    ],
)
def test_axes_that_cannot_be(dynamic: Any, message: str) -> None:
    with pytest.raises(ExportError) as raised:
        named_axes({"ids": rows(4, 3), "scale": rows(4, 1)}, dynamic)
    assert str(raised.value).startswith(message)
