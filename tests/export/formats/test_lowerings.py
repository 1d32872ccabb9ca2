"""Operations in an ONNX file against torch, on values at which the formulas that define them overflow or cancel."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from layers import in_file
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.formats.lowerings import CARRYING_NAN, LOWERINGS
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_runtime import Predictor

SIZES = (
    0.0,
    1e-38,
    1e-20,
    1e-8,
    1e-4,
    0.1,
    0.5,
    0.999,
    1.0,
    1.5,
    2.5,
    3.0,
    7.0,
    17.0,
    30.0,
    88.0,
    100.0,
    1e4,
    1e9,
    3e38,
)
VALUES = torch.tensor([*SIZES, *(-size for size in SIZES), math.inf, -math.inf, math.nan])
PAIRS = torch.cartesian_prod(VALUES, VALUES).T.contiguous()
WHOLE = torch.tensor([0, 1, 2, 3, 7, 100, 2**24 + 1, 123456789012345])
INTEGERS = torch.cartesian_prod(torch.cat([WHOLE, -WHOLE]), torch.cat([WHOLE[1:], -WHOLE[1:]])).T.contiguous()


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, one: Tensor, other: Tensor) -> Any:
        return self.function(one, other)


def in_both(function: Callable[..., Any], pairs: Tensor) -> tuple[Any, Any]:
    """What a function of two tensors gives in its file, and in torch, in float64 if it takes floats."""
    module = Function(function)
    program = capture(module, tuple(pairs), {"one": (), "other": ()})
    wide = pairs.double() if pairs.is_floating_point() else pairs
    return in_file(program)(program.example)["output"], module(*wide).numpy()


class Pooling(nn.Module):
    def __init__(self, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x)


FLOATS: dict[str, Callable[..., Any]] = {
    "log1p": lambda x, y: torch.log1p(x),
    "expm1": lambda x, y: torch.expm1(x),
    "logsigmoid": lambda x, y: F.logsigmoid(x),
    "logaddexp": torch.logaddexp,
    "logaddexp2": torch.logaddexp2,
    "soft margin": lambda x, y: F.soft_margin_loss(x.clamp(-80, 80), y.sign().nan_to_num(1), reduction="none"),
    "with logits": lambda x, y: F.binary_cross_entropy_with_logits(x, (y > 0).to(x.dtype), reduction="none"),
    "xlogy": torch.xlogy,
    "atan2": torch.atan2,
    "sign": lambda x, y: x.sign(),
    "signbit": lambda x, y: torch.copysign(torch.ones_like(x), torch.where(x.isnan(), 1.0, x)).signbit(),
    "remainder": torch.remainder,
    "a remainder by a number": lambda x, y: x % 2.5,
    "a remainder of a number": lambda x, y: 2.5 % y,
    "floor_divide": lambda x, y: x // y,
    "divided by a number": lambda x, y: x // 2.5,
    "a number divided": lambda x, y: 2.5 // y,
    "rounded down": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "rounded to zero": lambda x, y: torch.div(x, (y > 0) * 2.5 - 0.5, rounding_mode="trunc"),
}


@pytest.mark.parametrize("name", mostly_slow(FLOATS, ["log1p", "logsigmoid", "remainder", "floor_divide", "atan2"]))
def test_an_operation_is_torch_s_on_extreme_values(name: str) -> None:
    found, expected = in_both(FLOATS[name], PAIRS)
    with np.errstate(over="ignore"):
        expected = expected.astype(np.float32) if expected.dtype.kind == "f" else expected
    # A softplus is exact to a unit in the last place of 1.0, all others to some of their own.
    atol = 3e-7 if name.startswith(("log", "soft", "with")) and name != "log1p" else 1e-42
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=atol)


WHOLES: dict[str, Callable[..., Any]] = {
    "remainder": torch.remainder,
    "by a number": lambda x, y: x % -3 + x // 3,
    "of a number": lambda x, y: 7 % y + 7 // y,
    "floor_divide": lambda x, y: x // y,
    "rounded down": lambda x, y: torch.div(x, y, rounding_mode="floor"),
    "rounded to zero": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
    "a quotient": lambda x, y: torch.div(x.int() % 1000, y.int(), rounding_mode=None),
    "the sign": lambda x, y: x.sign() * y.signbit() + (x > 0).sign(),
    "by a fraction": lambda x, y: x.int() // 2.5,
}


@pytest.mark.parametrize("name", mostly_slow(WHOLES, ["rounded down"]))
def test_integers_are_divided_as_integers(name: str) -> None:
    """Not as float32, which does not hold all of them."""
    found, expected = in_both(WHOLES[name], INTEGERS)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_small_integers_too() -> None:
    for dtype in (torch.uint8, torch.int32):
        values = torch.arange(1, 256).to(dtype)
        found, expected = in_both(lambda x, y: x // 7 + x % 3 + y, torch.stack([values, values.flip(0)]))
        np.testing.assert_array_equal(found, expected)


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "in one axis": lambda x: F.max_pool1d(x.flatten(-2), 2),
    "in two axes": lambda x: F.max_pool2d(x, 2),
    "overlapping": lambda x: F.max_pool2d(x, 3, 2, 1),
    "of two widths": lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), ceil_mode=True),
    "dilated": lambda x: F.max_pool2d(x, 2, dilation=2),
    "in three axes": lambda x: F.max_pool3d(x[None], 2, padding=1),
}


@pytest.mark.parametrize("has_batch", [True, False])
@pytest.mark.parametrize("name", mostly_slow(POOLS, ["overlapping"]))
def test_pooling_carries_nan_where_it_must(name: str, has_batch: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    x[torch.rand(x.shape) < 0.05] = math.nan
    x[0, 0, :2, 4], x[1] = math.inf, -math.inf
    x[1, 2, 7, 7] = math.nan
    module, given = Pooling(POOLS[name]), x if has_batch else x[0]
    program = capture(module, given, {"x": ()})
    model = onnx_model(program, carries_nan=True)
    found = Predictor(serialized(model), device="cpu").run({"x": given.numpy()})["output"]
    np.testing.assert_array_equal(found, module(given).numpy())


def test_each_is_an_operation_that_torch_has() -> None:
    assert all(isinstance(operation, torch._ops.OpOverload) for operation in (*LOWERINGS, *CARRYING_NAN))
