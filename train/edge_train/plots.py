"""The plots of a training run: losses, answers to the test rows, and for two features the data and decision regions."""

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from edge_runtime.contract.atomic_files import make_folder, write_files
from edge_runtime.contract.terminal import printable
from edge_runtime.contract.values import FLOAT32_MAX
from edge_train.dataset import NUMBERS, Dataset, Part
from edge_train.drawing import COLORS, draw_probability
from edge_train.loop.training_run import TrainingRun
from edge_train.networks.answers import answers
from edge_train.networks.base import Network

_MARKERS = ("o", "^")
# More curves cannot be told apart, and more numbers in cells cannot be read.
_MOST_CURVES, _MOST_CELLS = len(COLORS), 20
# The calibration plot has four bins of 25 rows or more, and a curve for each class that has ten rows: with fewer, its
# points would say nothing.
_FEWEST_BINS, _MOST_BINS, _BIN_ROWS, _CLASS_ROWS = 4, 10, 25, 10
_DEVIATIONS = 1.96  # of a normal distribution, on both sides of the mean: 95 %
_SIDE = 400  # points of the decision regions across and up
_NAMES = (
    "data.png",
    "decision_regions.png",
    "loss.png",
    "confusion_matrix.png",
    "roc.png",
    "calibration.png",
    "predicted_against_true.png",
)


def save_plots(dataset: Dataset, run: TrainingRun, folder: Path) -> list[Path]:
    """Draw the plots of `run` into `folder`, which is made if it is missing; plots of an earlier run there are removed.

    loss.png; of the test rows confusion_matrix.png, roc.png and (of enough rows) calibration.png for classes, and
    predicted_against_true.png for values; and for two numeric features and two classes data.png and
    decision_regions.png.

    Returns:
        The paths of the plots.

    Raises:
        CannotWrite: the folder cannot be made or written in; the plots there stay.
    """
    make_folder(folder)
    contents = plot_contents(dataset, run, folder)
    write_files(contents)
    return [path for path, content in contents.items() if content is not None]


def plot_contents(dataset: Dataset, run: TrainingRun, folder: Path) -> dict[Path, bytes | Path | None]:
    """What `save_plots` writes into `folder`; None for plots of an earlier run, which would be taken for this one's."""
    # Names of columns and classes may hold dollar signs, and are not formulas.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box; the terminal shows the name
        drawn = {name: _png(figure) for name, figure in plot_figures(dataset, run).items()}
    return {folder / name: drawn.get(name) for name in dict.fromkeys([*drawn, *_NAMES])}


def plot_figures(dataset: Dataset, run: TrainingRun) -> dict[str, Figure]:
    """The plots by the names of their files, in the style that matplotlib is set to."""
    network, test = run.measured.network, dataset.test
    task = network.signature.task
    figures = {"loss.png": _loss_figure(dataset, run)}
    if task == "binary_classification" and _is_plane(dataset):
        figures["data.png"] = _data_figure(dataset)
        figures["decision_regions.png"] = _regions_figure(dataset, network)
    if test is not None:
        found = answers(network, test)
        if task == "regression":
            figures["predicted_against_true.png"] = _values_figure(test.target, found)
        else:
            places = test.target.astype(np.int64)
            figures["confusion_matrix.png"] = _confusion_figure(places, network.signature.predicted(found), network)
            figures["roc.png"] = _roc_figure(places, found, network)
            if few_to_calibrate(places, network) is None:
                figures["calibration.png"] = _calibration_figure(places, found, network)
    return figures


def _is_plane(dataset: Dataset) -> bool:
    return list(dataset.train.inputs) == [NUMBERS] and dataset.train.inputs[NUMBERS].shape[1] == 2


