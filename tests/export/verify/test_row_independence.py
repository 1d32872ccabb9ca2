"""What the exporter says of the work that a row takes, and of whether calls may be divided."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_export import export
from edge_runtime import Predictor
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload


def written(path: Path) -> Workload | None:
    text = Predictor(path, device="cpu")._session.metadata.get(WORKLOAD_KEY)
    return None if text is None else Workload.from_json(text)


class Centred(nn.Module):
    """Every row less the mean of all."""

    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Summed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum(0)


class Guarded(nn.Module):
    """One row of NaN makes all others NaN."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0 * x.sum()


class Numbered(nn.Module):
    """What a row gives depends on its place."""

    def forward(self, x: Tensor) -> Tensor:
        return x + (torch.arange(x.shape[0])[:, None] // 1000).float()


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


@pytest.mark.parametrize(
    ("module", "independent"),
    [(Squared(), True), (Centred(), False), (Summed(), False), (Guarded(), False), (Numbered(), False)],
)
def test_rows_that_depend_on_each_other_are_found(tmp_path: Path, module: nn.Module, independent: bool) -> None:
    torch.manual_seed(0)
    export(module, torch.randn(4, 3), tmp_path / "m.onnx")
    workload = written(tmp_path / "m.onnx")
    assert workload is not None
    assert workload.independent == independent


def test_what_a_row_takes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    narrow, wide = nn.Sequential(nn.Linear(3, 8), nn.ReLU()), nn.Sequential(nn.Linear(3, 800), nn.ReLU())
    for name, module in (("narrow", narrow), ("wide", wide)):
        export(module, torch.randn(4, 3), tmp_path / f"{name}.onnx")
    narrow_row, wide_row = written(tmp_path / "narrow.onnx"), written(tmp_path / "wide.onnx")
    assert narrow_row is not None
    assert wide_row is not None
    # The rectifier reads and writes 8 numbers, or 800, of 4 bytes.
    assert (narrow_row.bytes, wide_row.bytes) == (64, 6400)
    assert 50 < wide_row.cost / narrow_row.cost < 200


def test_no_batch_has_no_workload(tmp_path: Path) -> None:
    export(Squared(), torch.randn(4, 3), tmp_path / "m.onnx", dynamic={"x": ()})
    assert written(tmp_path / "m.onnx") is None


def test_precisions(tmp_path: Path) -> None:
    """int8-dynamic scales by all rows of a call: each by itself leads to something else."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    rows = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    export(
        module,
        torch.randn(4, 6),
        tmp_path / "m.onnx",
        formats=["onnx", "ort"],
        precisions=["float32", "float16", "int8", "int8-dynamic"],
        data={"input": rows},
    )
    for path in tmp_path.iterdir():
        workload = written(path)
        assert workload is not None
        assert workload.independent == ("dynamic" not in path.name)
