"""What an exported model is compared on, kind by kind."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from table_module import NUMBERS, STRINGS, TASKS, OnlyStrings, example
from tiers import mostly_slow
from torch import Tensor

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors, count_rows
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_inputs import (
    BATCH_SIZES,
    MODERATE,
    SIZES,
    all_probe_inputs,
    every_category,
    ordinary,
    other_lengths,
    planted_values,
)
from edge_export.verify.probe_kinds import (
    BOUNDARY,
    EVERY_CATEGORY,
    EXTREME,
    MISSING_VALUES,
    NOT_FINITE,
    OTHER_LENGTHS,
    ProbeInputs,
)
from edge_export.verify.reference import ProbeReference
from edge_export.verify.sampler import Sampler
from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.signature import Task
from edge_train import TableNet

MAY_BE_MISSING = [feature.missing is not None for feature in (*NUMBERS, *STRINGS)]
CODES = np.array([len(feature.categories) + 2 for feature in STRINGS])


def probes_of(program: Program, data: Tensors | None = None, finite_only: bool = False) -> dict[str, ProbeInputs]:
    probes = all_probe_inputs(Sampler(program, data), Arithmetic(program), finite_only)
    return {probe.kind: probe for probe in probes}


def joined(probe: ProbeInputs, name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([call[name] for call in probe.calls])


# ---------------------------------------------------------------------------------------------------------- the example


@pytest.fixture(scope="module")
def x(references: list[ProbeReference]) -> Mapping[str, list[np.ndarray[Any, Any]]]:
    """The rows of each call on the example, by kind."""
    return {reference.probe.kind: [call["x"] for call in reference.probe.calls] for reference in references}


def test_kinds(x: Mapping[str, Any]) -> None:
    assert list(x) == ["rows like the training data", BOUNDARY, EXTREME, NOT_FINITE]


def test_ordinary_rows_are_like_the_training_rows_in_many_batches(x: Mapping[str, Any]) -> None:
    calls = x["rows like the training data"]
    assert [len(call) for call in calls] == [2, *BATCH_SIZES]  # the example first
    assert {1, 2, 37} <= set(BATCH_SIZES)
    assert max(BATCH_SIZES) > 4096
    together = np.concatenate(calls)
    assert (np.abs(together) < 1.7).mean() > 0.9
    assert together.dtype == np.float32


def test_extreme_rows_hold_what_is_extreme(x: Mapping[str, Any]) -> None:
    finite = np.concatenate(x[EXTREME])
    assert np.isfinite(finite).all()
    assert np.abs(finite).max() >= 1e30
    tiny = np.abs(finite[finite != 0]).min()
    assert tiny < np.finfo(np.float32).tiny  # a subnormal
    # Zeros of both signs, each in one column alone and in both.
    zeros = finite[:, 0] == 0
    assert {False, True} <= set(np.signbit(finite[zeros, 0]))
    others = np.concatenate(x[NOT_FINITE])
    for value in (np.inf, -np.inf):
        assert (others == value).any(axis=0).all()
    assert np.isnan(others).any(axis=0).all()


def test_every_kind_of_rows_is_compared_in_single_rows_too(x: Mapping[str, Any]) -> None:
    for calls in x.values():
        assert {1, 2} <= {len(call) for call in calls}
        assert max(map(len, calls)) > 8


def test_without_overflow(program: Program) -> None:
    probes = probes_of(program, finite_only=True)
    assert NOT_FINITE not in probes
    extreme = joined(probes[EXTREME], "x")
    assert np.abs(extreme).max() == MODERATE
    assert (extreme == -MODERATE).any()


def test_drawn_again_the_same(program: Program, references: list[ProbeReference]) -> None:
    again = probes_of(program)
    for reference in references:
        for call, call_again in zip(reference.probe.calls, again[reference.probe.kind].calls, strict=True):
            np.testing.assert_array_equal(call["x"], call_again["x"])


def test_data_are_compared_too(program: Program) -> None:
    data = {"x": np.random.default_rng(0).normal(50, 1, (30, 2)).astype(np.float32)}
    probe = ordinary(Sampler(program, data))
    assert probe.kind == "rows like the data"
    np.testing.assert_array_equal(probe.calls[1]["x"], data["x"])
    assert [count_rows(call) for call in probe.calls] == [2, 30, *BATCH_SIZES]
    assert 49 < probe.calls[-1]["x"].mean() < 51


# -------------------------------------------------------------------------------------------------------------- a table


@pytest.fixture(scope="module")
def of_table(table: Program) -> dict[str, ProbeInputs]:
    return probes_of(table)


def test_every_category(of_table: dict[str, ProbeInputs]) -> None:
    text = joined(of_table[EVERY_CATEGORY], "text")
    assert [set(column) for column in text.T] == [set(range(count)) for count in CODES]
    assert len(np.unique(text, axis=0)) > CODES.max()


def test_every_pattern_of_missing_values(of_table: dict[str, ProbeInputs]) -> None:
    call = of_table[MISSING_VALUES].calls[0]
    missing = np.concatenate([np.isnan(call["x"]), call["text"] == 1], axis=1)
    assert len(np.unique(missing, axis=0)) == len(missing) == 2 ** sum(MAY_BE_MISSING)
    assert not missing[:, np.logical_not(MAY_BE_MISSING)].any()


def test_extremes_stay_within_each_column(of_table: dict[str, ProbeInputs]) -> None:
    text = joined(of_table[EXTREME], "text")
    assert (text >= 0).all()
    assert (text < CODES).all()
    for wanted in (np.zeros(3), CODES - 1):
        assert (text == wanted).all(axis=1).any()
    assert (joined(of_table[NOT_FINITE], "text") < CODES).all()


@pytest.mark.parametrize("task", mostly_slow(TASKS, ["regression"]))
def test_only_strings(task: Task) -> None:
    module = OnlyStrings(task)
    probes = probes_of(capture(module, example(module)))
    assert not probes[BOUNDARY].calls
    assert not probes[NOT_FINITE].calls
    assert {kind for kind, probe in probes.items() if probe.calls} == {
        "rows like the training data",
        EVERY_CATEGORY,
        MISSING_VALUES,
        EXTREME,
    }


def test_a_costly_module(table: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(table), "cost", 2.0**20)
    probes = probes_of(table)
    rows_of = {kind: {count_rows(call) for call in probe.calls} for kind, probe in probes.items()}
    assert all(counts <= {1, 2, 3, 4} for kind, counts in rows_of.items() if kind != BOUNDARY)
    assert rows_of[BOUNDARY] <= set(range(16))
    text = joined(probes[EVERY_CATEGORY], "text")
    assert [set(column) for column in text.T] == [set(range(count)) for count in CODES]


def test_thousands_of_categories_are_all_compared() -> None:
    """What is made of an embedding's weights alone costs nothing for a row, whatever their number."""
    feature = Feature("city", "categorical", missing=0.0, categories=tuple(f"c{place}" for place in range(3000)))
    network = TableNet(Signature((Input("text", (feature,)),), "probability", ("no", "yes")), (8,)).eval()
    program = capture(network, {"text": torch.zeros(2, 1, dtype=torch.int64)})
    assert program.cost < 2000
    assert set(joined(every_category(Sampler(program)), "text")[:, 0].tolist()) == set(range(3002))


