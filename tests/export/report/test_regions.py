"""The decision regions of torch and of a file, side by side."""

import warnings

import numpy as np
import pytest
import torch
from pages import Classifier
from table_module import Table
from tiers import mostly_slow
from torch import nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.report import regions as room
from edge_export.report.regions import plane, regions
from edge_runtime import Feature
from edge_runtime.contract.signature import Task

TWO = [Feature("a"), Feature("b")]
BINARY: Task = "binary_classification"
MULTICLASS: Task = "multiclass_classification"


@pytest.mark.parametrize(
    ("size", "task"),
    mostly_slow(
        [(size, task) for size in (0.0, 3e38, np.inf, np.nan) for task in (BINARY, MULTICLASS)], [(np.inf, BINARY)]
    ),
)
def test_pictures_of_any_numbers(size: float, task: Task) -> None:
    module = Classifier(
        [Feature("a", "numeric", -1e308, 1e308), Feature("b", "numeric", 2.0, 2.0)], ["no", "yes"], task
    )
    nn.init.constant_(module.layer.weight, size)
    program = capture(module, torch.randn(8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plane(program)
        assert drawn is not None
        values = drawn.run(program.run, "answer")
        assert values is not None
        same = regions(drawn, values, values, module.signature, "model.onnx")
        other = regions(drawn, values, np.where(values > 0.4, 0.4, values), module.signature, "model.onnx")
    assert (len(same.figures), same.flips, same.largest) == (2, 0, 0.0)
    assert same.points == 200 * 200
    assert len(other.figures) == 2 + bool(other.largest)


def test_flips_and_differences_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "svg", lambda title, draw: title)
    module = Classifier(TWO, ["no", "yes"], BINARY)
    drawn = plane(capture(module, torch.randn(8, 2)))
    assert drawn is not None
    torch_values = np.full((4, 5, 1), 0.4, np.float32)
    found = torch_values.copy()
    found[0, 0], found[1, 1], found[2, 2] = 0.9, 0.3, np.nan
    pictures = regions(drawn, torch_values, found, module.signature, "model.onnx")
    assert (pictures.flips, pictures.points) == (1, 20)
    assert pictures.largest == pytest.approx(0.5)
    assert pictures.figures == ("torch", "model.onnx", "where they differ")
    assert pictures.legend == ()


def test_more_labels_than_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "svg", lambda title, draw: title)
    module = Classifier(TWO, [f"label {place}" for place in range(9)])
    drawn = plane(capture(module, torch.randn(8, 2)))
    assert drawn is not None
    # Label 0 on most points, label 8 on the fewest.
    best = np.repeat(np.arange(9), np.arange(9, 0, -1))[None]
    values = np.eye(9, dtype=np.float32)[best]
    legend = regions(drawn, values, values, module.signature, "model.onnx").legend
    assert [label for _, label in legend] == [f"label {place}" for place in range(9)]
    colors = [color for color, _ in legend]
    assert len(set(colors[:7])) == 7
    assert colors[7] == colors[8] not in colors[:7]


def test_the_plane_is_of_the_features_that_matter() -> None:
    ranges = [(-1, 1), (-1, 1), (-1e6, 1e6), (-1, 1)]
    module = Classifier([Feature(f"x{i}", "numeric", *ends) for i, ends in enumerate(ranges)], [0, 1, 2])
    drawn = plane(capture(module, torch.randn(8, 4)))
    assert drawn is not None
    assert [feature.name for feature in drawn.features] == ["x0", "x3"]
    assert drawn.across[0] == pytest.approx(-1.3)
    assert drawn.up[-1] == pytest.approx(1.3)


def test_rows_on_the_plane() -> None:
    drawn = plane(capture(Classifier(TWO, [0, 1, 2]), torch.randn(8, 2)))
    assert drawn is not None
    given = drawn.run(lambda tensors: {"x": tensors["x"]}, "x")
    assert given is not None
    assert given.shape == (200, 200, 2)
    np.testing.assert_allclose(given[:, :, 0], np.tile(drawn.across, (200, 1)), rtol=1e-6)
    np.testing.assert_allclose(given[:, :, 1], np.tile(drawn.up[:, None], (1, 200)), rtol=1e-6)
    assert drawn.run(lambda tensors: None, "x") is None


def test_there_is_nothing_to_draw(table: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plane(table) is None  # strings beside numbers
    assert plane(capture(nn.Linear(2, 3), torch.randn(8, 2))) is None  # no labels
    assert plane(capture(Classifier(TWO, range(101)), torch.randn(8, 2))) is None  # too many of them
    assert plane(capture(Classifier(TWO[:1], range(3)), torch.randn(8, 1))) is None  # one number
    program = capture(Classifier(TWO, range(3)), torch.randn(8, 2))
    assert plane(program) is not None
    monkeypatch.setattr(room, "_MOST_COST", 1000)
    assert plane(program) is None
    assert isinstance(table.module, Table)
