"""Pictures of a run, on a white ground, so that they read the same on light and dark pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from benchmarks.models import CONVOLUTIONS
from benchmarks.peers import (
    NUMPY,
    OPENVINO,
    ORT_BINDING,
    ORT_DEFAULT,
    ORT_ONE,
    OURS,
    SKLEARN,
    TORCH,
    TORCHSCRIPT,
)
from benchmarks.results import Results
from benchmarks.shell import LOAD, OTHERS, PREDICT, PYTHON, REST, TORCH_SCRIPT
from benchmarks.timing import Cell

_TITLES = {CONVOLUTIONS: "CNN, 28 x 28 pixels to 10 classes"}
_INK, _FAINT, _GRID = "#1f2328", "#656d76", "#e3e6ea"
_COLORS = {
    OURS: "#d9480f",
    ORT_DEFAULT: "#1864ab",
    ORT_ONE: "#4dabf7",
    ORT_BINDING: "#0b7285",
    TORCH: "#862e9c",
    TORCHSCRIPT: "#be4bdb",
    OPENVINO: "#2b8a3e",
    NUMPY: "#868e96",
    SKLEARN: "#a17f1a",
}
_PART_COLORS = {
    PYTHON: "#adb5bd",
    "numpy": "#4dabf7",
    "onnxruntime": "#1864ab",
    "torch": "#862e9c",
    "typer, click": "#f2b705",
    "edge_runtime": "#d9480f",
    OTHERS: "#ced4da",
    LOAD: "#2b8a3e",
    PREDICT: "#66c23a",
    REST: "#868e96",
}
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _FAINT,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 150,
}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured to `folder`; the files that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(_STYLE):
        figures = {
            "latency": _latency(results["latency"]) if "latency" in results else None,
            "throughput": _throughput(results["throughput"]) if "throughput" in results else None,
            "startup": _startup(results["startup"]) if "startup" in results else None,
        }
        written = {folder / f"{name}.png": figure for name, figure in figures.items() if figure is not None}
        for path, figure in written.items():
            figure.savefig(path, bbox_inches="tight", pad_inches=0.25)
            plt.close(figure)
    return list(written)


def _latency(models: Mapping[str, Cell]) -> Any:
    """Horizontal bars for each model, the fastest on top; a log scale, as the slowest takes fifty times as long."""
    figure, grid = plt.subplots(
        2, 2, figsize=(13, 8.2), layout=ConstrainedLayoutEngine(h_pad=0.12, wspace=0.06, hspace=0.06), sharex=True
    )
    everything = [value["median"] * 1e6 for cell in models.values() for value in cell["seconds"].values()]
    low, high = min(everything) / 1.6, max(everything)
    for axes, (model, cell) in zip(grid.flat, models.items(), strict=False):
        ranked = sorted(cell["seconds"].items(), key=lambda item: -item[1]["median"])
        for place, (name, value) in enumerate(ranked):
            middle = value["median"] * 1e6
            color = _COLORS[OURS] if name == OURS else "#b6bfc9"
            axes.barh(place, middle - low, left=low, height=0.72, color=color)
            weight = "bold" if name == OURS else "normal"
            axes.text(middle * 1.06, place, _short(middle), va="center", weight=weight, color=_INK)
        axes.set_yticks(range(len(ranked)), [name for name, _ in ranked])
        for label in axes.get_yticklabels():
            ours = label.get_text() == OURS
            label.set(color=_COLORS[OURS] if ours else _INK, weight="bold" if ours else "normal")
        axes.set_xscale("log")
        axes.set_xlim(low, high * 1.9)
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.tick_params(length=0)
        axes.grid(axis="x", color=_GRID)
        axes.set_axisbelow(True)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title(_TITLES.get(model, model))
    for axes in grid[-1]:
        axes.set_xlabel("microseconds, log scale")
    figure.suptitle(
        "One row, from a Python list to its answer (shorter is better)", x=0.01, ha="left", size=15, weight="bold"
    )
    return figure


def _throughput(models: Mapping[str, Mapping[str, Cell]]) -> Any:
    """Lines of rows a second by the number of rows in a call, for each model, with the names at their ends."""
    figure, grid = plt.subplots(
        2, 2, figsize=(14, 10.5), layout=ConstrainedLayoutEngine(h_pad=0.12, wspace=0.08, hspace=0.06)
    )
    for axes, (model, cells) in zip(grid.flat, models.items(), strict=False):
        measured = [int(batch) for batch, cell in cells.items() if cell["seconds"]]
        names = list(dict.fromkeys(name for cell in cells.values() for name in cell["seconds"]))
        ends: list[tuple[str, float, float]] = []
        for name in sorted(names, key=lambda name: name == OURS):
            points = [
                (int(batch), int(batch) / cell["seconds"][name]["median"])
                for batch, cell in cells.items()
                if name in cell["seconds"]
            ]
            x, y = zip(*points, strict=True)
            ours = name == OURS
            axes.plot(
                *(x, y),
                color=_COLORS[name],
                linewidth=3 if ours else 1.5,
                marker="o",
                markersize=6 if ours else 3.5,
                zorder=3 if ours else 2,
            )
            ends.append((name, x[-1], y[-1]))
        axes.set(xscale="log", yscale="log", title=_TITLES.get(model, model))
        axes.set_xlim(0.7, max(measured) * 1.15)
        axes.set_xticks(measured, [f"{batch:,}" for batch in measured])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _rate(value)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="both", length=0)
        axes.grid(color=_GRID)
        axes.set_axisbelow(True)
        _label_ends(axes, ends)
    for axes in grid[-1]:
        axes.set_xlabel("rows in one call, log scale")
    for axes in grid[:, 0]:
        axes.set_ylabel("rows a second, log scale")
    figure.suptitle("Many rows (higher is better)", x=0.01, ha="left", size=15, weight="bold")
    return figure


def _label_ends(axes: Any, ends: list[tuple[str, float, float]]) -> None:
    """Write names right of the plot, each at the height where its line ends or as near as the others let it."""
    figure = axes.figure
    figure.canvas.draw()
    to_share = axes.transAxes.inverted()
    heights = [(float(to_share.transform(axes.transData.transform((x, y)))[1]), name) for name, x, y in ends]
    step = 0.062
    placed: list[tuple[float, str]] = []
    for height, name in sorted(heights):
        placed.append((max(height, placed[-1][0] + step) if placed else max(height, 0.0), name))
    # What was pushed over the top comes down again, and pushes what is below it.
    top = 1.0
    for place in range(len(placed) - 1, -1, -1):
        height, name = placed[place]
        placed[place] = (min(height, top), name)
        top = placed[place][0] - step
    ended = {name: height for height, name in heights}
    for height, name in placed:
        weight = "bold" if name == OURS else "normal"
        leader = {"color": _COLORS[name], "linewidth": 0.8, "clip_on": False, "transform": axes.transAxes}
        axes.plot([1.005, 1.045], [ended[name], height], **leader)
        axes.text(1.055, height, name, transform=axes.transAxes, va="center", color=_COLORS[name], weight=weight)


def _startup(commands: Mapping[str, Mapping[str, float]]) -> Any:
    """Stacked bars of whole commands: all of them on one scale, and those without torch on a larger one."""
    close = {name: parts for name, parts in commands.items() if name != TORCH_SCRIPT}
    figure, (near, far) = plt.subplots(
        2,
        1,
        figsize=(13, 6.4),
        layout=ConstrainedLayoutEngine(h_pad=0.12, hspace=0.1),
        height_ratios=[len(close) + 0.4, len(commands)],
    )
    _stacks(near, close)
    _stacks(far, commands)
    far.set_title("the same beside torch", size=11, weight="normal", color=_FAINT)
    far.set_xlabel("milliseconds of wall time")
    present = [part for part in _PART_COLORS if any(part in parts for parts in commands.values())]
    handles = [Patch(color=_PART_COLORS[part]) for part in present]
    figure.legend(
        handles, present, loc="outside right center", frameon=False, handlelength=1, handleheight=1, labelspacing=0.7
    )
    figure.suptitle("From the shell to one answer (shorter is better)", x=0.01, ha="left", size=15, weight="bold")
    return figure


def _stacks(axes: Any, commands: Mapping[str, Mapping[str, float]]) -> None:
    longest = max(sum(parts.values()) for parts in commands.values()) * 1e3
    for place, parts in enumerate(list(commands.values())[::-1]):
        left = 0.0
        for part, seconds in parts.items():
            width = seconds * 1e3
            axes.barh(place, width, left=left, height=0.62, color=_PART_COLORS[part], edgecolor="white", linewidth=0.8)
            if width > longest * 0.035:
                ink = "white" if part in ("onnxruntime", "torch", "edge_runtime", LOAD, REST) else _INK
                axes.text(left + width / 2, place, f"{width:.0f}", ha="center", va="center", color=ink, size=10)
            left += width
        axes.text(left + longest * 0.008, place, f"{left:,.0f} ms", va="center", weight="bold")
    axes.set_yticks(range(len(commands)), list(commands)[::-1], color=_INK)
    axes.set_xlim(0, longest * 1.09)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=_GRID)
    axes.set_axisbelow(True)
    axes.spines[["left", "bottom"]].set_visible(False)


def _short(microseconds: float) -> str:
    """A time for a label: two digits, no exponent."""
    return f"{microseconds:,.0f}" if microseconds >= 10 else f"{microseconds:.2g}"


def _rate(rows: float) -> str:
    """Rows a second for an axis."""
    for factor, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rows >= factor:
            return f"{rows / factor:g} {unit}"
    return f"{rows:g}"
