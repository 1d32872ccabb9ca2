"""Going through a captured graph: as torch.fx.Interpreter does it."""

import weakref
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from layers import layer, rows
from torch import Tensor, fx

from edge_export.capture.capture import capture
from edge_export.capture.program import Program, state_of
from edge_export.verify.graph_walk import GraphWalk, mapped, tensors_mapped


def forward(self: Any, x: Tensor) -> Any:
    first, second = self.linear(x).split(2, 1)
    state = torch.cond(first.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (second,))
    state[:, 1:] = 0.5
    return torch.cat([state, first, x.argmax(1, keepdim=True)], dim=1), second


def program() -> Program:
    found = capture(layer(forward), rows(5, 4))
    ops = {node.op for node in found.exported.graph.nodes}
    assert ops == {"placeholder", "get_attr", "call_function", "output"}
    return found


def arguments(program: Program, sign: int) -> list[Any]:
    state = state_of(program.exported)
    specs = program.exported.graph_signature.input_specs
    return [sign * (state[spec.target] if spec.target in state else rows(5, 4)) for spec in specs]


def computed(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None) -> Any:
    result = operation(*args, **kwargs)
    assert dtype == getattr(result[0] if isinstance(result, list | tuple) else result, "dtype", None)
    return result


def test_it_gives_what_torch_gives() -> None:
    made = program()
    module = made.exported.graph_module
    walk = GraphWalk(module)
    for sign in (1, -1):
        given = arguments(made, sign)
        expected = fx.Interpreter(module).run(*given)
        torch.testing.assert_close(walk.run(given, computed), expected, rtol=0, atol=0)


def test_results_are_let_go_once_nothing_needs_them() -> None:
    module = fx.symbolic_trace(lambda x: ((x + 1) * 2 - x).exp())
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def watched(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None) -> Any:
        nonlocal most
        if hasattr(args[0], "exp"):
            most = max(most, sum(one() is not None for one in alive))
        result = operation(*args, **kwargs) if callable(operation) else getattr(args[0], operation)()
        alive.append(weakref.ref(result))
        return result

    found = GraphWalk(module).run([torch.zeros(3)], watched)
    assert found.tolist() == pytest.approx([torch.e**2] * 3)
    assert len(alive) == 4
    assert most == 1


def test_an_error_names_the_place_in_the_module() -> None:
    def failing(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], dtype: torch.dtype | None) -> Any:
        if operation is torch.ops.aten.argmax.default:
            raise RuntimeError("no such thing")
        return operation(*args, **kwargs)

    made = program()
    with pytest.raises(RuntimeError, match=r"(?s)^no such thing\n.*test_graph_walk.py.*x\.argmax"):
        GraphWalk(made.exported.graph_module).run(arguments(made, 1), failing)


def test_a_change_to_all_in_operands() -> None:
    operands = (1, [2, (3, {"a": 4, "b": None})], torch.float32)
    found = mapped(lambda one: one + 1 if isinstance(one, int) else one, operands)
    assert found == (2, [3, (4, {"a": 5, "b": None})], torch.float32)


def test_a_change_to_all_tensors_in_operands() -> None:
    found = tensors_mapped(lambda one: one + 1, (torch.ones(2), [torch.zeros(1), 7], {"dim": 1}))
    assert [found[0].tolist(), found[1][0].tolist(), found[1][1], found[2]] == [[2, 2], [1], 7, {"dim": 1}]
