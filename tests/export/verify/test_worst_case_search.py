"""The rows on which an exported model does worst: searched for, and not only drawn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Run, Tensors
from edge_export.verify.compare import errors_of
from edge_export.verify.comparison import tolerance_used
from edge_export.verify.probe_kinds import SEARCHED
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler
from edge_export.verify.worst_case_search import STEPS, worst_rows
from edge_runtime.contract.progress import Progress


@pytest.fixture
def known(torch_side: References, references: object) -> References:
    """Computes what torch computes, and knows the output's usual magnitude."""
    return torch_side


def off_by(program: Program, error: Callable[[Any], Any]) -> Run:
    """`program`, off by `error` of its rows."""

    def run(tensors: Tensors) -> Tensors:
        return {"probability": (program.run(tensors)["probability"] + error(tensors["x"])).astype(np.float32)}

    return run


def test_it_finds_what_is_wrong_in_few_rows(program: Program, known: References) -> None:
    """Wrong in one corner that drawn rows hardly reach; moving the worst rows on leads there."""
    slope = off_by(program, lambda x: 1e-7 * np.exp(np.minimum(x[:, :1] + x[:, 1:], 6.0)))
    sampler, progress = Sampler(program), Progress()
    found = worst_rows(slope, known, sampler, progress)
    assert found is not None
    sums = found.calls[0]["x"].sum(axis=1)
    assert np.median(sums) > np.quantile(sampler.draw(1000)["x"].sum(axis=1), 0.99)
    assert (found.kind, progress.done) == (SEARCHED, len(STEPS))


def test_the_worst_rows_are_also_compared_alone(program: Program, known: References) -> None:
    found = worst_rows(program.run, known, Sampler(program))
    assert found is not None
    assert [len(call["x"]) for call in found.calls] == [48] + [1] * 8
    np.testing.assert_array_equal(np.concatenate([call["x"] for call in found.calls[1:]]), found.calls[0]["x"][:8])


def test_the_worst_rows_use_more_than_drawn_ones(program: Program, known: References) -> None:
    run = off_by(program, lambda x: 1e-6 * np.abs(x[:, :1]))

    def used(tensors: Tensors) -> Any:
        reference = known.of_call(tensors)["probability"]
        return tolerance_used(errors_of(run(tensors)["probability"], reference), reference.tolerance)

    found = worst_rows(run, known, Sampler(program))
    assert found is not None
    assert used(found.calls[0]).min() > np.quantile(used(Sampler(program).draw(1000)), 0.95)


def test_searched_again_the_same(program: Program, known: References) -> None:
    one, other = (worst_rows(program.run, known, Sampler(program, seed=1)) for _ in range(2))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.calls[0]["x"], other.calls[0]["x"])


def whole(self: object, ids: Tensor) -> Tensor:
    return ids * 2


@pytest.mark.parametrize(
    ("forward", "example", "dynamic"),
    [
        (lambda self, x: x * 2, rows(), {"x": ()}),  # no rows
        (whole, torch.arange(12).reshape(4, 3), None),  # no numbers that can be moved
        (lambda self, x: x.sum(0), rows(), None),  # not a row for each row
    ],
)
def test_there_is_nothing_to_search(forward: Any, example: Tensor, dynamic: Any) -> None:
    program = capture(layer(forward), example, dynamic)
    assert worst_rows(program.run, References(program), Sampler(program)) is None


def test_a_module_that_fails_on_drawn_rows_is_not_searched(
    program: Program, known: References, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Sampler(program)
    monkeypatch.setattr(Program, "failure", lambda self, tensors: "ValueError: no")
    found = worst_rows(program.run, known, sampler)
    assert found is not None
    assert (found.calls, found.not_run, found.problem) == ((), 1, "ValueError: no")


def test_a_costly_program_is_not_searched(program: Program, known: References, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(program), "cost", 2.0**20)
    assert worst_rows(program.run, known, Sampler(program)) is None
