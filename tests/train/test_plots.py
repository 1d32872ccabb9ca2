import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from edge_runtime import Feature
from edge_train import CannotWrite, Dataset, Settings, TrainingRun, find_target, four_blobs, new_network, split
from edge_train.loop.held_out import Trained
from edge_train.networks.answers import answers
from edge_train.plots import _bins, few_to_calibrate, plot_figures, save_plots
from edge_train.table.columns import Column

PLANE = {"data.png", "decision_regions.png"}
CLASSES = {"loss.png", "confusion_matrix.png", "roc.png"}
CALIBRATION = "calibration.png"


def untrained(data: Dataset, hidden: int = 5, validated: bool = True) -> TrainingRun:
    """A run with a network as it begins: how good it is does not matter to most plots."""
    network = new_network(data, Settings((hidden,))).eval()
    trained = Trained(network)
    return TrainingRun(trained, trained, [0.8, 0.7, 0.6], [(0, 0.8), (3, 0.7)], 3, validated)


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


def test_plots_of_two_features(tmp_path: Path, example_run: TrainingRun) -> None:
    paths = save_plots(four_blobs(0), example_run, tmp_path / "plots")
    assert names(paths) == PLANE | CLASSES
    for path in paths:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", content[16:24])
        assert width > 400
        assert height > 400
    # The regions of both classes.
    picture = imread(tmp_path / "plots" / "decision_regions.png")
    red = (picture[..., 0] - picture[..., 2] > 0.2).mean()
    blue = (picture[..., 2] - picture[..., 0] > 0.2).mean()
    assert 0.1 < red < 0.7
    assert 0.1 < blue < 0.7


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("y", "features", "options", "expected"),
    [
        ([0, 1] * 40, 2, {}, PLANE | CLASSES),
        ([0, 1] * 250, 2, {}, PLANE | CLASSES | {CALIBRATION}),
        pytest.param([0, 1] * 240, 2, {}, PLANE | CLASSES, marks=pytest.mark.slow),
        pytest.param([0] * 455 + [1] * 45, 3, {}, CLASSES, marks=pytest.mark.slow),
        pytest.param([0] * 450 + [1] * 50, 3, {}, CLASSES | {CALIBRATION}, marks=pytest.mark.slow),
        pytest.param([0, 1] * 40, 3, {}, CLASSES, marks=pytest.mark.slow),
        pytest.param([0, 1, 2] * 30, 2, {}, CLASSES, marks=pytest.mark.slow),
        pytest.param([f"class {place % 30}" for place in range(300)], 2, {}, CLASSES, marks=pytest.mark.slow),
        ([place / 7 for place in range(90)], 2, {}, {"loss.png", "predicted_against_true.png"}),
        pytest.param([0, 1] * 40, 3, {"known_from_all": True}, CLASSES, marks=pytest.mark.slow),
        ([0, 1] * 40, 3, {"test": False}, {"loss.png"}),
    ],
)
def test_plots_replace_those_of_an_earlier_model(
    tmp_path: Path, y: Any, features: int, options: Any, expected: set[str]
) -> None:
    for name in PLANE | CLASSES | {CALIBRATION, "predicted_against_true.png"}:
        (tmp_path / name).write_bytes(b"another model's")
    (tmp_path / "my own.png").write_bytes(b"mine")
    data = table(y, features, **options)
    assert names(save_plots(data, untrained(data), tmp_path)) == expected
    assert names(list(tmp_path.iterdir())) == expected | {"my own.png"}
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in expected)


@pytest.mark.filterwarnings("error")
def test_names_that_matplotlib_would_take_for_something_else(tmp_path: Path) -> None:
    data = four_blobs(0)
    (inputs,) = data.signature.inputs
    inputs = replace(inputs, features=(Feature("cost $_$"), Feature("_hidden")))
    data = replace(data, signature=replace(data.signature, inputs=(inputs,), labels=("_no$^$", "日本")))
    assert names(save_plots(data, untrained(data), tmp_path)) == PLANE | CLASSES


def test_a_constant_feature() -> None:
    data = four_blobs(0)
    assert data.test is not None
    data.train.inputs["x"][:, 1] = data.test.inputs["x"][:, 1] = 7
    with np.errstate(all="raise", under="ignore"):
        figures = plot_figures(data, untrained(data))
        assert set(figures) == PLANE | CLASSES
        for name in PLANE:
            figures[name].savefig(io.BytesIO())
    low, high = figures["decision_regions.png"].axes[0].get_ylim()
    assert low < 7 < high


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "plots").touch()
    data = four_blobs(0)
    with pytest.raises(CannotWrite):
        save_plots(data, untrained(data), tmp_path / "plots")


@pytest.fixture
def figures(example_run: TrainingRun) -> dict[str, Figure]:
    return plot_figures(four_blobs(0), example_run)


def test_axes_and_legends_are_in_plain_words(figures: dict[str, Figure]) -> None:
    axes = {name: (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) for name, figure in figures.items()}
    assert axes == {
        "loss.png": ("epoch", "cross-entropy (nats)"),
        "data.png": ("x1", "x2"),
        "decision_regions.png": ("x1", "x2"),
        "confusion_matrix.png": ("predicted class", "true class"),
        "roc.png": ("false positive rate", "true positive rate"),
    }
    assert figures["confusion_matrix.png"].axes[1].get_ylabel() == "fraction of the true class"
    assert figures["decision_regions.png"].axes[1].get_ylabel() == "probability of 1"
    (legend,) = figures["data.png"].legends
    assert [text.get_text() for text in legend.get_texts()] == ["train: 0", "train: 1", "test: 0", "test: 1"]


