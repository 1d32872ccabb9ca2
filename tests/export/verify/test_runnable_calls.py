"""Calls that the module takes, and whether they are enough."""

from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.probe_kinds import EXTREME, OTHER_LENGTHS, ProbeInputs
from edge_export.verify.runnable_calls import check_enough, failures, runnable


def picky(self: object, x: Tensor) -> Tensor:
    if x.shape[0] in (3, 7):
        raise ValueError("three or seven rows")
    return x * 2


def calls_of(*counts: int) -> tuple[dict[str, Any], ...]:
    return tuple({"x": np.ones((count, 3), np.float32)} for count in counts)


def test_calls_that_the_module_fails_on_are_counted() -> None:
    found = runnable(capture(layer(picky), rows(4, 3)), ProbeInputs("some", calls_of(2, 3, 5, 7)))
    assert [len(call["x"]) for call in found.calls] == [2, 5]
    assert (found.kind, found.not_run) == ("some", 2)
    assert "ValueError: three or seven rows" in found.problem
    all_run = runnable(capture(layer(picky), rows(4, 3)), ProbeInputs("some", calls_of(2, 5)))
    assert (all_run.not_run, all_run.problem) == (0, "")


def test_too_little_memory_is_not_taken_for_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(layer(picky), rows(4, 3))

    def full(self: Program, tensors: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Program, "run", full)
    with pytest.raises(MemoryError):
        runnable(program, ProbeInputs("some", calls_of(2)))


def check(program: Program, drawn: tuple[dict[str, Any], ...]) -> None:
    check_enough(program, drawn, runnable(program, ProbeInputs("rows like the example", (program.example, *drawn))))


def test_sizes_that_the_module_does_not_take_are_no_fault() -> None:
    program = capture(layer(picky), rows(4, 3))
    check(program, calls_of(2, 5))
    check(program, calls_of(3, 7, 3, 7, 5))
    # But something must be left.
    with pytest.raises(ExportError, match="fails on 2 of 2 calls drawn as rows like the example"):
        check(program, calls_of(3, 7))


def sorted_only(self: object, x: Tensor) -> Tensor:
    if not bool((x.diff(dim=1) >= 0).all()):
        raise ValueError("not sorted")
    return x * 2


def test_most_calls_must_run(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(layer(lambda self, x: x * 2), torch.arange(12.0).reshape(4, 3))
    monkeypatch.setattr(program.module.__class__, "forward", sorted_only)
    good, bad = {"x": np.array([[1, 2, 3]], np.float32)}, {"x": np.array([[3, 2, 1]], np.float32)}
    check(program, (good, bad))
    check(program, (good, good, bad))
    with pytest.raises(ExportError) as raised:
        check(program, (good, bad, bad))
    message = str(raised.value)
    assert message.startswith(
        "the module itself fails on 2 of 3 calls drawn as rows like the example, so that it cannot "
    )
    assert "ValueError: not sorted" in message
    for way in ("--ranges", "ranges={'input': (low, high)}", "--data", "sampler=..."):
        assert way in message
    assert "\n" not in message
    with pytest.raises(ExportError, match="fails on 1 of 1 calls"):
        check(program, (bad,))


def test_what_is_said_of_failures() -> None:
    ran = ProbeInputs("rows like the example", calls_of(1, 2))
    some = ProbeInputs(EXTREME, calls_of(1), not_run=3, problem="ValueError: too large")
    lengths = ProbeInputs(OTHER_LENGTHS, (), not_run=9, problem="ValueError: too long")
    assert failures([ran, lengths]) is None
    assert failures([ran, lengths, some, ProbeInputs("others", (), not_run=2, problem="no")]) == (
        "the module itself fails on some calls, which are not compared (3 of 4 with extreme rows, 2 of 2 with others): "
        "ValueError: too large"
    )
