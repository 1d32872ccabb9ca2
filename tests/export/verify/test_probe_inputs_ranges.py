"""Probe inputs whose integers have a meaning: all that the module takes, and nothing else."""

from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.tensors import Tensors
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_inputs import BATCH_SIZES, all_probe_inputs, planted_values
from edge_export.verify.probe_kinds import EXTREME, NOT_FINITE, ProbeInputs
from edge_export.verify.runnable_calls import runnable
from edge_export.verify.sampler import Sampler


def all_probes(program: Program) -> dict[str, ProbeInputs]:
    return {probe.kind: probe for probe in all_probe_inputs(Sampler(program), Arithmetic(program))}


def together(probe: ProbeInputs, name: str) -> np.ndarray[Any, Any]:
    return np.concatenate([call[name] for call in probe.calls])


class Columns(nn.Module):
    """Codes that look up tables of 3 and 90 rows."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Embedding(3, 2), nn.Embedding(90, 2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        found: Tensor = x + self.a(c[:, 0]) + self.b(c[:, 1])
        return found


@pytest.fixture(scope="module")
def columns() -> Program:
    return capture(Columns(), (rows(4, 2), torch.zeros(4, 2, dtype=torch.int64)))


def test_every_column_of_codes_has_its_own_range(columns: Program) -> None:
    probes = all_probes(columns)
    assert not any(probe.not_run for probe in probes.values())
    codes = together(probes["rows like the example"], "c")
    assert [set(column) for column in codes.T] == [set(range(3)), set(range(90))]
    ends = together(probes[EXTREME], "c")
    assert {(0, 0), (2, 89)} <= set(map(tuple, ends.tolist()))
    assert len(set(map(tuple, ends.tolist()))) > 2  # one column alone at an end


def test_a_sampler_of_the_users_draws_what_is_compared() -> None:
    """Offsets of a bag are sorted, and begin with 0; the number of ids is the sampler's."""

    def draw(random: np.random.Generator, rows: int) -> Tensors:
        ids = random.integers(0, 10, random.integers(rows, 20 + rows))
        return {"input": ids, "offsets": np.sort(random.integers(0, len(ids), rows)) * (np.arange(rows) > 0)}

    dynamic = {"input": ("ids",), "offsets": ("batch",)}
    example = {"input": torch.arange(9), "offsets": torch.tensor([0, 3, 7])}
    program = capture(nn.EmbeddingBag(10, 4), example, dynamic)
    sampler = Sampler(program, own=draw)
    assert sampler.lengths == {}
    probes = {probe.kind: probe for probe in all_probe_inputs(sampler, Arithmetic(program))}
    ordinary_rows = probes["rows of the sampler given"]
    assert ordinary_rows.not_run == 0
    assert [len(call["offsets"]) for call in ordinary_rows.calls] == [3, *BATCH_SIZES]
    with pytest.raises(ExportError, match=r"offsets\[0\] has to be 0.*sampler=\.\.\."):
        all_probe_inputs(Sampler(program), Arithmetic(program))


def test_rows_of_several_lengths_are_planted_in_single_calls() -> None:
    def draw(random: np.random.Generator, rows: int) -> Tensors:
        return {"x": random.normal(size=(rows, random.integers(1, 9))).astype(np.float32)}

    program = capture(layer(lambda self, x: x * 2), rows(4, 5), {"x": ("batch", "length")})
    calls = planted_values(Sampler(program, own=draw), EXTREME, (0.0, 7.0)).calls
    assert len({call["x"].shape for call in calls}) > 1


def test_what_the_module_refuses_in_one_row_does_not_cost_the_others() -> None:
    def forward(self: object, x: Tensor, n: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() and bool((n[:, 0] + n[:, 1] == 8).any()):
            raise ValueError("not both")
        return x * n

    program = capture(layer(forward), (rows(4, 2), torch.tensor([[4, 1], [1, 4], [2, 2], [3, 1]])))
    probe = runnable(program, planted_values(Sampler(program), EXTREME, (0.0, 7.0)))
    assert 0 < probe.not_run < len(probe.calls)
    assert "ValueError: not both" in probe.problem
    assert any((call["x"] == 7).all() for call in probe.calls)


def test_nothing_is_planted_where_numbers_stand_for_integers() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        found: Tensor = x[:, 1:] + self.layer.weight.index_select(0, x[:, 0].long())
        return found

    probes = all_probes(capture(layer(forward), rows(4, 4).abs()))
    assert not any(probe.not_run for probe in probes.values())
    assert set(together(probes[NOT_FINITE], "x")[:, 0]) <= {0.0, 1.0, 2.0}
    assert np.isnan(together(probes[NOT_FINITE], "x")[:, 1:]).all(axis=1).any()
