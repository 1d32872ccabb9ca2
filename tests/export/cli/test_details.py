"""The table of `edge-export --details`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edge_export import Export, Format, Measured, Precision
from edge_export.cli.details import details_of
from edge_export.verify.comparison import Comparison, Element
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.quantization_budget import Change, Ratio


def comparison(kind: str, calls: int, used: float, decided: tuple[int, int] | None, excluded: int = 0) -> Comparison:
    rows = 1000 * calls
    probe = ProbeInputs(kind, ({"x": np.zeros((1000, 2), np.float32)},) * calls)
    tolerance = np.full(rows, 1e-5)
    tolerance[:excluded] = np.inf
    worst = Element(kind, {}, {}, True, "y", (0, 0), 0.0, 0.0, 0.0, 0.0, 1.0, used) if calls else None
    return Comparison(probe, rows, np.full(rows, 2e-7), np.full(rows, 3.04e-7), tolerance, decided, worst, False)


def made(comparisons: list[Comparison], measured: Measured | None = None) -> Export:
    return Export(Path("model.onnx"), Format.ONNX, Precision.FLOAT32, b"", comparisons, measured, None)


def test_what_was_compared() -> None:
    lines = details_of(
        made(
            [
                comparison("rows like the training data", 12, 0.26, (11_900, 12_000)),
                comparison("rows on the\nboundary", 0, 0.0, None),
                comparison("extreme rows", 1, 0.999, None, excluded=7),
            ]
        )
    )
    table = """
compared with torch in float64        rows  calls  torch's error  this file's  tolerance  tolerance used  decided  excluded
rows like the training data         12,000     12        2.0e-07      3.0e-07    1.0e-05             26%   11,900         0
rows on the\\nboundary           none found      0        0.0e+00      0.0e+00    0.0e+00              0%        -         0
extreme rows                         1,000      1        2.0e-07      3.0e-07    1.0e-05            100%        -         7
"""  # noqa: E501
    assert lines == table.strip().splitlines()


def test_calls_that_did_not_run_are_told() -> None:
    some = comparison("rows like the example", 2, 0.5, None)
    none = comparison("extreme rows", 0, 0.0, None)
    found = [replace(known, probe=replace(known.probe, not_run=1200)) for known in (some, none)]
    assert [line.split("  ")[0] for line in details_of(made(found))[1:]] == ["rows like the example", "extreme rows"]
    assert " 2 of 1,202 " in details_of(made(found))[1]
    assert " 0 of 1,200 " in details_of(made(found))[2]


def test_what_was_measured() -> None:
    change = Change(np.linspace(0, 0.02718, 1200), np.arange(1200) < 3)
    measured = Measured(change, 310, 0.314, Ratio(1.17, 1.1, 1.3), Ratio(0.654, 0.6, 0.701))
    assert details_of(made([], measured)) == [
        "rows                1,200",
        "labels that differ  3",
        "largest change      0.027",
        "size, of float32's  0.31",
        "time of one row     1.17 (1.10 to 1.30)",
        "time of 64 rows     0.65 (0.60 to 0.70)",
    ]
    undecided = Measured(Change(np.zeros(5), None), 310, 0.314, Ratio(1, 1, 1), Ratio(1, 1, 1))
    assert not any("labels" in line for line in details_of(made([], undecided)))


def test_details_of_real_files(example_exports: list[Export]) -> None:
    for export in example_exports:
        lines = details_of(export)
        assert len(lines) == (1 + len(export.comparisons) if export.measured is None else 6)
        assert all(len(line) < 120 for line in lines)
