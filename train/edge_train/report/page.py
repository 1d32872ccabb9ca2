"""One HTML page on a training run: the data as it was understood, the training, and how good the network is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from edge_train.dataset import Dataset
from edge_train.drawing import COLORS
from edge_train.loop.settings import Settings
from edge_train.loop.training_run import TrainingRun
from edge_train.pages.figures import as_svg, page_style, shortened, svg
from edge_train.pages.template import filled_in
from edge_train.plots import plot_figures
from edge_train.report.histograms import histograms

# More cannot be told apart in a picture, and more cells of a matrix do not fit.
_MOST_BARS, MOST_CELLS = 12, 20
_WIDEST = 6.0  # inches, of a picture
_TITLES = {
    "loss.png": "loss",
    "data.png": "data",
    "decision_regions.png": "decision regions",
    "confusion_matrix.png": "confusion matrix",
    "roc.png": "ROC",
    "calibration.png": "calibration",
    "predicted_against_true.png": "predicted against true values",
}


def write_report(dataset: Dataset, settings: Settings, run: TrainingRun, document: Mapping[str, Any]) -> str:
    """An HTML page on a training run. It needs nothing else: no other file, no network, no scripts.

    The same run gives the same page, byte for byte: it says nothing of the time or the place.

    Args:
        dataset: the rows; some of them to test.
        settings: how the network was trained.
        run: what came of it.
        document: what metrics.json holds.
    """
    signature = dataset.signature
    return filled_in(
        "edge_train.report",
        "page.html.j2",
        dataset=dataset,
        signature=signature,
        description=dataset.description,
        histograms={name: bars(counts) for name, counts in histograms(dataset).items()},
        parts=_parts(dataset),
        classes=_classes(dataset),
        target=_target_figure(dataset),
        settings={name.replace("_", " "): _shown(value) for name, value in asdict(settings).items()},
        network=repr(run.model),
        run=run,
        figures=_figures(dataset, run),
        measures=[(name, value) for name, value in document["test"].items() if isinstance(value, float | int)],
        ensemble=document["test"].get("ensemble"),
        confusion=_confusion(document["test"].get("confusion_matrix")),
        importance=document.get("importance"),
        metrics=list(_flat(document)),
        most_cells=MOST_CELLS,
    )


def bars(counts: Sequence[int]) -> str:
    """The bars of a small picture as the path of an SVG element: each 1 wide, the highest of them 10 high."""
    highest = max(counts, default=0)
    heights = [10 * count / highest if highest else 0 for count in counts]
    # What is there is seen, however rare.
    tops = [10 - max(height, 0.4) if height else 10 for height in heights]
    return "".join(f"M{place} 10V{top:.4g}h.9V10z" for place, top in enumerate(tops))


def _parts(dataset: Dataset) -> dict[str, int]:
    """How many rows each part has."""
    parts = {"train": dataset.train, "test": dataset.test}
    return {name: len(part) for name, part in parts.items() if part is not None}


def _classes(dataset: Dataset) -> list[tuple[str, list[int]]]:
    """How many rows of each part each class has."""
    parts = [part for part in (dataset.train, dataset.test) if part is not None]
    count = len(dataset.signature.labels)
    counts = [np.bincount(part.target.astype(np.int64), minlength=count).tolist() for part in parts] if count else []
    return [(str(label), list(rows)) for label, *rows in zip(dataset.signature.labels, *counts, strict=True)]


def _target_figure(dataset: Dataset) -> Markup | None:
    """How the target is distributed in the training rows; None for many classes, which a table shows."""
    labels, target = dataset.signature.labels, dataset.train.target

    def draw_values(axes: Axes) -> None:
        axes.hist(target.astype(np.float64), bins=40, color=COLORS[0])
        axes.set(xlabel="value", ylabel="training rows")

    def draw_classes(axes: Axes) -> None:
        counts = np.bincount(target.astype(np.int64), minlength=len(labels))
        drawn = axes.barh(range(len(labels)), counts, color=COLORS[0])
        axes.bar_label(drawn, fmt="{:,.0f}", padding=2)
        axes.set_yticks(range(len(labels)), [shortened(label) for label in labels])
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set(xlabel="training rows")

    if labels:
        return svg("target", draw_classes) if len(labels) <= _MOST_BARS else None
    return svg("target", draw_values)


def _figures(dataset: Dataset, run: TrainingRun) -> dict[str, Markup]:
    """The plots of the run by their names without the ending, as elements of the page."""
    with page_style():
        drawn = plot_figures(dataset, run)
        for figure in drawn.values():
            # Plots are drawn for themselves, larger than in the page.
            scale = min(0.8, _WIDEST / figure.get_figwidth())
            figure.set_size_inches(scale * figure.get_figwidth(), scale * figure.get_figheight())
        return {name.removesuffix(".png"): as_svg(_TITLES[name], figure) for name, figure in drawn.items()}


def _confusion(counts: list[list[int]] | None) -> list[dict[str, Any]]:
    """The rows of the confusion matrix, with each class's recall and precision; None where it has no rows."""
    if counts is None:
        return []
    matrix = np.array(counts)
    rows, predicted = matrix.sum(1), matrix.sum(0)
    wrong = matrix - np.diag(np.diag(matrix))
    return [
        {
            "counts": counts[place],
            "fractions": (matrix[place] / max(1, rows[place])).tolist(),
            "rows": int(rows[place]),
            "recall": matrix[place, place] / rows[place] if rows[place] else None,
            "precision": matrix[place, place] / predicted[place] if predicted[place] else None,
            "taken_for": int(wrong[place].argmax()) if wrong[place].any() else None,
        }
        for place in range(len(matrix))
    ]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """What metrics.json holds, each value with the path to it, but what the page shows as a picture or a table."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name != "confusion_matrix" and path != "importance":
                yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(one, Mapping | list) for one in value):
        for place, each in enumerate(value):
            yield from _flat(each, f"{path}[{place}]")
    else:
        yield path, _shown(value)


def _shown(value: Any) -> str:
    """A setting or a measure in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple) and value:
        return ", ".join(map(_shown, value))
    return "none" if value is None or value == [] else str(value)
