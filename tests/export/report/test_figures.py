"""The figures of the report."""

from pathlib import Path

import numpy as np
from exports import the_one

from edge_export import Export, Format, Precision
from edge_export.report.figures import errors_figure, sizes_figure, times_figure, tolerance_figure
from edge_export.verify.comparison import Comparison
from edge_export.verify.probe_kinds import ProbeInputs


def comparison(errors: list[float], torch_errors: list[float] | None = None) -> Comparison:
    found = np.array(errors)
    own = np.array(errors if torch_errors is None else torch_errors)
    return Comparison(ProbeInputs("rows", ()), found.size, own, found, np.ones(found.size), None, None, False)


def test_errors_of_both_sides() -> None:
    drawn = errors_figure(comparison([0.0, 1e-7, 3e-7, 1e-3], [0.0, 0.0, 2e-7, 1e-9]))
    assert drawn is not None
    assert "torch float32, 2 of 4 exact" in drawn
    assert "this file, 1 of 4 exact" in drawn
    assert errors_figure(comparison([0.0, 0.0])) is None
    assert errors_figure(comparison([])) is None


def test_use_of_the_tolerance() -> None:
    drawn = tolerance_figure([comparison([0.0, 0.1, 0.5, 0.9])])
    assert drawn is not None
    assert "elements that use more" in drawn
    assert tolerance_figure([comparison([0.0]), comparison([])]) is None


def test_sizes_and_times(example_exports: list[Export]) -> None:
    measured = [the_one(example_exports, "onnx", precision) for precision in ("float16", "int8")]
    sizes = sizes_figure([the_one(example_exports, "onnx"), *measured])
    for made in measured:
        assert f"{made.precision} .onnx" in sizes
    assert "KiB" in sizes
    rows = times_figure(measured, batched=True)
    assert "one row" in rows
    assert "64 rows" in rows
    call = times_figure(measured, batched=False)
    assert "one call" in call
    assert "rows" not in call


def test_kinds_of_files() -> None:
    made = Export(Path("m.ort"), Format.ORT, Precision.INT8_DYNAMIC, bytes(2048), [], None, None)
    assert "int8-dynamic .ort" in sizes_figure([made])
