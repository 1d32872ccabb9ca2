"""What the exporter says of the work that a row takes, and whether calls may be split into batches."""

from typing import Any

import pytest
import torch
from layers import layer, rows
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.verify.float64 import Arithmetic
from edge_export.verify.probe_inputs import all_probe_inputs, ordinary
from edge_export.verify.row_independence import workload
from edge_export.verify.sampler import Sampler
from edge_runtime import Feature, Input, Signature
from edge_runtime.contract.workload import Workload
from edge_train import TableNet


def workload_of(program: Program) -> Workload | None:
    exact = Arithmetic(program)
    return workload(program, exact, all_probe_inputs(Sampler(program), exact))


def numbered(self: object, x: Tensor) -> Tensor:
    """What a row gives depends on its place."""
    return x + (torch.arange(x.shape[0])[:, None] // 1000).float()


def fails_alone(self: object, x: Tensor) -> Tensor:
    """Takes no single row."""
    return nn.functional.batch_norm(x, None, None, training=True)


MODULES: dict[str, tuple[Any, bool]] = {
    "squares": (lambda self, x: x * x, True),
    "less the mean of all": (lambda self, x: x - x.mean(0, keepdim=True), False),
    "a sum": (lambda self, x: x.sum(0), False),
    "NaN in one row is NaN in all": (lambda self, x: x + 0 * x.sum(), False),
    "numbered": (numbered, False),
    "fails alone": (fails_alone, False),
}


@pytest.mark.parametrize("name", mostly_slow(MODULES, ["squares", "NaN in one row is NaN in all", "numbered", "a sum"]))
def test_rows_that_depend_on_each_other_are_found(name: str) -> None:
    forward, independent = MODULES[name]
    found = workload_of(capture(layer(forward), rows()))
    assert found is not None
    assert found.independent == independent


def test_rows_of_a_table_are_independent(table: Program) -> None:
    found = workload_of(table)
    assert found is not None
    assert found.independent


def test_what_a_row_takes() -> None:
    narrow, wide = (workload_of(capture(nn.Sequential(nn.Linear(3, width), nn.ReLU()), rows())) for width in (8, 800))
    assert narrow is not None
    assert wide is not None
    # The rectifier reads and writes 8 numbers, or 800, of 4 bytes.
    assert (narrow.bytes, wide.bytes) == (64, 6400)
    assert 50 < wide.cost / narrow.cost < 200


def test_no_batch_has_no_workload() -> None:
    assert workload_of(capture(layer(lambda self, x: x * x), rows(), {"x": ()})) is None


def test_tables_of_weights_do_not_belong_to_a_row() -> None:
    feature = Feature("city", "categorical", missing=0.0, categories=tuple(f"c{place}" for place in range(3000)))
    network = TableNet(Signature((Input("text", (feature,)),), "probability", ("no", "yes")), (8,)).eval()
    program = capture(network, {"text": torch.zeros(2, 1, dtype=torch.int64)})
    found = workload(program, Arithmetic(program), [ordinary(Sampler(program))])
    assert found is not None
    # The vector of a category, and the layer behind it.
    assert found.bytes < 500
