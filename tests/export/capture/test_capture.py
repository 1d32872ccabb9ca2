import copy
import io
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from edge_export import ExportError
from edge_export.capture.capture import adopt, capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import onnx_model as onnx_bytes
from edge_export.tensors import Tensors
from edge_runtime import Predictor


class Layer(nn.Module):
    """One linear layer; what is done with it comes from outside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 3)
        self.recurrent = nn.LSTM(3, 2, batch_first=True)


def layer(forward: Callable[..., Any]) -> nn.Module:
    return type("Forward", (Layer,), {"forward": forward})()


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape or (4, 3), generator=torch.Generator().manual_seed(sum(shape)))


def in_file(program: Program) -> Callable[[Tensors], dict[str, Any]]:
    """The ONNX file of `program`."""
    return Predictor(onnx_bytes(program), device="cpu").run


def assert_same(found: Mapping[str, Any], expected: Tensors) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert (found[name].dtype, found[name].shape) == (values.dtype, values.shape)
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6)


def refusal(module: Any, example: Any, dynamic: Any = None) -> str:
    with pytest.raises(ExportError) as raised:
        onnx_bytes(capture(module, example, dynamic))
    message = str(raised.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


# ----------------------------------------------------------------------------------------------- structures of calls


class Pair(NamedTuple):
    mean: Tensor
    spread: Tensor


def with_defaults(self: Any, x: Tensor, scale: float = 2.0, flip: bool = False, mask: Tensor | None = None) -> Tensor:
    y = self.layer(x) * scale
    y = y if mask is None else y * mask
    return -y if flip else y


def keyword_only(self: Any, x: Tensor, *, shift: Tensor, scale: float = 1.5) -> Tensor:
    return self.layer(x) * scale - shift


def by_mode(self: Any, x: Tensor, mode: str, times: int) -> Tensor:
    return self.layer(x) * times if mode == "linear" else x


def given_twice(self: Any, x: Tensor) -> dict[str, Any]:
    y = self.layer(x)
    return {"a": y, "b": y, "c": [y]}


def in_place(self: Any, x: Tensor) -> Tensor:
    y = self.layer(x)
    y[:, 0] += 1
    y[x > 1] = 0
    return y.relu_()


def changes_its_input(self: Any, x: Tensor) -> Tensor:
    x += 1
    return self.layer(x)


X = rows()
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
    "a named tuple": (lambda self, p: self.layer(p[0]) * p[1], (Pair(X, 2 * X),), ["p_mean", "p_spread"], ["output"]),
    "keys that are no names": (
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
    "text and a number": (by_mode, (X, "linear", 3), ["x"], ["output"]),
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
    "gives a named tuple": (lambda self, x: Pair(self.layer(x), x * 2), X, ["x"], ["mean", "spread"]),
    "gives numbers by key": (lambda self, x: {0: self.layer(x), 7: x * 2}, X, ["x"], ["output_0", "output_7"]),
    "gives more than tensors": (
        lambda self, x: (None, self.layer(x), 3, x.shape[0], 1.5, "text", True, x + 1),
        X,
        ["x"],
        ["output_1", "output_7"],
    ),
    "gives one thing thrice": (given_twice, X, ["x"], ["a", "b", "c_0"]),
    "gives an input back": (lambda self, x: (x, self.layer(x), x), X, ["x"], ["output_0", "output_1", "output_2"]),
    "gives only an input": (lambda self, x: x, X, ["x"], ["output"]),
    "gives a weight": (lambda self, x: (self.layer.bias, x + 1), X, ["x"], ["output_0", "output_1"]),
    "gives a constant": (lambda self, x: (torch.ones(2, 2), x + 1), X, ["x"], ["output_0", "output_1"]),
    "changes its own values": (in_place, X, ["x"], ["output"]),
    "changes its input": (changes_its_input, X, ["x"], ["output"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_structures_of_calls(name: str) -> None:
    forward, example, inputs, outputs = CALLS[name]
    module = layer(forward)
    program = capture(module, copy.deepcopy(example))
    assert [spec.name for spec in program.inputs] == inputs
    assert list(program.outputs) == outputs
    # As the module itself is called, with the structure that was given.
    args = (
        ((), example)
        if isinstance(example, dict)
        else (example if isinstance(example, tuple) else (torch.as_tensor(example),), {})
    )
    with torch.no_grad():
        results = module(*args[0], **args[1])
    plain = [leaf.detach() for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
    assert_same(program.run(program.example), {n: v.numpy() for n, v in zip(outputs, plain, strict=True)})
    # And the file, on another number of rows.
    more = {
        spec.name: np.concatenate([program.example[spec.name]] * 2)[:7] if spec.shape else program.example[spec.name]
        for spec in program.inputs
    }
    assert_same(in_file(program)(more), program.run(more))


@pytest.mark.parametrize(
    ("forward", "example", "message"),
    [
        (lambda self, x: 3, X, "the module gives no tensor"),
        (lambda self, x: None, X, "the module gives no tensor"),
        (lambda self: self.layer.weight, (), "the module takes no tensor"),
        (lambda self, x: x, (), "do not fit the module's forward: missing a required argument: 'x'"),
        (lambda self, x: x, (X, X), "do not fit the module's forward: too many positional arguments"),
        (lambda self, b: b["x"], {"x": X}, "and as one argument it is written ({...},)"),
        (lambda self, **named: named["x"], {"x": X}, "torch.export cannot take **kwargs whose sizes change"),
        (lambda self, x: self.layer(x), None, "fails on the example inputs: TypeError: linear(): argument 'input'"),
        (lambda self, x: self.layer(x), rows(4, 5), "fails on the example inputs: RuntimeError: mat1 and mat2 shapes"),
        (lambda self, x: self.nothing(x), X, "has no attribute 'nothing' (at "),
    ],
)
def test_calls_that_cannot_be(forward: Callable[..., Any], example: Any, message: str) -> None:
    assert message in refusal(layer(forward), example)


@dataclass
class Answer:
    mean: Tensor


def test_classes_that_torch_cannot_look_into() -> None:
    for forward, example in (
        (lambda self, x: Answer(self.layer(x)), X),
        (lambda self, answer: self.layer(answer.mean), (Answer(X),)),
    ):
        message = refusal(layer(forward), example)
        assert "cannot look into Answer" in message
        assert "torch.export.register_dataclass" in message


# ------------------------------------------------------------------------------------------------------- dimensions


def plus(self: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x * 2, y + 1


@pytest.mark.parametrize(
    ("dynamic", "x", "y"),
    [
        (None, ("batch", 5, 3), ("batch", 2)),
        ({"y": ("other",)}, ("batch", 5, 3), ("other", 2)),
        ({"x": ("batch", "length")}, ("batch", "length", 3), ("batch", 2)),
        ({"x": (None, "length", None), "y": (None, "width")}, (4, "length", 3), (4, "width")),
        ({"x": (), "y": None}, (4, 5, 3), (4, 2)),
        ({"x": "batch", "y": ["batch"]}, ("batch", 5, 3), ("batch", 2)),
    ],
)
def test_dimensions(dynamic: Any, x: tuple[Any, ...], y: tuple[Any, ...]) -> None:
    program = capture(layer(plus), (rows(4, 5, 3), rows(4, 2)), dynamic)
    assert [spec.shape for spec in program.inputs] == [x, y]
    names = [name for name in (*x, *y) if isinstance(name, str)]
    assert program.dimensions == dict.fromkeys(names, (1, None))
    assert program.is_batched == (x[0] == y[0] == "batch")
    assert [spec.shape for spec in Predictor(onnx_bytes(program), device="cpu").inputs] == [x, y]


def test_an_example_of_one_row() -> None:
    program = capture(layer(lambda self, x: self.layer(x)), rows(1, 3))
    run = in_file(program)
    for count in (1, 2, 5):
        x = {"x": rows(count, 3).numpy()}
        assert_same(run(x), program.run(x))


class Positions(nn.Module):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return input + torch.arange(50.0)[: input.shape[2]]


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv1d(3, 2, 5), (2, 3, 20), (5, None)),
        (nn.Sequential(nn.Conv1d(3, 3, 5), nn.MaxPool1d(2), nn.Conv1d(3, 2, 3), nn.AvgPool1d(2)), (2, 3, 20), None),
        (nn.Sequential(nn.Conv1d(3, 3, 4, stride=2), nn.ConvTranspose1d(3, 3, 4, stride=2)), (2, 3, 20), (4, None)),
        (nn.MaxPool1d(3, 2, padding=1, ceil_mode=True), (2, 3, 20), (1, None)),
        (Positions(), (2, 3, 20), (1, 50)),
    ],
    ids=["convolution", "pooling", "up again", "pooling alone", "a table of positions"],
)
def test_the_sizes_that_a_module_takes(
    module: nn.Module, shape: tuple[int, ...], expected: tuple[int, int | None] | None
) -> None:
    program = capture(module, rows(*shape), {"input": ("batch", None, "length")})
    if expected is not None:
        assert program.dimensions == {"batch": (1, None), "length": expected}
    run = in_file(program)
    for count, length in ((1, 12), (3, 13), (2, 37)):
        x = {"input": rows(count, 3, length).numpy()}
        assert_same(run(x), program.run(x))


def reshapes(self: Any, x: Tensor) -> Tensor:
    return x.reshape(4, 3)


def loops(self: Any, x: Tensor) -> Tensor:
    return torch.stack([self.layer(row) for row in x])


@pytest.mark.parametrize(
    ("forward", "example", "dynamic", "message"),
    [
        (lambda self, x: self.layer(x), rows(0, 3), None, "the example inputs are empty along batch"),
        (plus, (rows(4, 3), rows(5, 3)), None, "the dimension batch has the size 4 in one example input and 5 in y"),
        (plus, (X, X), {"x": ("n", "n")}, "the dimension n has the size 4 in one example input and 3 in x"),
        (plus, (X, X), {"z": ("batch",)}, "no input is named z; there are x, y"),
        (plus, (X, X), {"x": ("a", None, "b")}, "x has 2 axes, and 3 are named: a, None, b"),
        (plus, (X, X), {"x": ("ba tch",)}, "'ba tch' is no name for an axis of x"),
        (plus, (X, X), {"x": ("1",)}, "'1' is no name for an axis of x"),
        (plus, (X, X), {"x": ("",)}, "'' is no name for an axis of x"),
        (plus, (X, X), {"x": {0: "batch"}}, "0 is no name for an axis of x"),
        (lambda self, x: self.layer(x), X, {"x": ("batch", "width")}, "width cannot change: the module fixes it at 3"),
        (reshapes, X, None, "the dimension batch cannot change: the module fixes it at 4"),
        (loops, X, None, "the dimension batch cannot change: the module fixes it at 4"),
    ],
)
def test_dimensions_that_cannot_be(forward: Callable[..., Any], example: Any, dynamic: Any, message: str) -> None:
    assert message in refusal(layer(forward), example, dynamic)


# ------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool])
def test_types_that_can_be_exported(dtype: torch.dtype) -> None:
    def forward(self: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer(x * 2.5), x

    program = capture(layer(forward), torch.tensor([[0, 1, 1], [1, 0, 1]]).to(dtype))
    assert program.inputs[0].dtype == np.dtype(str(dtype).removeprefix("torch."))
    assert_same(in_file(program)(program.example), program.run(program.example))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_that_cannot_be_exported(dtype: torch.dtype) -> None:
    message = refusal(nn.Linear(3, 3).to(dtype), X.to(dtype))
    assert message.startswith(f"weight is {dtype}; export module.float()")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.complex64, torch.uint16])
def test_inputs_that_cannot_be_exported(dtype: torch.dtype) -> None:
    message = refusal(layer(lambda self, x: self.layer(x.real.float())), torch.ones(4, 3).to(dtype))
    assert message == f"the input x is {dtype}; float32, integers and booleans can be exported"


def with_autocast(self: Any, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.layer(x).float()


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda self, x: self.layer((x.half() * 2).float()), "computes in torch.float16 (aten._to_copy.default)"),
        (with_autocast, "computes in torch.bfloat16"),
        (lambda self, x: {"y": x.cfloat()}, "the output y is torch.complex64"),
    ],
)
def test_types_on_the_way_that_cannot_be_exported(forward: Callable[..., Any], message: str) -> None:
    assert message in refusal(layer(forward), X)


# ----------------------------------------------------------------------------------------------------------- modules


def test_the_module_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.BatchNorm1d(3)).train()
    before = copy.deepcopy(module.state_dict())
    x = rows(4, 3).requires_grad_()
    program = capture(module, x)
    assert module.training
    assert all(part.training for part in module.modules())
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert x.requires_grad
    for name, values in module.state_dict().items():
        assert torch.equal(values, before[name])
    # What is exported is the module in evaluation mode: no dropout, the running statistics.
    with torch.no_grad():
        expected = copy.deepcopy(module).eval()(x).numpy()
    assert_same(in_file(program)(program.example), {"output": expected})


class Odd(nn.Module):
    """Weight sharing, a buffer that is not saved, lists of parameters, and a normed weight of the old kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.first
        self.register_buffer("offset", torch.arange(3.0), persistent=False)
        self.matrices = nn.ParameterList([nn.Parameter(torch.randn(3, 3)) for _ in range(2)])
        self.scales = nn.ParameterDict({"a": nn.Parameter(torch.randn(3))})
        self.normed = nn.utils.weight_norm(nn.Linear(3, 3))
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        x = self.spectral(self.normed(self.again(self.second(self.first(x))) + self.offset))
        for matrix in self.matrices:
            x = x @ matrix
        return x * self.scales["a"]


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (Odd(), "x"),
        (layer(lambda self, x: Square.apply(self.layer(x))), "x"),
        (torch.compile(layer(lambda self, x: self.layer(x))), "x"),
        (nn.DataParallel(layer(lambda self, x: self.layer(x))), "x"),
        (torch.fx.symbolic_trace(nn.Linear(3, 3)), "input"),
    ],
    ids=["odd", "a function of its own", "compiled", "parallel", "traced by fx"],
)
def test_modules_of_many_kinds(module: nn.Module, name: str) -> None:
    program = capture(module, X)
    assert [spec.name for spec in program.inputs] == [name]
    module.eval()
    with torch.no_grad():
        assert_same(in_file(program)({name: X.numpy()}), {"output": module(X).numpy()})


