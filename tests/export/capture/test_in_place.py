"""In-place operations that are rewritten where they stand, and those for which all of the graph is traced anew."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from layers import layer, rows
from torch import Tensor

from edge_export.capture.attention import attention_in_steps
from edge_export.capture.in_place import in_functional_form
from edge_export.capture.quiet import quiet

ATTENTION = torch.ops.aten.scaled_dot_product_attention.default


def chained(self: Any, x: Tensor) -> Any:
    y = x + 1
    z = y * 3
    y.mul_(2)
    y.add_(z)
    return y.relu_(), z


def summed(self: Any, x: Tensor) -> Any:
    y = self.layer(x)
    y += x
    return torch.relu_(y) + x


def view_before(self: Any, x: Tensor) -> Any:
    y = x * 2
    first = y[:, 0]
    y.relu_()
    return first, y


def view_of_what_was_changed(self: Any, x: Tensor) -> Any:
    y = x + 1
    twice = y.mul_(2)
    first = twice[:, 0]
    y.add_(1)
    return first, y


def view_of_the_first_name(self: Any, x: Tensor) -> Any:
    y = x - 1
    twice = y.mul_(2)
    first = y[:, 0]
    twice.relu_()
    return first, y


def sometimes_a_view(self: Any, x: Tensor) -> Any:
    y = x * 2
    same = y.reshape(x.shape[0], 3)
    y.neg_()
    return same, y


def of_another_type(self: Any, x: Tensor) -> Any:
    y = self.layer(x)
    y.ge_(0).logical_not_()
    return y


def with_a_wider_type(self: Any, x: Tensor) -> Any:
    y = x * 2
    y.add_(torch.ones(3, dtype=torch.float64))
    return y * 3


def of_another_shape(self: Any, x: Tensor) -> Any:
    y = x * 2
    y.unsqueeze_(1)
    return y + 1


def its_own_operand(self: Any, x: Tensor) -> Any:
    y = x * 2
    return y.add_(y)


def of_its_input(self: Any, x: Tensor) -> Any:
    x.mul_(2)
    return x + 1


def part_of_it(self: Any, x: Tensor) -> Any:
    y = x.clone()
    y[:, 0] *= 3
    y[y < 0] = 0
    return y


REWRITTEN: dict[str, Callable[..., Any]] = {"chained": chained, "summed": summed}
TRACED: dict[str, Callable[..., Any]] = {
    "a view before": view_before,
    "a view of what was changed": view_of_what_was_changed,
    "a view of the first name": view_of_the_first_name,
    "sometimes a view": sometimes_a_view,
    "of another type": of_another_type,
    "with a wider type": with_a_wider_type,
    "its own operand": its_own_operand,
    "of another shape": of_another_shape,
    "of its input": of_its_input,
    "part of it": part_of_it,
}


@pytest.mark.parametrize("name", [*REWRITTEN, *TRACED])
def test_every_value_is_computed_once_and_is_right(name: str) -> None:
    module = layer({**REWRITTEN, **TRACED}[name])
    x = rows(4, 3) - 0.5
    with quiet():
        exported = torch.export.export(module, (x.clone(),), dynamic_shapes=({0: torch.export.Dim("batch")},))
        found = in_functional_form(exported, {ATTENTION: attention_in_steps})
    assert (found is exported) == (name in REWRITTEN)
    overloads = [node.target for node in found.graph.nodes if isinstance(node.target, torch._ops.OpOverload)]
    assert not any(overload._schema.is_mutable for overload in overloads)
    for size in (4, 7):
        given = torch.randn(size, 3)
        expected = module(given.clone())
        got = found.module(check_guards=False)(given.clone())
        torch.testing.assert_close(tuple(got) if isinstance(expected, tuple) else got, expected)


def test_attention_is_put_in_its_steps_for_any_size() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        masked = torch.nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)
        return torch.nn.functional.scaled_dot_product_attention(masked, x, x, is_causal=True)

    module = layer(forward)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    with quiet():
        exported = torch.export.export(module, (torch.randn(6, 5, 4),), dynamic_shapes=({0: batch, 1: length},))
        found = in_functional_form(exported, {ATTENTION: attention_in_steps})
    assert found is exported
    assert ATTENTION not in [node.target for node in found.graph.nodes]
    for shape in ((6, 5, 4), (1, 2, 4), (3, 9, 4)):
        x = torch.randn(shape)
        torch.testing.assert_close(found.module(check_guards=False)(x), module(x))