def test_the_loss_of_a_table_says_what_it_includes_and_which_weights_are_taken() -> None:
    data = table([0, 1] * 40)
    figure = plot_figures(data, replace(untrained(data), epoch=2))["loss.png"]
    labels = [str(line.get_label()) for line in figure.axes[0].lines]
    assert labels == [
        "training with dropout and label smoothing, 0.600 at the end",
        "validation, 0.700 at the end",
        "weights of epoch 2",
    ]


def test_the_loss_without_rows_that_were_held_out_is_on_the_test_rows() -> None:
    data = table([0, 1] * 40)
    figure = plot_figures(data, untrained(data, validated=False))["loss.png"]
    labels = [str(line.get_label()) for line in figure.axes[0].lines]
    assert labels == ["training, 0.600 at the end", "test, 0.700 at the end"]


def test_the_network_that_has_not_learned_from_the_test_rows_is_shown() -> None:
    data = table([0, 1] * 40)
    run, other = untrained(data), untrained(data, hidden=7)
    figures = [plot_figures(data, replace(run, final=final)) for final in (run.final, other.final)]
    for one, two in zip(*(each["roc.png"].axes[0].lines for each in figures), strict=True):
        assert np.array_equal(one.get_xydata(), two.get_xydata())


def test_every_class_has_its_curve_and_its_place_in_the_legend() -> None:
    """matplotlib leaves what begins with an underscore out of legends."""
    data = table(["_a", "$b$", "c\x07"] * 180)
    figures = plot_figures(data, untrained(data))
    for name in ("roc.png", "calibration.png"):
        legend = figures[name].axes[0].get_legend()
        assert legend is not None
        shown = [text.get_text().partition(", area")[0] for text in legend.get_texts()]
        assert shown == ["class $b$", "class _a", "class c\\x07"]


def test_more_classes_than_colours() -> None:
    data = table([f"class {place % 9}" for place in range(270)])
    figure = plot_figures(data, untrained(data))["roc.png"]
    assert figure.axes[0].get_title() == "ROC, test rows, 7 of 9 classes"
    assert len(figure.axes[0].lines) == 1 + 7


def test_why_there_is_not_a_calibration_plot() -> None:
    network = untrained(table([0, 1] * 40)).model
    half = np.arange(100) % 2
    assert few_to_calibrate(half, network) is None
    assert few_to_calibrate(half[:99], network) == "99 test rows are too few, it takes 100"
    for rare in (np.arange(100) < 9, np.arange(100) >= 9):
        assert few_to_calibrate(rare, network) == "not a single class has 10 test rows in it and 10 besides"


def test_a_class_without_enough_rows_has_no_calibration_curve() -> None:
    data = table(["a"] * 300 + ["b"] * 200 + ["c"] * 40)
    figure = plot_figures(data, untrained(data))["calibration.png"]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted probability", "fraction of rows of this class")
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["class a", "class b"]


@pytest.mark.parametrize("is_tied", [False, True])
def test_bins_of_the_calibration_plot(is_tied: bool) -> None:
    random = np.random.default_rng(0)
    found = random.beta(0.3, 4, 1000).round(1 if is_tied else 9)
    is_class = random.random(1000) < found
    probability, fraction, rows = _bins(is_class, found)
    assert rows.sum() == 1000
    assert rows.min() >= 25
    assert len(rows) >= (2 if is_tied else 6)
    assert (probability @ rows, fraction @ rows) == pytest.approx((found.sum(), is_class.sum()))
    # Rows of equal probability are together: each bin is all rows between two probabilities.
    ends = np.sort(found)[np.cumsum(rows)[:-1] - 1]
    assert [(found <= end).sum() for end in ends] == np.cumsum(rows)[:-1].tolist()


def test_bins_where_all_is_certain() -> None:
    probability, fraction, rows = _bins(np.ones(200, bool), np.ones(200))
    assert (probability.tolist(), fraction.tolist(), rows.tolist()) == ([1], [1], [200])
    probability, _, rows = _bins(np.arange(200) < 100, (np.arange(200) < 100).astype(float))
    assert (probability.tolist(), rows.tolist()) == ([0, 1], [100, 100])


def test_the_intervals_of_the_calibration_plot_hold_what_would_give_the_fraction() -> None:
    """Wilson's: at its ends, the fraction is 1.96 standard deviations off."""
    data = table([0, 1] * 600)
    run = untrained(data)
    axes = plot_figures(data, run)["calibration.png"].axes[0]
    assert data.test is not None
    found = answers(run.model, data.test)[:, 1]
    probability, fraction, rows = _bins(data.test.target == 1, found)
    ((line, _, (bars,)),) = axes.containers
    np.testing.assert_allclose(np.transpose([probability, fraction]), line.get_xydata())
    for segment, one, count in zip(bars.get_segments(), fraction, rows, strict=True):
        for end in segment[:, 1]:
            assert abs(one - end) == pytest.approx(1.96 * np.sqrt(end * (1 - end) / count), rel=1e-6)
