"""The drawing of the rooms in docs/architecture.md fits the code."""

from rooms import PAGE, with_drawing


def test_the_drawing_fits_the_code() -> None:
    page = PAGE.read_text()
    assert page == with_drawing(page), "draw it anew: python tests/helpers/rooms.py"