# -------------------------------------------------------------------------------------------------------- other modules


def test_other_lengths() -> None:
    program = capture(layer(lambda self, x, y: x.sum(1) * y), (rows(4, 5, 3), rows(4, 1)), {"x": ("batch", "length")})
    probe = other_lengths(Sampler(program))
    shapes = [call["x"].shape for call in probe.calls]
    # The sizes of the list, and twice the example's.
    assert shapes == [(count, size, 3) for size in sorted({*SIZES, 10}) for count in (1, 2)]
    assert [call["y"].shape[0] for call in probe.calls] == [shape[0] for shape in shapes]
    assert probe.kind == OTHER_LENGTHS
    only_batch = capture(layer(lambda self, x: x * 2), rows())
    assert other_lengths(Sampler(only_batch)).calls == ()


def test_no_batch() -> None:
    probes = probes_of(capture(layer(lambda self, x: x * 2), rows(4, 3), {"x": ()}))
    assert {kind for kind, probe in probes.items() if probe.calls} == {"rows like the example", EXTREME, NOT_FINITE}
    assert {call["x"].shape for probe in probes.values() for call in probe.calls} == {(4, 3)}
    assert len(probes["rows like the example"].calls) == 1 + len(BATCH_SIZES)
    # Too many places and values for single calls: some of them.
    assert len(probes[EXTREME].calls) == 32


def test_numbers_of_a_module_without_a_signature_are_not_huge() -> None:
    probes = probes_of(capture(layer(lambda self, x: x * 2), rows()))
    assert np.abs(joined(probes[EXTREME], "x")).max() == 1e9


def test_integers_and_booleans_are_smallest_and_largest() -> None:
    def forward(self: object, count: Tensor, flag: Tensor) -> Tensor:
        return count * flag

    program = capture(layer(forward), (torch.arange(20) - 5, torch.arange(20) > 3))
    call = planted_values(Sampler(program), EXTREME, (0.0,)).calls[0]
    assert {-5, 14} <= set(call["count"].tolist())
    assert call["flag"].dtype == np.bool_
    assert planted_values(Sampler(program), NOT_FINITE, (np.nan,)).calls == ()


def picky(self: object, x: Tensor) -> Tensor:
    if x.shape[0] in (3, 7):
        raise ValueError("three or seven rows")
    return x * 2


def test_calls_that_the_module_fails_on_are_not_compared() -> None:
    probe = probes_of(capture(layer(picky), rows(4, 3)))["rows like the example"]
    left = [size for size in BATCH_SIZES if size not in (3, 7)]
    assert [len(call["x"]) for call in probe.calls] == [4, *left]
    assert probe.not_run == len(BATCH_SIZES) - len(left) > 0


def test_a_module_that_fails_on_everything(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "failure", lambda self, tensors: "ValueError: no")
    with pytest.raises(
        ExportError, match=r"the module itself fails on (\d+) of \1 calls drawn as .*: ValueError: no; say"
    ):
        probes_of(program)
