"""The ways to capture a module: what one cannot, another can, and what is said if none can."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from layers import assert_same, in_file, layer, refusal, rows
from tiers import mostly_slow
from torch import Tensor

from edge_export.capture.capture import capture

X = rows()

LENGTHS: dict[str, Any] = {
    "len": lambda self, x: self.layer(x).reshape(len(x), 3, 1),
    "int": lambda self, x: self.layer(x) + torch.arange(int(x.shape[0]))[:, None],
    "len in a product": lambda self, x: self.layer(x).reshape(3 * len(x)),
}


@pytest.mark.parametrize("name", mostly_slow(LENGTHS, ["len"]))
def test_lengths_taken_as_numbers(name: str) -> None:
    program = capture(layer(LENGTHS[name]), X)
    assert program.inputs[0].shape == ("batch", 3)
    for count in (1, 4, 7):
        x = {"x": rows(count, 3).numpy()}
        assert_same(in_file(program)(x), program.run(x))


def reshapes(self: Any, x: Tensor) -> Tensor:
    return x.reshape(4, 3)


def loops(self: Any, x: Tensor) -> Any:
    y = self.layer(x)
    return torch.stack([row * 2 for row in y])


def ranges(self: Any, x: Tensor) -> Any:
    return torch.stack([self.layer(x[i]) for i in range(x.shape[0])])


def compares(self: Any, x: Tensor) -> Any:
    y = self.layer(x)
    if x.shape[0] == 4:
        return y
    return y * 2


@pytest.mark.parametrize(
    ("forward", "line"),
    [
        (reshapes, "return x.reshape(4, 3)"),
        (loops, "return torch.stack([row * 2 for row in y])"),
        (ranges, "return torch.stack([self.layer(x[i]) for i in range(x.shape[0])])"),
    ],
)
def test_the_line_that_fixes_a_dimension_is_named(forward: Any, line: str, capfd: pytest.CaptureFixture[str]) -> None:
    message = refusal(layer(forward), X)
    assert message.startswith(
        f"the dimension batch cannot change: the module fixes it at 4, the example's size (at {Path(__file__)}, line "
    )
    assert message.endswith(
        f": {line}); make the module independent of it, or say that the axis is fixed: dynamic={{'x': ()}} "
        "(--dynamic x=_)"
    )
    assert capfd.readouterr() == ("", "")


def test_a_size_that_the_module_treats_apart() -> None:
    message = refusal(layer(compares), X)
    assert message == (
        "the module returns another output than the graph that torch.export made of it: it computes differently for "
        "some sizes of its inputs"
    )


def test_the_log_of_torch_is_as_before() -> None:
    log = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before = [*log.handlers], log.level, log.propagate
    refusal(layer(reshapes), X)
    assert ([*log.handlers], log.level, log.propagate) == before


def test_advice_is_about_the_axis_that_is_fixed() -> None:
    def forward(self: Any, x: Tensor, y: Tensor) -> Any:
        return x.reshape(x.shape[0], 5, 3) + y.sum()

    message = refusal(layer(forward), (rows(4, 5, 3), rows(2, 5)), {"x": ("batch", "length"), "y": (None, "length")})
    assert message.endswith("dynamic={'x': ('batch',), 'y': ()} (--dynamic x=batch --dynamic y=_)")


def test_a_module_for_one_row_says_how_to_fix_the_axis() -> None:
    def forward(self: Any, image: Tensor) -> Any:
        return self.layer(image.reshape(1, 3))

    message = refusal(layer(forward), rows(1, 3))
    assert message.endswith("say that the axis is fixed: dynamic={'image': ()} (--dynamic image=_)")
    program = capture(layer(forward), rows(1, 3), {"image": ()})
    assert program.inputs[0].shape == (1, 3)
    assert_same(in_file(program)(program.example), program.run(program.example))


def test_the_error_of_the_first_attempt_is_kept() -> None:
    def forward(self: Any, x: Tensor) -> Any:
        return self.layer(x) if bool(x.sum() > 0) else x

    assert "it branches on the values of a tensor, and only one branch would be kept" in refusal(layer(forward), X)
