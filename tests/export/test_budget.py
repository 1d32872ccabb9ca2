"""What a lower precision may cost."""

import pytest

from edge_export import Budget, ExportError

NAN, INF = float("nan"), float("inf")


def test_the_default() -> None:
    assert Budget() == Budget(flips=0.01, change=0.05)


@pytest.mark.parametrize(("flips", "change"), [(0, 0), (1, 1e9)])
def test_what_may_be(flips: float, change: float) -> None:
    assert (Budget(flips, change).flips, Budget(flips, change).change) == (flips, change)


@pytest.mark.parametrize("flips", [-0.1, 1.1, NAN])
def test_flips_are_a_fraction(flips: float) -> None:
    with pytest.raises(ExportError, match=rf"max flips is {flips}; give a fraction of the rows, from 0 to 1"):
        Budget(flips=flips)


@pytest.mark.parametrize("change", [-0.1, INF, NAN])
def test_a_change_is_a_finite_number(change: float) -> None:
    with pytest.raises(ExportError, match=rf"max change is {change}; give a number from 0 on"):
        Budget(change=change)
