"""Capturing a module: what its call may be, which sizes it takes, and that it stays as it is."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from layers import Layer, assert_same, in_file, layer, refusal, rows
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture

X = rows()


@pytest.mark.parametrize(
    ("forward", "example", "message"),
    [
        (lambda self: self.layer.weight, (), "the module takes no tensor as input"),
        (lambda self, x: x, (), "do not fit the module's forward: missing a required argument: 'x'"),
        (lambda self, x: x, (X, X), "do not fit the module's forward: too many positional arguments"),
        (
            lambda self, b: b["x"],
            {"x": X},
            "arguments by name; as a single argument it is written ({...},)",
        ),
        (lambda self, x: self.layer(x), None, "fails on the example inputs: TypeError: linear(): argument 'input'"),
        (lambda self, x: self.layer(x), rows(4, 5), "fails on the example inputs: RuntimeError: mat1 and mat2 shapes"),
        (lambda self, x: self.nothing(x), X, "has no attribute 'nothing' (at "),
    ],
)
def test_calls_that_cannot_be(forward: Callable[..., Any], example: Any, message: str) -> None:
    assert message in refusal(layer(forward), example)


# -------------------------------------------------------------------------------------------------------------- sizes


def test_an_example_of_one_row() -> None:
    program = capture(layer(lambda self, x: self.layer(x)), rows(1, 3))
    run = in_file(program)
    for count in (1, 2, 5):
        x = {"x": rows(count, 3).numpy()}
        assert_same(run(x), program.run(x))


class Positions(nn.Module):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return input + torch.arange(50.0)[: input.shape[2]]


SIZES: dict[str, tuple[nn.Module, tuple[int, int | None] | None]] = {
    "convolution": (nn.Conv1d(3, 2, 5), (5, None)),
    "pooling": (nn.Sequential(nn.Conv1d(3, 3, 5), nn.MaxPool1d(2), nn.Conv1d(3, 2, 3), nn.AvgPool1d(2)), None),
    "up again": (nn.Sequential(nn.Conv1d(3, 3, 4, stride=2), nn.ConvTranspose1d(3, 3, 4, stride=2)), (4, None)),
    "pooling alone": (nn.MaxPool1d(3, 2, padding=1, ceil_mode=True), (1, None)),
    "a table of positions": (Positions(), (1, 50)),
}


@pytest.mark.parametrize("name", mostly_slow(SIZES, ["convolution"]))
def test_the_sizes_that_a_module_takes(name: str) -> None:
    module, expected = SIZES[name]
    program = capture(module, rows(2, 3, 20), {"input": ("batch", None, "length")})
    if expected is not None:
        assert program.dimensions == {"batch": (1, None), "length": expected}
    run = in_file(program)
    for count, length in ((1, 12), (3, 13), (2, 37)):
        x = {"input": rows(count, 3, length).numpy()}
        assert_same(run(x), program.run(x))


def plus(self: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x * 2, y + 1


def widens(self: Any, x: Tensor) -> Any:
    return self.layer(x) + x[:, :2].sum(1, keepdim=True)


@pytest.mark.parametrize(
    ("forward", "example", "dynamic", "message"),
    [
        (lambda self, x: self.layer(x), rows(0, 3), None, "the example inputs are empty along batch"),
        (plus, (rows(4, 3), rows(5, 3)), None, "the dimension batch has the size 4 in one example input and 5 in y"),
        (plus, (X, X), {"x": ("n", "n")}, "the dimension n has the size 4 in one example input and 3 in x"),
        (plus, (X, X), {"z": ("batch",)}, "no input is named z; the inputs are x, y"),
        (lambda self, x: self.layer(x), X, {"x": ("batch", "width")}, "width cannot change: the module fixes it at 3"),
        (widens, rows(3, 1), {"x": ("batch", "width")}, "fails on the example inputs, when width is 2 in place of 1"),
    ],
)
def test_dimensions_that_cannot_be(forward: Callable[..., Any], example: Any, dynamic: Any, message: str) -> None:
    assert message in refusal(layer(forward), example, dynamic)


def test_a_size_that_stands_for_something_else_by_chance() -> None:
    """Two rows and two directions: torch takes the one for the other, and another example tells them apart."""
    module = nn.GRU(3, 2, bidirectional=True, batch_first=True)
    program = capture(module, rows(2, 5, 3), {"input": ("batch", "length")})
    assert program.dimensions == {"batch": (1, None), "length": (1, None)}


# ------------------------------------------------------------------------------------------------------------ modules


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

    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.again = self.first
        self.register_buffer("offset", torch.arange(3.0), persistent=False)
        self.matrices = nn.ParameterList([nn.Parameter(torch.randn(3, 3)) for _ in range(2)])
        self.scales = nn.ParameterDict({"a": nn.Parameter(torch.randn(3))})
        with pytest.warns(FutureWarning, match="weight_norm"):
            self.normed = nn.utils.weight_norm(nn.Linear(3, 3))
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3))

    def forward(self, x: Tensor) -> Any:
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


MODULES: dict[str, tuple[Callable[[], Any], str]] = {
    "odd": (Odd, "x"),
    "a function of its own": (
        lambda: layer(lambda self, x: Square.apply(self.layer(x))),  # type: ignore[no-untyped-call]
        "x",
    ),
    "compiled": (lambda: torch.compile(layer(lambda self, x: self.layer(x))), "x"),
    "parallel": (lambda: nn.DataParallel(layer(lambda self, x: self.layer(x))), "x"),
    "traced by fx": (lambda: torch.fx.symbolic_trace(nn.Linear(3, 3)), "input"),
}


@pytest.mark.parametrize("name", mostly_slow(MODULES, ["odd"]))
def test_modules_of_many_kinds(name: str) -> None:
    make, argument = MODULES[name]
    module = make()
    program = capture(module, X)
    assert [spec.name for spec in program.inputs] == [argument]
    module.eval()
    with torch.no_grad():
        assert_same(in_file(program)({argument: X.numpy()}), {"output": module(X).numpy()})


class Counting(nn.Module):
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        return x * self.seen


class Uncopyable(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.batches = (i for i in range(3))

    def forward(self, x: Tensor) -> Any:
        return self.layer(x)


@pytest.mark.parametrize(
    ("module", "example", "message"),
    [
        (
            Counting(),
            X,
            "the module changes its own seen as it runs, and an artifact keeps nothing from call to call: make it an "
            "input and return its new value",
        ),
        (Uncopyable(), X, "the module cannot be copied: TypeError: cannot pickle 'generator' object"),
        (nn.LazyLinear(4), X, "weight has no values yet, since the module is lazy: call it once before the export"),
        (nn.Linear(3, 3, device="meta"), X, "Cannot copy out of meta tensor"),
        (torch.sin, X, "a torch.nn.Module written in Python is needed, not builtin_function_or_method"),
        (nn.MaxPool1d(9), rows(2, 3, 4), "the module fails on the example inputs: RuntimeError"),
    ],
)
def test_modules_that_cannot_be_exported(module: Any, example: Any, message: str) -> None:
    assert message in refusal(module, example)
