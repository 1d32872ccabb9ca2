import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from edge_runtime import Feature
from edge_train import CannotWrite, Dataset, Settings, TrainingRun, find_target, four_blobs, split, train
from edge_train.loop.settings import EXAMPLE_DEFAULTS
from edge_train.plots import save_plots
from edge_train.table.columns import Column

PLANE = {"data.png", "decision_regions.png"}
CLASSES = {"loss.png", "confusion_matrix.png", "roc.png", "calibration.png"}


def run_on(data: Dataset) -> TrainingRun:
    return train(data, replace(EXAMPLE_DEFAULTS, epochs=150))


def table(y: Any, features: int = 3, **options: Any) -> Dataset:
    import pyarrow as pa

    random = np.random.default_rng(0)
    target = find_target(pa.table({"y": y}), "y", "t.csv")
    columns = [
        Column(f"x{place}", "numeric", random.normal(size=len(y)).astype(np.float32)) for place in range(features)
    ]
    columns[0].values[::7] = np.nan
    return split(columns, target, 0, **options)


def names(paths: list[Path]) -> set[str]:
    return {path.name for path in paths}


def test_pictures_for_two_features(tmp_path: Path) -> None:
    data = four_blobs(0)
    paths = save_plots(data, run_on(data), tmp_path / "plots")
    assert names(paths) == PLANE | CLASSES
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert width > 400
        assert height > 400


def test_regions_show_both_classes(tmp_path: Path) -> None:
    data = four_blobs(0)
    save_plots(data, train(data), tmp_path)
    picture = imread(tmp_path / "decision_regions.png")
    red = (picture[..., 0] - picture[..., 2] > 0.2).mean()
    blue = (picture[..., 2] - picture[..., 0] > 0.2).mean()
    assert 0.1 < red < 0.7
    assert 0.1 < blue < 0.7


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("y", "features", "options", "expected"),
    [
        ([0, 1] * 40, 2, {}, PLANE | CLASSES),
        ([0, 1] * 40, 3, {}, CLASSES),
        ([0, 1, 2] * 30, 2, {}, CLASSES),
        ([f"class {place % 30}" for place in range(300)], 2, {}, CLASSES),
        ([place / 7 for place in range(90)], 2, {}, {"loss.png", "predicted_against_true.png"}),
        ([0, 1] * 40, 3, {"validation": 0}, CLASSES),
        ([0, 1] * 40, 3, {"test": False}, {"loss.png"}),
    ],
)
def test_pictures_by_task_replace_those_of_an_earlier_model(
    tmp_path: Path, y: Any, features: int, options: Any, expected: set[str]
) -> None:
    for name in PLANE | CLASSES | {"predicted_against_true.png"}:
        (tmp_path / name).write_bytes(b"another model's")
    (tmp_path / "my own.png").write_bytes(b"mine")
    data = table(y, features, **options)
    run = train(data, Settings((8,), epochs=5, batch_size=32, patience=None if "validation" in options else 2))
    assert names(save_plots(data, run, tmp_path)) == expected
    assert names(list(tmp_path.iterdir())) == expected | {"my own.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in expected)


@pytest.mark.filterwarnings("error")
def test_names_that_matplotlib_would_take_for_something_else(tmp_path: Path) -> None:
    data = four_blobs(0)
    (inputs,) = data.signature.inputs
    inputs = replace(inputs, features=(Feature("cost $_$"), Feature("_hidden")))
    data = replace(data, signature=replace(data.signature, inputs=(inputs,), labels=("_no$^$", "日本")))
    assert names(save_plots(data, run_on(data), tmp_path)) == PLANE | CLASSES


def test_a_constant_feature(tmp_path: Path) -> None:
    data = four_blobs(0)
    assert data.test is not None
    data.train.inputs["x"][:, 1] = data.test.inputs["x"][:, 1] = 7
    with np.errstate(all="raise", under="ignore"):
        assert names(save_plots(data, run_on(data), tmp_path)) == PLANE | CLASSES


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "plots").touch()
    data = four_blobs(0)
    with pytest.raises(CannotWrite):
        save_plots(data, run_on(data), tmp_path / "plots")