class Reserved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.meta = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.meta(x)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x * self.seen


class CountingInPython(nn.Module):
    seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x * self.seen


class Otherwise(Layer):
    """Computes otherwise while torch.export looks on."""

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * (3 if torch.compiler.is_exporting() else 2)


class Uncopyable(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.batches = (i for i in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class MaskedEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.encoder(x, mask=mask)


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (Reserved(), X, "torch.export keeps the name meta for itself, and a part of the module has it"),
        (Counting(), X, "the module changes its own seen as it runs"),
        (CountingInPython(), X, "it draws random numbers, or keeps something from call to call"),
        (layer(lambda self, x: self.layer(x) + torch.randn_like(x)), X, "it draws random numbers"),
        (layer(lambda self, x: F.dropout(self.layer(x))), X, "it draws random numbers"),
        (Otherwise(), X, "another output than the graph that torch.export made of it"),
        (Uncopyable(), X, "the module cannot be copied: TypeError: cannot pickle 'generator' object"),
        (nn.LazyLinear(4), X, "weight has no values yet, as the module is lazy: call it once"),
        (nn.Linear(3, 3, device="meta"), X, "Cannot copy out of meta tensor"),
        (torch.jit.script(nn.Linear(3, 3)), X, "a torch.nn.Module is needed that is written in Python"),
        (torch.sin, X, "a torch.nn.Module is needed that is written in Python, not builtin_function_or_method"),
        (nn.MaxPool1d(9), rows(2, 3, 4), "the module fails on the example inputs: RuntimeError"),
        (MaskedEncoder(), (rows(5, 5, 4), torch.zeros(5, 5)), "tell it so with is_causal=True or False"),
        (layer(lambda self, x: torch.linalg.svd(x)[1]), rows(2, 3, 3), "no counterpart of the operation aten._linalg"),
        (layer(lambda self, x: torch.lgamma(x)), X, "ONNX has no counterpart of the operation prims.lgamma"),
    ],
)
def test_modules_that_cannot_be_exported(module: Any, example: Any, message: str) -> None:
    assert message in refusal(module, example)


