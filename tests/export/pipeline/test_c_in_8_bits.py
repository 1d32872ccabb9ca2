"""C code with weights in 8 bits is measured and held to a budget, as other lower precisions are."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_tables import random_table_net, zeros
from torch import nn

from edge_export import Budget, BudgetExceeded, export
from edge_export.c_code.compiler import compile_c, compilers
from edge_export.c_code.files import CCode, c_code
from edge_export.pipeline import c_in_8_bits

X = torch.randn(4, 30, generator=torch.Generator().manual_seed(0))


def wide() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 3), nn.Softmax(-1)).eval()


def test_a_quarter_of_the_memory_within_the_budget(tmp_path: Path) -> None:
    exports = export(wide(), X, tmp_path / "net.onnx", formats=["c"], precisions=["float32", "int8"])
    assert [made.path.name for made in exports] == ["net.c", "net.int8.c"]
    measured = exports[1].measured
    assert measured is not None
    assert measured.size_ratio < 0.35
    assert 0 < measured.change.largest < 0.05
    assert "of float32's size" in exports[1].summary
    program = tmp_path / "test"
    # Both in one program: nothing has the same name.
    sources = [tmp_path / name for name in ("net.c", "net.int8.c", "net.int8_test.c")]
    compile_c(compilers()[0], sources, program)
    assert subprocess.run([program], capture_output=True, text=True).stdout.startswith("passed: ")


def test_no_data_are_needed_and_float32_need_not_be_written(tmp_path: Path) -> None:
    (made,) = export(wide(), X, tmp_path / "net.onnx", formats=["c"], precisions=["int8"])
    assert made.path.name == "net.int8.c"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.int8.c", "net.int8.h", "net.int8_test.c"]


@pytest.mark.slow
def test_rows_are_held_to_the_budget_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed from tensors is within it, and one column is taken for another."""

    def swapped(*rest: Any, **others: Any) -> CCode:
        code = c_code(*rest, **others)
        return replace(
            code, source=code.source.replace("        row->n0,\n        row->n1,", "        row->n1, row->n0,")
        )

    monkeypatch.setattr(c_in_8_bits, "c_code", swapped)
    net = random_table_net(4)
    with pytest.raises(BudgetExceeded, match="int8 changes"):
        export(net, zeros(net.signature), tmp_path / "net.onnx", formats=["c"], precisions=["int8"])
    assert list(tmp_path.iterdir()) == []


def test_beyond_the_budget(tmp_path: Path) -> None:
    rows = {"input": np.random.default_rng(0).normal(size=(50, 30)).astype(np.float32)}
    with pytest.raises(BudgetExceeded, match="int8 changes an output by"):
        export(wide(), X, tmp_path / "net.onnx", formats=["c"], precisions=["int8"], budget=Budget(1, 1e-7), data=rows)
    assert list(tmp_path.iterdir()) == []
