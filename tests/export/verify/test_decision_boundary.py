"""Rows where a decision changes, found by bisection."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from date_module import SOLD
from layers import layer, rows
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.decision_boundary import _pairs, boundary_rows, decisions
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.sampler import Sampler
from edge_runtime import Input, Signature
from edge_runtime.contract.dates import MISSING_DATE
from edge_train import Network, NeuralNet


def found_for(program: Program) -> Tensors | None:
    return boundary_rows(Sampler(program), Arithmetic(program))


def decided(program: Program, outputs: Tensors) -> npt.NDArray[np.int64]:
    found = decisions(program, outputs)
    assert found is not None
    return found


def test_boundary_rows_lie_on_the_boundary(model: Network, program: Program) -> None:
    found = found_for(program)
    assert found is not None
    boundary = found["x"]
    assert boundary.dtype == np.float32
    assert len(boundary) > 1000
    with torch.inference_mode():
        distance = np.abs(model(torch.from_numpy(boundary)).numpy()[:, 0] - 0.5)
    nearest = distance[: len(boundary) // 15]  # the step of 0 comes first
    assert nearest.max() < 1e-6
    assert (distance < 1e-3).sum() > 300
    assert (distance > 1e-3).sum() > 300
    # Both sides are there.
    assert 0.3 < decided(program, program.run(found)).mean() < 0.7


@pytest.mark.parametrize("threshold", [0.02, 0.2])
def test_they_lie_at_the_threshold_of_the_signature(model: Network, threshold: float) -> None:
    network = NeuralNet(2, 5)
    network.load_state_dict(model.state_dict())
    network.signature = replace(model.signature, threshold=threshold)
    program = capture(network, torch.zeros(2, 2))
    found = found_for(program)
    assert found is not None
    with torch.inference_mode():
        distance = np.abs(network(torch.from_numpy(found["x"])).numpy()[:, 0] - threshold)
    assert distance[: len(distance) // 15].max() < 1e-6
    assert 0.3 < decided(program, program.run(found)).mean() < 0.7


def test_it_moves_numbers_alone(table: Program) -> None:
    found = found_for(table)
    assert found is not None
    assert 0.3 < decided(table, table.run(found)).mean() < 0.7
    assert set(np.unique(found["text"][:, 1])) <= {0, 1, 2, 3, 4}
    assert found["text"].dtype == np.int64
    # Nothing lies between a missing value and a number.
    assert np.isfinite(found["x"][:, [1, 2, 3]]).all()
    assert np.isnan(found["x"][:, 4]).any()


def test_dates_are_moved_to_the_second() -> None:
    """A label that changes on a day: both sides of its midnight are there."""
    midnight = 1_700_006_400

    class Late(nn.Module):
        signature = Signature((Input("date", (SOLD,)),), "probability", ("no", "yes"))

        def forward(self, date: Tensor) -> Tensor:
            known = torch.where(date == MISSING_DATE, 0, date)
            return torch.sigmoid((known - midnight).float() / 86_400 + 1e-6)

    program = capture(Late(), torch.zeros(2, 1, dtype=torch.int64))
    found = found_for(program)
    assert found is not None
    dates = found["date"]
    assert dates.dtype == np.int64
    assert {midnight - 1, midnight} <= set(dates.ravel().tolist())
    nearest = dates[: len(dates) // 15]
    known = nearest[nearest != MISSING_DATE]
    assert len(known)
    assert (np.abs(known - midnight) <= 1).all()


def test_booleans_and_integers_are_decisions() -> None:
    def forward(self: Any, x: Tensor) -> dict[str, Tensor]:
        return {"x": x, "positive": x > 0, "best": x.argmax(1)}

    program = capture(layer(forward), rows())
    outputs = program.run({"x": np.array([[1, -2, 3], [4, 0, -1]], np.float32)})
    assert decided(program, outputs).tolist() == [[1, 0, 1, 2], [1, 0, 0, 0]]
    found = found_for(program)
    assert found is not None
    # The first points are on the boundary of one of the decisions: a number near 0, or two that are nearly equal.
    first = found["x"][: len(found["x"]) // 15].astype(np.float64)
    ordered = np.sort(first, axis=1)
    assert (np.minimum(np.abs(first).min(axis=1), ordered[:, -1] - ordered[:, -2]) < 1e-6).all()


@pytest.mark.parametrize(
    ("forward", "dynamic"),
    [
        (lambda self, x: x * 2, None),  # decides nothing
        (lambda self, x: (x > 0).sum(), None),  # not for each row
        (lambda self, x: (x > 0, x.sum(0) > 0), None),  # not only for each row
        (lambda self, x: x > 1e9, None),  # always the same
        (lambda self, x: x > 0, {"x": ()}),  # no rows
    ],
)
def test_no_boundary(forward: Any, dynamic: Any) -> None:
    assert found_for(capture(layer(forward), rows(), dynamic)) is None


def test_a_network_with_one_answer_has_no_boundary() -> None:
    network = NeuralNet(2, 5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.linear_2.bias.fill_(3.0)
    assert found_for(capture(network, torch.zeros(2, 2))) is None


def test_each_row_is_paired_with_the_next_that_differs() -> None:
    found = np.array([[0], [0], [1], [0], [1]])
    assert _pairs(found).tolist() == [[0, 2], [1, 2], [2, 3], [3, 4], [4, 0]]
    assert _pairs(np.array([[1], [1]])).shape == (0, 2)
    several = np.array([[0, 1], [0, 1], [0, 2]])
    assert _pairs(several).tolist() == [[0, 2], [1, 2], [2, 0]]


def test_a_costly_program_has_few_rows(table: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(table), "cost", 2.0**18)
    found = found_for(table)
    assert found is not None
    # One pair, and a point at each step on its way.
    assert len(found["x"]) == 15
