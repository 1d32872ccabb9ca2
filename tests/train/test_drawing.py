"""What plots and reports draw alike."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from edge_train.drawing import COLORS, draw_probability

ACROSS, UP = np.linspace(-2, 2, 41), np.linspace(0, 10, 21)
# It grows from left to right, and is 0.25 at -1.
RAMP = np.broadcast_to((ACROSS + 2) / 4, (21, 41))


def drawn(probability: np.ndarray, threshold: float = 0.5) -> Figure:
    figure = Figure()
    bar = draw_probability(figure.add_subplot(facecolor="none"), ACROSS, UP, probability, threshold, "yes $x$")
    assert bar.ax is figure.axes[1]
    return figure


def lines(figure: Figure) -> list[np.ndarray]:
    """The places of the threshold's lines."""
    contours = [child for child in figure.axes[0].get_children() if isinstance(child, QuadContourSet)]
    places = [np.asarray(path.vertices) for contour in contours for path in contour.get_paths()]
    return [line for line in places if len(line)]


def test_colours_are_told_apart_and_none_is_black() -> None:
    assert len(set(COLORS)) == len(COLORS) == 7
    assert all(sum(to_rgb(color)) > 0.5 for color in COLORS)


def test_points_lie_where_they_belong() -> None:
    figure = drawn(RAMP)
    axes, (image,) = figure.axes[0], figure.axes[0].images
    # The outermost points are half a step inside.
    assert image.get_extent() == pytest.approx([-2.05, 2.05, -0.25, 10.25])
    shown = image.get_array()
    assert shown is not None
    assert np.allclose(shown, RAMP)
    assert axes.get_xlim() == pytest.approx((-2.05, 2.05))
    assert axes.get_ylim() == pytest.approx((-0.25, 10.25))
    # Red where it is likely, blue where it is not, in steps of 5 %.
    colors = image.to_rgba(np.array([0.01, 0.04, 0.06, 0.99]))
    assert np.array_equal(colors[0], colors[1])
    assert not np.array_equal(colors[1], colors[2])
    assert colors[0][2] > colors[0][0]
    assert colors[3][0] > colors[3][2]


@pytest.mark.parametrize(("threshold", "place"), [(0.5, 0.0), (0.25, -1.0)])
def test_the_line_is_where_the_probability_is_the_threshold(threshold: float, place: float) -> None:
    (line,) = lines(drawn(RAMP, threshold))
    assert np.allclose(line[:, 0], place)
    assert (line[:, 1].min(), line[:, 1].max()) == (0, 10)


def test_no_line_if_one_label_is_everywhere() -> None:
    assert lines(drawn(RAMP, 1.0)) == []
    assert lines(drawn(np.full((21, 41), 0.3))) == []


def test_the_colour_bar_names_the_label() -> None:
    figure = drawn(RAMP)
    assert figure.axes[1].get_ylabel() == "probability of yes $x$"
    assert np.allclose(figure.axes[1].get_yticks(), [0, 0.2, 0.4, 0.6, 0.8, 1])


@pytest.mark.filterwarnings("error")
def test_what_is_not_a_number_stays_white() -> None:
    probability = RAMP.copy()
    probability[:, :10] = np.nan
    figure = drawn(probability)
    pixels = figure.axes[0].images[0].to_rgba(np.ma.masked_invalid(probability))
    assert (pixels[:, :10, 3] == 0).all()
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1)
    assert len(lines(figure)) == 1
    assert lines(drawn(np.full((21, 41), np.nan))) == []


def test_pictures_stay_small_as_svg() -> None:
    """Each point, and each step of the colour bar, would be a shape of its own."""
    content = io.StringIO()
    drawn(RAMP).savefig(content, format="svg")
    assert content.getvalue().count("<image") == 2
    assert content.getvalue().count("<path") < 60
