"""The pictures of a training run: the data, the loss curves, and for two features the decision regions."""

import io
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from edge_runtime.rows import LARGEST
from edge_train.data import Dataset
from edge_train.files import make_folder, write_files
from edge_train.network import NeuralNet
from edge_train.training import TrainingRun

# Told apart by shape as well as by colour, in print and by the colour-blind (Okabe and Ito, 2008).
_COLORS = ("#0072B2", "#D55E00")
_MARKERS = ("o", "^")


def save_plots(dataset: Dataset, run: TrainingRun, folder: Path) -> list[Path]:
    """Draw the pictures of `run` into `folder`, made if missing, and return their paths.

    data.png; loss.png; decision_regions.png for two features alone.

    Raises:
        CannotWrite: the folder cannot be written in.
    """
    make_folder(folder)
    figures = {"data.png": _data_figure(dataset), "loss.png": _loss_figure(run)}
    if len(dataset.features) == 2:
        figures["decision_regions.png"] = _regions_figure(dataset, run.model)
    else:
        # An earlier model's regions would be taken for this one's.
        (folder / "decision_regions.png").unlink(missing_ok=True)
    write_files({folder / name: _png(figure) for name, figure in figures.items()})
    return [folder / name for name in figures]


def _data_figure(dataset: Dataset) -> Figure:
    figure = Figure(figsize=(6, 5), layout="constrained")
    axes = figure.add_subplot(title="Data")
    x_train, x_test = dataset.x_train.astype(np.float64), dataset.x_test.astype(np.float64)
    names = [_plain(feature.name) for feature in dataset.features]
    if len(names) == 1:
        # One feature: the rows side by side, at the height of their class.
        x_train, x_test = (
            np.column_stack([x[:, 0], y]) for x, y in ((x_train, dataset.y_train), (x_test, dataset.y_test))
        )
        names = [*names, "class"]
    elif len(names) > 2:
        # The plane in which the standardised rows spread the most.
        scaler = StandardScaler().fit(x_train)
        plane = PCA(n_components=2).fit(scaler.transform(x_train))
        x_train, x_test = (plane.transform(scaler.transform(x)) for x in (x_train, x_test))
        shares = plane.explained_variance_ratio_
        names = [f"principal component {rank} ({share:.0%} of variance)" for rank, share in enumerate(shares, start=1)]
    _scatter(axes, x_train, dataset.y_train, dataset, "train", filled=True)
    _scatter(axes, x_test, dataset.y_test, dataset, "test", filled=False)
    axes.set(xlabel=names[0], ylabel=names[1])
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _loss_figure(run: TrainingRun) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel="binary cross-entropy (nats)")
    axes.plot(run.train_losses, color=_COLORS[0], label=f"training, {run.train_losses[-1]:.3f} at the end")
    axes.plot(
        *zip(*run.test_losses, strict=True), color=_COLORS[1], linestyle="--", label=f"test, {run.after.loss:.3f}"
    )
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _regions_figure(dataset: Dataset, model: NeuralNet) -> Figure:
    figure = Figure(figsize=(6.6, 5), layout="constrained")
    axes = figure.add_subplot(title="Decision regions")
    points = np.concatenate([dataset.x_train, dataset.x_test]).astype(np.float64)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.15 * np.where(high > low, high - low, 1)
    across, up = (np.linspace(low[axis] - margin[axis], high[axis] + margin[axis], 400) for axis in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).clip(-LARGEST, LARGEST).astype(np.float32)
    with torch.inference_mode():
        probability = model(torch.from_numpy(grid)).numpy().reshape(len(up), len(across))
    filled = axes.contourf(across, up, probability, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.6)
    threshold = model.signature.threshold
    if probability.min() < threshold < probability.max():
        axes.contour(across, up, probability, levels=[threshold], colors="black", linewidths=1)
    figure.colorbar(filled, label=f"probability of {_plain(dataset.labels[1])}", ticks=np.linspace(0, 1, 6))
    _scatter(axes, dataset.x_train, dataset.y_train, dataset, "train", filled=True)
    _scatter(axes, dataset.x_test, dataset.y_test, dataset, "test", filled=False)
    axes.set(xlabel=_plain(dataset.features[0].name), ylabel=_plain(dataset.features[1].name))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _scatter(
    axes: Axes,
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.float32],
    dataset: Dataset,
    part: str,
    *,
    filled: bool,
) -> None:
    for index, (color, marker) in enumerate(zip(_COLORS, _MARKERS, strict=True)):
        rows = x[y == index]
        axes.scatter(
            rows[:, 0],
            rows[:, 1],
            s=36,
            marker=marker,
            linewidths=0.8,
            facecolor=color if filled else "white",
            edgecolor="white" if filled else color,
            label=f"{part}: {_plain(dataset.labels[index])}",
        )


def _plain(text: object) -> str:
    """`text` for matplotlib, which would read a formula between dollar signs."""
    return str(text).replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as a box; the name stands in the terminal
        figure.savefig(content, format="png", dpi=120)
    return content.getvalue()