def _data_figure(dataset: Dataset) -> Figure:
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot(title="Data")
    _scatter_parts(axes, dataset)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _loss_figure(dataset: Dataset, run: TrainingRun) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    is_regression = run.model.signature.task == "regression"
    unit = "squared error (variance of the target)" if is_regression else "cross-entropy (nats)"
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel=unit)
    # The training loss of a table includes what makes learning harder on purpose.
    included = "" if not run.validated else " with dropout and label smoothing"
    axes.plot(run.losses, color=COLORS[0], label=f"training{included}, {run.losses[-1]:.3f} at the end")
    if run.evaluations:
        epochs, losses = zip(*run.evaluations, strict=True)
        name = "validation" if run.validated else "test"
        axes.plot(epochs, losses, color=COLORS[1], linestyle="--", label=f"{name}, {losses[-1]:.3f} at the end")
    if run.epoch < len(run.losses):
        axes.axvline(run.epoch, color="grey", linewidth=1, label=f"weights of epoch {run.epoch}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _confusion_figure(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.intp], network: Network) -> Figure:
    labels = network.signature.labels
    counts = confusion_matrix(true, predicted, labels=np.arange(len(labels)))
    size = min(4 + 0.35 * len(labels), 14)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.add_subplot(title="Test rows", xlabel="predicted class", ylabel="true class")
    # By row, so that a rare class is seen as well as a frequent one.
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="fraction of the true class", shrink=0.8)
    if len(labels) <= _MOST_CELLS:
        names = [printable(label) for label in labels]
        is_long = max(map(len, names)) > 3
        axes.set_xticks(range(len(names)), names, rotation=45 if is_long else 0, ha="right" if is_long else "center")
        axes.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(counts.shape):
            color = "white" if fractions[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    return figure


def _roc_figure(true: npt.NDArray[np.int64], found: npt.NDArray[np.float64], network: Network) -> Figure:
    figure, axes = _curves_figure("ROC", "false positive rate", "true positive rate", network)
    for color, (place, name) in zip(COLORS, _curves(network), strict=False):
        is_class = true == place
        false_positives, true_positives, _ = roc_curve(is_class, found[:, place])
        area = roc_auc_score(is_class, found[:, place])
        axes.plot(false_positives, true_positives, color=color, label=f"{name}, area {area:.3f}")
    axes.legend(loc="lower right")
    return figure


def few_to_calibrate(true: npt.NDArray[Any], network: Network) -> str | None:
    """Why test rows of these classes, shape (rows,), have not a calibration plot; None if they have."""
    if len(true) < _FEWEST_BINS * _BIN_ROWS:
        return f"{len(true)} test rows are too few, it takes {_FEWEST_BINS * _BIN_ROWS}"
    if not _calibrated(true, network):
        return f"not a single class has {_CLASS_ROWS} test rows in it and {_CLASS_ROWS} besides"
    return None


def _calibrated(true: npt.NDArray[Any], network: Network) -> list[tuple[str, int, str]]:
    """The colours, places and names of the classes that have a curve in the calibration plot."""
    curves = zip(COLORS, _curves(network), strict=False)
    found = [(color, place, name, int((true == place).sum())) for color, (place, name) in curves]
    return [one[:3] for one in found if _CLASS_ROWS <= one[3] <= len(true) - _CLASS_ROWS]


def _calibration_figure(true: npt.NDArray[np.int64], found: npt.NDArray[np.float64], network: Network) -> Figure:
    """How often each class occurs where it is predicted with some probability, with 95 % intervals.

    The intervals are those of Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927).
    """
    figure, axes = _curves_figure("Calibration", "predicted probability", "fraction of rows of this class", network)
    highest = 0.0
    for color, place, name in _calibrated(true, network):
        probability, fraction, rows = _bins(true == place, found[:, place])
        noise = _DEVIATIONS**2 / rows
        middle = (fraction + noise / 2) / (1 + noise)
        reach = np.sqrt(noise * fraction * (1 - fraction) + noise**2 / 4) / (1 + noise)
        bars = (fraction - middle + reach).clip(0), (middle + reach - fraction).clip(0)
        axes.errorbar(
            probability, fraction, bars, color=color, marker="o", markersize=4, elinewidth=1, capsize=2, label=name
        )
        highest = max(highest, probability.max(), (middle + reach).max())
    # Where all probabilities are low, the whole square would be empty.
    limits = -0.02 * highest, 1.03 * highest
    axes.set(xlim=limits, ylim=limits)
    axes.legend(loc="upper left", title="95 % intervals")
    return figure


def _bins(
    is_class: npt.NDArray[np.bool_], found: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The mean probability, the fraction of the class and the rows of each bin, each of shape (bins,).

    The bins have as much of the variance p (1 - p) each, and 25 rows or more: of equal width most would be empty, and
    of as many rows most would be where p is next to 0. Equal probabilities are in the same bin.
    """
    order = np.argsort(found, kind="stable")
    ordered, count = found[order], min(_MOST_BINS, len(found) // _BIN_ROWS)
    variance = np.cumsum(ordered * (1 - ordered) + 1e-9)
    cuts = np.searchsorted(variance, variance[-1] * np.arange(1, count) / count)
    starts = [0]
    for start in np.searchsorted(ordered, ordered[cuts]):
        if min(start - starts[-1], len(found) - start) >= _BIN_ROWS:
            starts.append(start)
    rows = np.diff([*starts, len(found)])
    return np.add.reduceat(ordered, starts) / rows, np.add.reduceat(is_class[order], starts, dtype=float) / rows, rows


def _curves_figure(name: str, across: str, up: str, network: Network) -> tuple[Figure, Axes]:
    """An empty plot for the curves of the classes, with the diagonal."""
    count = len(network.signature.labels)
    shown = f", {_MOST_CURVES} of {count} classes" if count > _MOST_CURVES else ""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.add_subplot(title=f"{name}, test rows{shown}", xlabel=across, ylabel=up, aspect="equal")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    return figure, axes


def _values_figure(true: npt.NDArray[np.float32], found: npt.NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.add_subplot(title="Test rows", xlabel="true value", ylabel="predicted value")
    low, high = min(true.min(), found.min()), max(true.max(), found.max())
    axes.plot([low, high], [low, high], color="grey", linewidth=1, linestyle=":")
    alpha = max(0.05, min(0.7, 200 / len(true)))
    axes.scatter(true, found, s=16, color=COLORS[0], alpha=alpha, linewidths=0, rasterized=True)
    axes.grid(alpha=0.3)
    return figure


def _regions_figure(dataset: Dataset, network: Network) -> Figure:
    figure = Figure(figsize=(6.6, 5), layout="constrained")
    axes = figure.add_subplot(title="Decision regions")
    points = np.concatenate([part.inputs[NUMBERS] for part in _parts(dataset).values()]).astype(np.float64)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    margin = 0.15 * np.where(high > low, high - low, 1)
    across, up = (np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], _SIDE) for axis in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).clip(-FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
    with torch.inference_mode():
        probability = network(torch.from_numpy(grid)).numpy().reshape(len(up), len(across))
    signature = network.signature
    draw_probability(axes, across, up, probability, signature.threshold, printable(signature.labels[1]))
    _scatter_parts(axes, dataset)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _scatter_parts(axes: Axes, dataset: Dataset) -> None:
    signature = dataset.signature
    for name, part in _parts(dataset).items():
        # The classes differ in shape too, and the parts in filling.
        for index, (color, marker) in enumerate(zip(COLORS, _MARKERS, strict=False)):
            rows = part.inputs[NUMBERS][part.target == index].astype(np.float64)
            is_filled = name == "train"
            axes.scatter(
                rows[:, 0],
                rows[:, 1],
                s=36,
                marker=marker,
                linewidths=0.8,
                facecolor=color if is_filled else "white",
                edgecolor="white" if is_filled else color,
                label=f"{name}: {printable(signature.labels[index])}",
            )
    across, up = signature.features
    axes.set(xlabel=printable(across.name), ylabel=printable(up.name))


def _parts(dataset: Dataset) -> dict[str, Part]:
    return {"train": dataset.train} | ({} if dataset.test is None else {"test": dataset.test})


def _curves(network: Network) -> list[tuple[int, str]]:
    """The classes that have a curve: the second of two, or all of several, as many as there are colours."""
    labels = network.signature.labels
    places = [1] if len(labels) == 2 else range(min(len(labels), _MOST_CURVES))
    # matplotlib leaves names that begin with an underscore out of legends.
    return [(place, f"class {printable(labels[place])}") for place in places]


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
