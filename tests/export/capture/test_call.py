"""The call that a module is captured with: its arguments, and the sizes of their tensors."""

import pytest
import torch
from layers import rows
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.call import bind, enlarged, lengthened, with_fixed
from edge_export.tensors import Axes


class Adds(nn.Module):
    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return x if y is None else x + y


def test_arguments_lose_their_gradients() -> None:
    x = rows(2, 3).requires_grad_()
    bound = bind(Adds(), (x,), {"y": x.detach().numpy()})
    assert not bound.arguments["x"].requires_grad
    assert torch.equal(bound.arguments["y"], x)
    with pytest.raises(ExportError, match="missing a required argument"):
        bind(Adds(), {})


def test_examples_of_size_one_are_doubled() -> None:
    given = {"x": rows(1, 3), "y": rows(4, 1)}
    example, sizes = enlarged(given, {"x": ["batch", None], "y": ["rows", "batch"]})
    assert sizes == {"batch": 1, "rows": 4}
    assert {name: tuple(tensor.shape) for name, tensor in example.items()} == {"x": (2, 3), "y": (4, 2)}
    assert torch.equal(example["x"][0], example["x"][1])
    fixed, _ = enlarged(given, {"x": [None, None], "y": [None, None]})
    assert fixed["x"] is given["x"]


def test_longer_examples() -> None:
    x = torch.arange(6).reshape(2, 3)
    assert lengthened(x, ["batch", None], "batch").tolist() == [[0, 1, 2], [3, 4, 5]] * 4 + [[0, 1, 2]]
    assert lengthened(x, [None, "batch"], "batch").shape == (2, 11)
    assert lengthened(x, ["rows", None], "batch") is x


def test_how_to_say_that_an_axis_is_fixed() -> None:
    axes: dict[str, Axes] = {"x": ["batch", "length", None], "y": ["length"], "z": ["batch"]}
    expected = "dynamic={'x': (None, 'length'), 'z': ()} (--dynamic x=_,length --dynamic z=_)"
    assert with_fixed(axes, ["batch"]) == expected
