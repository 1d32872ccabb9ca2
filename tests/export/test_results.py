"""What is said of a file in one line, and that nothing of it fills the screen."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_export import Export, Format, Measured, Precision
from edge_export.verify.comparison import Comparison, Element
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.quantization_budget import Change, Ratio


def comparison(rows: int, used: float) -> Comparison:
    probe = ProbeInputs("rows", ({"x": np.zeros((rows, 2), np.float32)},))
    worst = Element("rows", {}, {}, True, "y", (0, 0), 0.0, 0.0, 0.0, 0.0, 1.0, used)
    return Comparison(probe, rows, np.zeros(rows), np.zeros(rows), np.ones(rows), None, worst, False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data file of 2.2 GB that takes no room on the disk."""
    with (tmp_path / "model.onnx.data").open("wb") as file:
        file.truncate(2_200_000_000)
    return tmp_path / "model.onnx.data"


def test_the_size_of_two_files(data: Path) -> None:
    both = replace(made(5442), data=data)
    assert both.size == 2_200_005_442
    assert both.summary.startswith("model.onnx, model.onnx.data 2.20 GB: verified against torch on ")


def made(
    size: int = 7382, comparisons: Sequence[Comparison] = (), measured: Measured | None = None, path: str = "model.onnx"
) -> Export:
    precision = Precision.FLOAT32 if measured is None else Precision.INT8
    return Export(Path(path), Format.ONNX, precision, bytes(size), comparisons, measured, None)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (999, "999 bytes"),
        (1000, "1 kB"),
        (7382, "7 kB"),
        (7500, "8 kB"),
        (999_000, "999 kB"),
        (1_000_000, "1.0 MB"),
        (123_456_789, "123.5 MB"),
    ],
)
def test_the_size(size: int, shown: str) -> None:
    assert made(size).summary.startswith(f"model.onnx {shown}: ")


def test_a_float32_file() -> None:
    several = [comparison(9272, 0.26), comparison(1932, 0.09)]
    assert made(comparisons=several).summary == (
        "model.onnx 7 kB: verified against torch on 11,204 rows; worst element at 26% of its tolerance"
    )


def measured(flips: int | None) -> Measured:
    flipped = None if flips is None else np.arange(1200) < flips
    same, fast = Ratio(1, 0.99, 1.01), Ratio(0.5, 0.4, 0.6)
    return Measured(Change(np.linspace(0, 0.02718, 1200), flipped), 310, 0.31, same, fast)


def test_a_lower_precision() -> None:
    assert made(measured=measured(3)).summary == (
        "model.onnx 7 kB: 3 of 1,200 labels differ from float32, largest change 0.027; 0.31 of float32's size; "
        "smaller, faster on 64 rows than float32"
    )
    assert made(measured=measured(None)).summary == (
        "model.onnx 7 kB: largest change 0.027; 0.31 of float32's size; smaller, faster on 64 rows than float32"
    )


def test_a_repr_is_one_short_line() -> None:
    several = [comparison(9272, 0.26), comparison(1932, 0.09)]
    for export in (made(comparisons=several), made(measured=measured(3))):
        assert repr(export) == f"<Export {export.summary}>"
        assert len(repr(export)) < 200
        assert "\n" not in repr(export)
    assert repr(several[0]) == "Comparison('rows', rows=9272, tolerance_used=0.26)"


def test_what_was_measured_is_printed_without_arrays() -> None:
    for flips in (3, None):
        text = repr(measured(flips))
        assert "array" not in text
        assert "\n" not in text
        assert len(text) < 250


def test_what_a_real_export_prints(example_exports: list[Export], capsys: pytest.CaptureFixture[str]) -> None:
    print(example_exports)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert len(printed) < 250 * len(example_exports)
    verified = [made for made in example_exports if made.precision == "float32"]
    for one in verified:
        rows = sum(comparison.rows for comparison in one.comparisons)
        assert f"verified against torch on {rows:,} rows; worst element at " in one.summary
        assert rows > 11_000
    assert len(verified) == 5
