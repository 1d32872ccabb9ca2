"""Who is ahead over all tables: mean ranks, and how often a contestant is the best, close to it, or the worst."""

from collections.abc import Iterable, Mapping
from statistics import mean

from scipy.stats import rankdata

from benchmarks.quality.cells import Means


def mean_ranks(means: Means, upwards: bool) -> dict[str, float]:
    """The mean rank of every contestant that was measured on each table; ties have the average of their ranks.

    Args:
        means: of one score.
        upwards: whether more is better.

    Returns:
        From 1 for the best. Empty if there are no tables.
    """
    who = _on_all_tables(means)
    sign = -1 if upwards else 1
    ranks = [rankdata([sign * found[name].value for name in who]) for found in means.values()]
    return {name: float(mean(table[place] for table in ranks)) for place, name in enumerate(who) if ranks}


def within_one_error(means: Means, upwards: bool, who: str) -> list[str]:
    """The tables on which `who` is at most one standard error of the best one behind it."""
    sign = 1 if upwards else -1
    found = []
    for table, contestants in means.items():
        best = max(contestants.values(), key=lambda value: sign * value.value)
        if who in contestants and sign * contestants[who].value >= sign * best.value - best.error:
            found.append(table)
    return found


def best(means: Means, upwards: bool, who: str) -> list[str]:
    """The tables on which not a single contestant is ahead of `who`."""
    sign = 1 if upwards else -1
    return [
        table
        for table, found in means.items()
        if who in found and all(sign * other.value <= sign * found[who].value for other in found.values())
    ]


def worst(means: Means, upwards: bool, who: str) -> list[str]:
    """The tables on which every other contestant is ahead of `who`; none where there is no other."""
    sign = 1 if upwards else -1
    return [
        table
        for table, found in means.items()
        if who in found
        and len(found) > 1
        and all(sign * other.value > sign * found[who].value for name, other in found.items() if name != who)
    ]


def place(ranks: Mapping[str, float], who: str) -> int:
    """The place of `who` by mean rank, from 1; who has the same mean rank shares a place."""
    return 1 + sum(rank < ranks[who] for rank in ranks.values())


def _on_all_tables(means: Means) -> list[str]:
    """Contestants with a mean on each table, in the order of the first one."""
    tables: Iterable[Mapping[str, object]] = means.values()
    first = next(iter(tables), {})
    return [name for name in first if all(name in found for found in means.values())]
