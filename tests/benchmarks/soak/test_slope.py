import random

import pytest
from benchmarks.soak.slope import fit


def series(per_second: float, seconds: int = 120, noise: float = 1.0, seed: int = 0) -> tuple[list[float], list[float]]:
    """Megabytes of a process whose caches fill, which jumps about, and grows."""
    drawn = random.Random(seed)
    at = [float(second) for second in range(seconds)]
    return at, [60 - 30 * 0.8**second + per_second * second + drawn.gauss(0, noise) for second in at]


@pytest.mark.parametrize("seed", range(5))
def test_a_leak_of_a_megabyte_a_second_is_seen(seed: int) -> None:
    slope = fit(*series(1.0, seed=seed))
    assert slope.grows(3)
    assert slope.per_hour == pytest.approx(3600, rel=0.1)


def test_no_leak_is_none() -> None:
    seen = [fit(*series(0.0, seed=seed)) for seed in range(200)]
    assert not any(slope.grows(3) for slope in seen)
    # The interval holds for the whole run, after the warm-up.
    assert sum(slope.low <= 0 <= slope.high for slope in seen) >= 190


def test_a_slow_leak_is_seen_in_a_longer_run() -> None:
    """A megabyte in three minutes, in the noise of one."""
    short, long = (fit(*series(1 / 180, seconds)) for seconds in (60, 900))
    assert long.grows(3)
    assert long.detectable < 20 < short.detectable


def with_arrays(per_second: float, seed: int) -> tuple[list[float], list[float]]:
    """A quarter of an hour of a process in which calls hold up to 20 MB for a moment, most of the time."""
    drawn = random.Random(seed)
    at, values = series(per_second, 900, noise=0.2, seed=seed)
    return at, [value + drawn.choice((0, 0, 1, 8, 12, 20)) for value in values]


@pytest.mark.parametrize("seed", range(20))
def test_what_comes_and_goes_hides_no_leak_and_looks_like_none(seed: int) -> None:
    leak = fit(*with_arrays(50 / 3600, seed))
    assert leak.grows(3)
    assert leak.low < 50 < leak.high
    assert leak.detectable < 16
    assert not fit(*with_arrays(0, seed)).grows(3)


def test_a_few_odd_values_change_nothing() -> None:
    at, values = series(0.0)
    for place in range(40, 110, 9):
        values[place] += 500
    slope = fit(at, values)
    assert not slope.grows(3)
    assert abs(slope.per_hour) < 150


def test_a_step_is_growth_and_a_fall_is_not() -> None:
    at = [float(second) for second in range(100)]
    assert fit(at, [50.0 + 0.2 * max(0, second - 60) for second in range(100)]).grows(3)
    assert not fit(at, [50.0 - second for second in range(100)]).grows(3)


def test_constant_counts() -> None:
    slope = fit([float(second) for second in range(60)], [7.0] * 60)
    assert (slope.per_hour, slope.low, slope.high, slope.begin, slope.end) == (0, 0, 0, 7, 7)


def test_too_few_values_show_nothing() -> None:
    assert not fit([0.0, 1.0], [1.0, 1000.0]).grows(3)
