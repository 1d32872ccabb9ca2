"""What the plots of training and the report of an export draw alike: colours, and values over a plane."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

# The colour-blind tell these apart (Okabe and Ito, Color Universal Design, 2008). Their eighth is black, the colour of
# text and axes.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")

_STEPS = 20


def draw_probability(
    axes: Axes,
    across: npt.NDArray[np.float64],
    up: npt.NDArray[np.float64],
    probability: npt.NDArray[np.floating],
    threshold: float,
    label: str,
) -> Colorbar:
    """Draw the probability of a label over a plane, in steps of 5 %, with a line where it is `threshold`.

    Args:
        axes: what to draw on; its figure gets a colour bar.
        across: the places of the columns, evenly spaced, shape (columns,), two or more.
        up: the places of the rows, likewise, shape (rows,).
        probability: shape (rows, columns), from 0 to 1; NaN stays white.
        threshold: between 0 and 1.
        label: what the colour bar calls the label.

    Returns:
        The colour bar.
    """
    image = draw_on_plane(
        axes, across, up, probability, cmap="RdBu_r", norm=BoundaryNorm(np.linspace(0, 1, _STEPS + 1), 256), alpha=0.6
    )
    bar = add_colorbar(axes, image, f"probability of {label}")
    bar.set_ticks(np.linspace(0, 1, 6).tolist())
    known = probability[np.isfinite(probability)]
    if known.size and known.min() < threshold < known.max():
        # Not quite black: the report's dark page turns black lines white.
        axes.contour(across, up, np.ma.masked_invalid(probability), [threshold], colors="#111111", linewidths=1)
    return bar


def draw_on_plane(
    axes: Axes, across: npt.NDArray[np.float64], up: npt.NDArray[np.float64], values: npt.NDArray[Any], **style: Any
) -> AxesImage:
    """Draw a value, or a colour, at each point of a plane.

    Args:
        axes: what to draw on. It becomes white, since colours may be half transparent and the page dark.
        across: the places of the columns, evenly spaced, shape (columns,), two or more.
        up: the places of the rows, likewise, shape (rows,).
        values: shape (rows, columns), or (rows, columns, 4) for colours.
        style: see matplotlib's `imshow`.
    """
    axes.set_facecolor("white")
    extent = (*_ends(across), *_ends(up))
    return axes.imshow(values, origin="lower", extent=extent, aspect="auto", interpolation="none", **style)


def add_colorbar(axes: Axes, image: AxesImage, label: str) -> Colorbar:
    """Add the colour bar of `image` to the figure of `axes`."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    bar = figure.colorbar(image, label=label)
    # As hundreds of rectangles it would be most of an SVG picture.
    assert bar.solids is not None
    bar.solids.set_rasterized(True)
    return bar


def _ends(places: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Where a picture of points at `places` begins and ends: half a step beyond them."""
    step = (places[-1] - places[0]) / (len(places) - 1)
    return float(places[0] - step / 2), float(places[-1] + step / 2)
