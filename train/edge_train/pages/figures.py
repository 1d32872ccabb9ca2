"""The figures of a page: SVG in the page's own colours and font, so that it reads in light and in dark."""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

# What matplotlib draws in these takes the page's colours instead.
_PAGE_COLORS = {"#000000": "currentColor", "#0072b2": "var(--blue)", "#d55e00": "var(--orange)"}
_STYLE: dict[Any, Any] = {
    "axes.facecolor": "none",
    "axes.formatter.useoffset": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "figure.facecolor": "none",
    "font.size": 9,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    # A label or the name of a feature may hold dollar signs, and is not a formula.
    "text.parse_math": False,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextlib.contextmanager
def page_style() -> Iterator[None]:
    """Figures made inside look as the page does; no warning of glyphs, since the page's font draws them."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        yield


def svg(title: str, draw: Callable[[Axes], None]) -> Markup:
    """What `draw` draws on the axes that it is given, as an element of the page; equal drawings give equal text."""
    with page_style():
        figure = Figure(figsize=(3.5, 3.1), layout="constrained")
        draw(figure.add_subplot(title=title))
        return as_svg(title, figure)


def as_svg(title: str, figure: Figure) -> Markup:
    """A figure, made in the `page_style`, as an element of the page that has `title` as its name."""
    content = io.BytesIO()
    with page_style(), matplotlib.rc_context({"svg.hashsalt": title}):
        figure.savefig(content, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    drawn = content.getvalue().decode()
    for color, ours in _PAGE_COLORS.items():
        drawn = drawn.replace(color, ours)
    # Every picture's groups have the same names, and nothing refers to them.
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    return Markup(f'<svg role="img" aria-label="{escape(title)}"' + drawn[drawn.index("<svg") + len("<svg") :])


def powers_of_ten(axis: Axis) -> None:
    """Label a logarithmic axis as the page's tables write numbers."""
    axis.set_major_formatter("{x:.0e}")
    axis.set_minor_formatter("")


def percent(fraction: float, _: float) -> str:
    """How an axis of fractions is labelled."""
    return f"{100 * fraction:.3g}%"


def legend_below(axes: Axes) -> None:
    """Put the legend below the axes, where it hides nothing."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    figure.legend(loc="outside lower center")


def shortened(text: object) -> str:
    """`text`, shortened to fit into a picture; without bytes that are not text, which the name of a file may hold."""
    plain = str(text).encode(errors="replace").decode()
    return plain if len(plain) <= 32 else f"{plain[:31]}…"
