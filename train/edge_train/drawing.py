"""What the plots of training and the report of an export draw alike: colours, and probabilities over a plane."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure

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
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    # The colours are half transparent, and the page around the picture may be dark.
    axes.set_facecolor("white")
    image = axes.imshow(
        probability,
        origin="lower",
        extent=(*_ends(across), *_ends(up)),
        aspect="auto",
        interpolation="none",
        cmap="RdBu_r",
        norm=BoundaryNorm(np.linspace(0, 1, _STEPS + 1), 256),
        alpha=0.6,
    )
    bar = figure.colorbar(image, label=f"probability of {label}", ticks=np.linspace(0, 1, 6))
    # As hundreds of rectangles it would be most of an SVG picture.
    assert bar.solids is not None
    bar.solids.set_rasterized(True)
    known = probability[np.isfinite(probability)]
    if known.size and known.min() < threshold < known.max():
        # Not quite black: the report's dark page turns black lines white.
        axes.contour(across, up, np.ma.masked_invalid(probability), [threshold], colors="#111111", linewidths=1)
    return bar


def _ends(places: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Where a picture of points at `places` begins and ends: half a step beyond them."""
    step = (places[-1] - places[0]) / (len(places) - 1)
    return float(places[0] - step / 2), float(places[-1] + step / 2)
