"""The figures of a page: the same drawing gives the same text, in the page's own colours."""

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edge_train.pages.figures import as_svg, page_style, shortened, svg


def line(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color="black", label="a $label_")
    axes.plot([0, 1], [1, 0], color="#0072B2")


def test_a_drawing_is_an_element_of_the_page() -> None:
    drawn = svg('<a> & "b"', line)
    assert drawn == svg('<a> & "b"', line)
    assert drawn.startswith('<svg role="img" aria-label="&lt;a&gt; &amp; &#34;b&#34;"')
    assert drawn.rstrip().endswith("</svg>")
    # The page's colours, so that it reads in light and in dark; no names that another picture has too.
    assert "var(--blue)" in drawn
    assert "currentColor" in drawn
    assert "#000000" not in drawn
    assert "<g id=" not in drawn
    assert "<?xml" not in drawn


def test_a_figure_in_the_style_of_the_page() -> None:
    def drawn(title: str) -> str:
        with page_style():
            figure = Figure()
            line(figure.add_subplot())
            return as_svg(title, figure)

    assert drawn("loss") == drawn("loss")
    assert 'aria-label="loss"' in drawn("loss")
    # Nothing behind it: the page may be dark.
    assert "#ffffff" not in drawn("loss")


@pytest.mark.parametrize(
    ("text", "shown"), [("short", "short"), ("x" * 32, "x" * 32), ("x" * 33, "x" * 31 + "…"), ("\udcff", "?"), (3, "3")]
)
def test_names_are_shortened(text: object, shown: str) -> None:
    assert shortened(text) == shown
