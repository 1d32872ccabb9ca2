"""The figures of the report: errors and tolerances, sizes and times."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from edge_export.results import Export
from edge_export.verify.comparison import Comparison, tolerance_used
from edge_export.verify.quantization_budget import MANY
from edge_train.drawing import COLORS
from edge_train.pages.figures import legend_below, percent, powers_of_ten, svg

_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
# float32 does not have smaller errors.
_SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def errors_figure(comparison: Comparison) -> Markup | None:
    """How the errors of torch float32 and of the file are distributed on one kind of inputs; None if there are none."""
    sides = {"torch float32": comparison.torch_errors, "this file": comparison.errors}
    everything = np.concatenate([*sides.values()])
    seen = everything[everything >= _SMALLEST]
    if not seen.size:
        return None
    low, high = np.floor(np.log10(seen.min())), np.floor(np.log10(seen.max())) + 1
    bins = np.logspace(max(low, high - 12), high, 49).tolist()

    def draw(axes: Axes) -> None:
        for (name, errors), color, line in zip(sides.items(), COLORS, _LINES, strict=False):
            some = errors[errors >= _SMALLEST].clip(min=bins[0])
            weights = np.full(some.size, 1 / max(1, errors.size))
            label = f"{name}, {errors.size - some.size:,} of {errors.size:,} exact"
            axes.hist(some, bins, weights=weights, histtype="step", color=color, linestyle=line, label=label)
        axes.set(xscale="log", xlabel="distance from torch in float64", ylabel="fraction of elements")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        powers_of_ten(axes.xaxis)
        axes.yaxis.set_major_formatter(percent)
        legend_below(axes)

    return svg(f"errors: {comparison.probe.kind}", draw)


def tolerance_figure(comparisons: Sequence[Comparison]) -> Markup | None:
    """How many elements use more than a fraction of their tolerance, by kind; None if none uses any of it."""
    places = np.linspace(0, 1, 201)
    curves = {}
    for comparison in comparisons:
        used = np.sort(tolerance_used(comparison.errors, comparison.tolerance))
        if used.size and used[-1] > 0:
            beyond = 1 - np.searchsorted(used, places, side="right") / used.size
            curves[comparison.probe.kind] = np.where(beyond > 0, beyond, np.nan)
    if not curves:
        return None

    def draw(axes: Axes) -> None:
        for (name, beyond), color, line in zip(curves.items(), COLORS, _LINES, strict=False):
            axes.plot(places, beyond, color=color, linestyle=line, label=name)
        axes.axvline(1, color="black", linewidth=1)
        axes.set(yscale="log", xlim=(0, 1.03), xlabel="fraction of the tolerance", ylabel="elements that use more")
        axes.set_ylim(top=1.5)
        axes.xaxis.set_major_formatter(percent)
        axes.yaxis.set_major_formatter(percent)
        legend_below(axes)

    return svg("use of the tolerance", draw)


def sizes_figure(exports: Sequence[Export]) -> Markup:
    """The size of each file."""

    def draw(axes: Axes) -> None:
        sizes = [made.size / 1024 for made in exports]
        axes.bar_label(axes.barh(_kinds(exports), sizes, color=COLORS[0]), fmt="{:,.3g}", padding=2)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set(xlabel="KiB")

    return svg("size", draw)


def times_figure(exports: Sequence[Export], batched: bool) -> Markup:
    """The times of lower precisions as multiples of float32's, medians and quartiles, of one call if not `batched`."""

    def draw(axes: Axes) -> None:
        measured = [made.measured for made in exports if made.measured is not None]
        ratios = {"one row": [each.one for each in measured], f"{MANY} rows": [each.many for each in measured]}
        if not batched:
            ratios = {"one call": ratios["one row"]}
        places = np.arange(len(exports))
        for (name, times), color, marker, shift in zip(ratios.items(), COLORS, "o^", (-0.12, 0.12), strict=False):
            median, low, high = np.transpose(times)
            axes.errorbar(
                median,
                places + shift,
                xerr=(median - low, high - median),
                fmt=marker,
                color=color,
                capsize=3,
                label=name,
            )
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks(places, _kinds(exports))
        axes.set(xlabel="multiple of float32's time", ylim=(len(exports) - 0.5, -0.5))
        axes.set_xlim(left=0)
        legend_below(axes)

    return svg("time", draw)


def _kinds(exports: Sequence[Export]) -> list[str]:
    return [f"{made.precision} .{made.format}" for made in exports]
