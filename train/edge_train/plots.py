"""The pictures of a training run: losses, how the test rows are answered, and, in the plane, data and regions."""

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from edge_runtime.contract.atomic_files import make_folder, write_files
from edge_runtime.contract.values import FLOAT32_MAX
from edge_train.dataset import NUMBERS, Dataset, Part
from edge_train.loop.train import TrainingRun
from edge_train.metrics import answers
from edge_train.networks.base import Network

# Told apart by shape as well as by colour, in print and by the colour-blind (Okabe and Ito, 2008).
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_MARKERS = ("o", "^")
# More curves in one picture cannot be told apart, and more numbers in cells not be read.
_MOST_CURVES, _MOST_CELLS = len(_COLORS), 20
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
    """Draw the pictures of `run` into `folder`, made if missing, and return their paths.

    loss.png; of classes confusion_matrix.png, roc.png and calibration.png, of values predicted_against_true.png, on the
    test rows; for two numbers and two classes data.png and decision_regions.png.

    Raises:
        CannotWrite: the folder cannot be written in.
    """
    make_folder(folder)
    network, test = run.model, dataset.test
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
            figures["calibration.png"] = _calibration_figure(places, found, network)
    # An earlier model's pictures would be taken for this one's.
    for name in _NAMES:
        if name not in figures:
            (folder / name).unlink(missing_ok=True)
    write_files({folder / name: _png(figure) for name, figure in figures.items()})
    return [folder / name for name in figures]


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
    unit = (
        "squared error (variance of the target)" if run.model.signature.task == "regression" else "cross-entropy (nats)"
    )
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel=unit)
    # Of a table, it has in it what makes learning harder on purpose.
    hardened = "" if dataset.validation is None else " with dropout and smoothing"
    axes.plot(run.losses, color=_COLORS[0], label=f"training{hardened}, {run.losses[-1]:.3f} at the end")
    if run.evaluations:
        epochs, losses = zip(*run.evaluations, strict=True)
        name = "test" if dataset.validation is None else "validation"
        axes.plot(epochs, losses, color=_COLORS[1], linestyle="--", label=f"{name}, {losses[-1]:.3f} at the end")
    if run.epoch < len(run.losses):
        axes.axvline(run.epoch, color="grey", linewidth=1, label=f"epoch {run.epoch}, whose weights are taken")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _confusion_figure(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.intp], network: Network) -> Figure:
    labels = network.signature.labels
    counts = confusion_matrix(true, predicted, labels=np.arange(len(labels)))
    size = min(4 + 0.35 * len(labels), 14)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.add_subplot(title="Test rows", xlabel="predicted", ylabel="true")
    # By row, so that a rare class is seen as well as a frequent one.
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    names = [_plain(label) for label in labels]
    if len(labels) <= _MOST_CELLS:
        axes.set_xticks(
            range(len(names)),
            names,
            rotation=45 if max(map(len, names)) > 3 else 0,
            ha="right" if max(map(len, names)) > 3 else "center",
        )
        axes.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(counts.shape):
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color)
    return figure


def _roc_figure(true: npt.NDArray[np.int64], found: npt.NDArray[np.float64], network: Network) -> Figure:
    figure, axes = _curves_figure("ROC", "false positive rate", "true positive rate", network)
    for color, (place, name) in zip(_COLORS, _curves(network), strict=False):
        is_class = true == place
        across, up, _ = roc_curve(is_class, found[:, place])
        axes.plot(across, up, color=color, label=f"{name}, area {roc_auc_score(is_class, found[:, place]):.3f}")
    axes.legend(loc="lower right")
    return figure


def _calibration_figure(true: npt.NDArray[np.int64], found: npt.NDArray[np.float64], network: Network) -> Figure:
    figure, axes = _curves_figure("Calibration", "predicted probability", "share that it was", network)
    for color, (place, name) in zip(_COLORS, _curves(network), strict=False):
        # Groups of as many rows each: of equal width, most would be empty.
        groups = max(2, min(10, len(true) // 20))
        share, probability = calibration_curve(
            true == place, found[:, place].clip(0, 1), n_bins=groups, strategy="quantile"
        )
        axes.plot(probability, share, color=color, marker="o", label=name)
    axes.legend(loc="upper left")
    return figure


def _curves_figure(name: str, across: str, up: str, network: Network) -> tuple[Figure, Axes]:
    """An empty picture for the curves of the classes, with the diagonal."""
    count = len(network.signature.labels)
    shown = f", {_MOST_CURVES} of {count} classes" if count > _MOST_CURVES else ""
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.add_subplot(title=f"{name}, test rows{shown}", xlabel=across, ylabel=up, aspect="equal")
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    return figure, axes


def _values_figure(true: npt.NDArray[np.float32], found: npt.NDArray[np.float64]) -> Figure:
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    axes = figure.add_subplot(title="Test rows", xlabel="true", ylabel="predicted")
    low, high = min(true.min(), found.min()), max(true.max(), found.max())
    axes.plot([low, high], [low, high], color="grey", linewidth=1, linestyle=":")
    axes.scatter(true, found, s=16, color=_COLORS[0], alpha=max(0.05, min(0.7, 200 / len(true))), linewidths=0)
    axes.grid(alpha=0.3)
    return figure


def _regions_figure(dataset: Dataset, network: Network) -> Figure:
    figure = Figure(figsize=(6.6, 5), layout="constrained")
    axes = figure.add_subplot(title="Decision regions")
    points = np.concatenate([part.inputs[NUMBERS] for part in _parts(dataset).values()]).astype(np.float64)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    margin = 0.15 * np.where(high > low, high - low, 1)
    across, up = (np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], 400) for axis in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).clip(-FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
    with torch.inference_mode():
        probability = network(torch.from_numpy(grid)).numpy().reshape(len(up), len(across))
    filled = axes.contourf(across, up, probability, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.6)
    threshold = network.signature.threshold
    if probability.min() < threshold < probability.max():
        axes.contour(across, up, probability, levels=[threshold], colors="black", linewidths=1)
    positive = _plain(network.signature.labels[1])
    figure.colorbar(filled, label=f"probability of {positive}", ticks=np.linspace(0, 1, 6))
    _scatter_parts(axes, dataset)
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _scatter_parts(axes: Axes, dataset: Dataset) -> None:
    signature = dataset.signature
    for name, part in _parts(dataset).items():
        for index, (color, marker) in enumerate(zip(_COLORS, _MARKERS, strict=False)):
            rows = part.inputs[NUMBERS][part.target == index].astype(np.float64)
            filled = name == "train"
            axes.scatter(
                rows[:, 0],
                rows[:, 1],
                s=36,
                marker=marker,
                linewidths=0.8,
                facecolor=color if filled else "white",
                edgecolor="white" if filled else color,
                label=f"{name}: {_plain(signature.labels[index])}",
            )
    axes.set(xlabel=_plain(signature.features[0].name), ylabel=_plain(signature.features[1].name))


def _parts(dataset: Dataset) -> dict[str, Part]:
    return {"train": dataset.train} | ({} if dataset.test is None else {"test": dataset.test})


def _curves(network: Network) -> list[tuple[int, str]]:
    """The classes that have a curve: the second of two, else each, as far as they can be told apart."""
    labels = network.signature.labels
    places = [1] if len(labels) == 2 else range(min(len(labels), _MOST_CURVES))
    return [(place, _plain(labels[place])) for place in places]


def _plain(text: object) -> str:
    """`text` for matplotlib, which would read a formula between dollar signs."""
    return str(text).replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box; the name stands in the terminal
        figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
