"""What a captured program says of itself, and how it is run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from table_module import signature
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import InputTensor, Program

X = rows()


def structured(self: Any, batch: dict[str, Tensor], times: int, *, shift: Tensor) -> dict[str, Any]:
    return {"sum": batch["a"] + batch["b"] * times - shift, "rows": batch["a"].shape[0], "first": batch["a"][:, 0] > 0}


@pytest.fixture(scope="module")
def program() -> Program:
    return capture(layer(structured), {"batch": {"a": X, "b": 2 * X}, "times": 3, "shift": X})


def test_tensors_go_into_the_structure_of_a_call_and_come_out_of_it(program: Program) -> None:
    tensors = {
        name: np.full((2, 3), value, np.float32) for name, value in (("batch_a", 1), ("batch_b", 2), ("shift", 4))
    }
    args, kwargs = program.arguments(tensors)
    # torch.export keeps what was given by name as it was.
    given = {**dict(zip(("batch", "times", "shift"), args, strict=False)), **kwargs}
    assert given["times"] == 3
    np.testing.assert_array_equal(given["batch"]["b"], tensors["batch_b"])
    outputs = program.run(tensors)
    np.testing.assert_array_equal(outputs["sum"], np.full((2, 3), 3.0, np.float32))
    assert outputs["first"].tolist() == [True, True]
    # The order of the given tensors does not matter, and they stay as they are.
    again = program.run(dict(reversed(tensors.items())))
    np.testing.assert_array_equal(again["sum"], outputs["sum"])


def test_what_the_module_fails_on_is_none(program: Program) -> None:
    narrow = {name: np.ones((2, 1), np.float32) for name in ("batch_a", "batch_b")}
    assert program.try_run({**narrow, "shift": np.ones((4, 3), np.float32)}) is None
    assert program.try_run(program.example) is not None


def test_what_the_module_raises_is_one_line(program: Program) -> None:
    assert program.failure(program.example) is None
    narrow = {name: np.ones((2, 1), np.float32) for name in ("batch_a", "batch_b")}
    failure = program.failure({**narrow, "shift": np.ones((4, 3), np.float32)})
    assert failure is not None
    assert failure.startswith("RuntimeError: ")
    assert "\n" not in failure


def test_too_little_memory_is_not_taken_for_a_failure(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Program, tensors: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Program, "run", full)
    for run in (program.try_run, program.failure):
        with pytest.raises(MemoryError):
            run(program.example)


def test_outputs_with_columns(program: Program) -> None:
    # Three places on the last axis have a meaning of their own; those on an axis of any size have none.
    assert program.fixed_axes["sum"] == (False, True)
    lengths = capture(layer(lambda self, x: (x, x.sum(2))), rows(2, 5, 3), {"x": ("batch", "length")})
    assert lengths.fixed_axes["output_0"] == (False, False, True)


def test_only_probabilities_of_labels_make_a_classifier(program: Program) -> None:
    classes, values = signature("binary_classification"), signature("regression")
    assert replace(program, signature=classes).classifier == classes
    assert replace(program, signature=values).classifier is None
    assert replace(program, signature=None).classifier is None


def test_a_batch_is_the_first_axis_of_every_input(program: Program) -> None:
    assert program.is_batched
    shapes: tuple[tuple[int | str, ...], ...] = ((4, 3), ("rows", 3), (4, "batch"), ())
    for shape in shapes:
        odd = InputTensor("odd", np.dtype("f4"), shape)
        assert not replace(program, inputs=(*program.inputs, odd)).is_batched


class Matrices(nn.Module):
    """Multiplies rows by several matrices at once."""

    def __init__(self, count: int, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(count, before, after))

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(x, self.weight).transpose(0, 1)


def test_cost_grows_with_elements_and_products_and_not_with_rows_or_weights() -> None:
    def cost(module: nn.Module, x: Tensor = X, **options: Any) -> float:
        return capture(module, x, **options).cost

    narrow = cost(nn.Linear(3, 8))
    # Each of 8 elements is made of 3 products, and 32 products count as one element.
    assert narrow == pytest.approx(8 * (1 + 3 / 32))
    assert cost(nn.Linear(3, 80), rows(40, 3)) == pytest.approx(10 * narrow)
    assert cost(nn.Linear(3, 8), dynamic={"input": ()}) == pytest.approx(4 * narrow)
    # A weight that is multiplied as it stands has a column for each element, in a batch of matrices too. The result is
    # transposed.
    assert cost(Matrices(1, 3, 8)) == pytest.approx(narrow + 8)
    assert cost(Matrices(5, 3, 8)) == pytest.approx(5 * (narrow + 8))
    # What is made of weights alone is made once.
    of_weights = layer(lambda self, x: x + (self.layer.weight @ self.layer.weight).sum())
    assert cost(of_weights) == pytest.approx(3)
    assert cost(nn.Identity()) == 1
    # An operator may give several tensors: here 5 x 8 outputs and twice 8 states, from weights for 3 inputs and 8
    # states. The states begin as zeros.
    lstm = nn.LSTM(3, 8, batch_first=True)
    assert cost(lstm, rows(4, 5, 3)) == pytest.approx((40 + 16) * (1 + 11 / 32) + 16)