def test_a_quantised_module() -> None:
    linear = nn.Sequential(nn.Linear(3, 3))
    with pytest.warns(DeprecationWarning, match="quantiz"):
        module = torch.ao.quantization.quantize_dynamic(linear, {nn.Linear})
    assert "the module is quantised: export it in float32" in refusal(module, X)


def branches(self: Any, x: Tensor) -> Tensor:
    if x.sum() > 0:
        return self.layer(x)
    return x


def counts(self: Any, x: Tensor) -> Tensor:
    for _ in range(int(x[0, 0])):
        x = x + 1
    return x


@pytest.mark.parametrize(
    ("forward", "line"), [(branches, "if x.sum() > 0:"), (counts, "for _ in range(int(x[0, 0])):")]
)
def test_a_branch_on_values_is_named_by_its_line(
    forward: Callable[..., Any], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    message = refusal(layer(forward), X)
    assert "it branches on the values of a tensor" in message
    assert f"{Path(__file__).name}, line {forward.__code__.co_firstlineno + 1}: {line})" in message
    # torch shows the graph so far on stderr.
    assert capfd.readouterr() == ("", "")


def test_what_a_module_prints_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        print("shape", x.shape)
        return self.layer(x)

    capture(layer(forward), X)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------- programs that others exported


def saved(module: nn.Module, args: tuple[Any, ...], **options: Any) -> torch.export.ExportedProgram:
    content = io.BytesIO()
    torch.export.save(torch.export.export(module, args, **options), content)
    content.seek(0)
    return torch.export.load(content)


BATCH, LENGTH = Dim("batch"), Dim("length", min=3, max=9)


@pytest.mark.parametrize(
    ("forward", "args", "options", "shapes", "dimensions"),
    [
        (lambda self, x: self.layer(x), (X,), {}, [(4, 3)], {}),
        (
            lambda self, x, no, y: {"sum": self.layer(x) + y, "rows": x.shape[0]},
            (X, None, X),
            {"dynamic_shapes": ({0: BATCH}, None, {0: BATCH})},
            [("batch", 3), ("batch", 3)],
            {"batch": (1, None)},
        ),
        (
            keyword_only,
            (X,),
            {
                "kwargs": {"shift": X, "scale": 3.0},
                "dynamic_shapes": {"x": {0: BATCH}, "shift": {0: BATCH}, "scale": None},
            },
            [("batch", 3), ("batch", 3)],
            {"batch": (1, None)},
        ),
        (
            lambda self, b: (self.layer(b["x"]), b["y"].sum(1)),
            ({"x": rows(4, 5, 3), "y": rows(4, 6)},),
            {"dynamic_shapes": ({"x": {0: BATCH, 1: LENGTH}, "y": {0: BATCH, 1: Dim.AUTO}},)},
            [("batch", "b_x_1", 3), ("batch", "b_y_1")],
            {"batch": (1, None), "b_x_1": (3, 9), "b_y_1": (1, None)},
        ),
        (
            lambda self, x: self.recurrent(x)[0],
            (rows(4, 5, 3),),
            {"dynamic_shapes": ({0: BATCH},)},
            [("batch", 5, 3)],
            {"batch": (1, None)},
        ),
    ],
    ids=["fixed", "None among the arguments", "keyword-only", "a dict", "recurrent"],
)
def test_a_saved_program(
    forward: Callable[..., Any], args: Any, options: Any, shapes: list[tuple[Any, ...]], dimensions: dict[str, Any]
) -> None:
    module = layer(forward).eval()
    program = adopt(saved(module, args, **options))
    assert [spec.shape for spec in program.inputs] == shapes
    assert program.dimensions == dimensions
    with torch.no_grad():
        results = module(*args, **options.get("kwargs", {}))
    plain = [leaf for leaf in pytree.tree_leaves(results) if isinstance(leaf, Tensor)]
    expected = {name: leaf.numpy() for name, leaf in zip(program.outputs, plain, strict=True)}
    assert_same(program.run(program.example), expected)
    assert_same(in_file(program)(program.example), expected)


def scaled(self: Any, x: Tensor, times: int) -> Tensor:
    return self.layer(x) * times


@pytest.mark.parametrize(
    ("module", "args", "options", "message"),
    [
        (nn.Dropout().train(), (X,), {}, "it draws random numbers"),
        (nn.BatchNorm1d(3).train(), (X,), {}, "the module changes its own running_mean, running_var"),
        (nn.Linear(3, 3).double(), (X.double(),), {}, "the input input is torch.float64"),
        (layer(lambda self, x: x + self.layer.weight.sum().double()).to(torch.float64), (X,), {}, "torch.float64"),
        (layer(scaled), (X, 3), {"dynamic_shapes": (None, Dim.DYNAMIC)}, "times is a number that may change"),
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
    with pytest.raises(ExportError, match="carries no example inputs"):
        adopt(exported)
