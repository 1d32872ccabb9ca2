import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from edge_runtime import Feature
from edge_train import CannotWrite, TrainingRun, four_blobs, from_table, read_table, train
from edge_train.data import Dataset
from edge_train.plots import save_plots


def run_on(data: Dataset) -> TrainingRun:
    return train(data, epochs=150, standardize=len(data.features) != 2)


def test_three_pictures_for_two_features(tmp_path: Path) -> None:
    data = four_blobs(0)
    paths = save_plots(data, run_on(data), tmp_path / "plots")
    assert [path.name for path in paths] == ["data.png", "loss.png", "decision_regions.png"]
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert width > 500
        assert height > 400


def test_regions_show_both_classes(tmp_path: Path) -> None:
    data = four_blobs(0)
    save_plots(data, train(data), tmp_path)
    picture = imread(tmp_path / "decision_regions.png")
    red = (picture[..., 0] - picture[..., 2] > 0.2).mean()
    blue = (picture[..., 2] - picture[..., 0] > 0.2).mean()
    assert 0.1 < red < 0.7
    assert 0.1 < blue < 0.7


@pytest.mark.parametrize("features", [1, 30])
def test_no_regions_for_another_number_of_features(tmp_path: Path, breast_cancer: Path, features: int) -> None:
    table = read_table(breast_cancer, "diagnosis")
    table = replace(table, rows=table.rows[:, :features], feature_names=table.feature_names[:features])
    data = from_table(table, seed=0)
    (tmp_path / "decision_regions.png").write_bytes(b"another model's")
    assert [path.name for path in save_plots(data, run_on(data), tmp_path)] == ["data.png", "loss.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.png", "loss.png"]


@pytest.mark.filterwarnings("error")
def test_names_that_matplotlib_would_take_for_something_else(tmp_path: Path) -> None:
    data = four_blobs(0)
    features = (Feature("cost $_$"), Feature("_hidden"))
    data = replace(data, features=features, labels=("_no$^$", "日本"))
    run = run_on(data)
    assert len(save_plots(data, run, tmp_path)) == 3


def test_a_constant_feature(tmp_path: Path) -> None:
    data = four_blobs(0)
    data.x_train[:, 1] = data.x_test[:, 1] = 7
    with np.errstate(all="raise"):
        assert len(save_plots(data, run_on(data), tmp_path)) == 3


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "plots").touch()
    data = four_blobs(0)
    with pytest.raises(CannotWrite):
        save_plots(data, run_on(data), tmp_path / "plots")
