"""A table of customers as spreadsheets write it, in two languages, and the same rows cleaned by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

ROWS = 2000
_ZIPS = ("00501", "02139", "05401", "08001", "10001", "33101", "60601", "73301", "94103", "98101")


def _drawn(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    days = np.datetime64("2022-01-01") + random.integers(0, 1461, ROWS)
    month = days.astype("datetime64[M]").astype(int) % 12 + 1
    since = (days - np.datetime64("2024-01-01")).astype(float)
    weekday = (days.astype("datetime64[D]").astype(int) + 3) % 7
    spent = np.round(random.lognormal(6.5, 0.8, ROWS), 2)
    rate = np.round(random.uniform(0, 40, ROWS), 1)
    place = random.integers(0, len(_ZIPS), ROWS)
    member = random.random(ROWS) < 0.4
    odds = (
        1.2 * np.sin(2 * np.pi * month / 12)
        + since / 500
        + 0.8 * (weekday >= 5)
        + 0.7 * (np.log(spent) - 6.5)
        - 0.05 * (rate - 20)
        + 0.8 * (place % 3 - 1)
        + 0.9 * (member - 0.4)
    )
    stays = random.random(ROWS) < 1 / (1 + np.exp(-1.5 * odds))
    return {"days": days, "spent": spent, "rate": rate, "zip": place, "member": member, "stays": stays}


def _table(drawn: dict[str, Any], **columns: Callable[[Any, int], str]) -> pa.Table:
    cells = {}
    for name, written in columns.items():
        column, _, _ = name.partition("_")
        # The same cells in every form of the table.
        is_absent = np.random.default_rng(list(column.encode())).random(ROWS) < 0.03
        cells[name] = ["" if absent else written(drawn[column][row], row) for row, absent in enumerate(is_absent)]
    return pa.table(cells | {"stays": np.where(drawn["stays"], "stays", "leaves")})


def american(seed: int) -> pa.Table:
    """With $1,234.50, 16.4%, 2025-12-31, 02139, and Yes and No."""
    return _table(
        _drawn(seed),
        spent=lambda value, _: f"${value:,.2f}",
        rate=lambda value, _: f"{value:.1f}%",
        days=lambda value, _: str(value),
        zip=lambda value, _: _ZIPS[value],
        member=lambda value, row: (("No", "no"), ("Yes", "yes"))[int(value)][row % 2],
    )


def german(seed: int) -> pa.Table:
    """With 1.234,50 €, 16,4 %, 31.12.2025, 02139, and ja and nein."""

    def amount(value: float) -> str:
        return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))

    return _table(
        _drawn(seed),
        spent=lambda value, _: f"{amount(value)} €",
        rate=lambda value, _: f"{amount(value)} %",
        days=lambda value, _: value.item().strftime("%d.%m.%Y"),
        zip=lambda value, _: _ZIPS[value],
        member=lambda value, _: ("nein", "ja")[int(value)],
    )


def cleaned(seed: int) -> pa.Table:
    """With plain numbers, dates as columns of numbers, and words for codes."""
    epoch = np.datetime64("2022-01-01")
    return _table(
        _drawn(seed),
        spent=lambda value, _: str(value),
        rate=lambda value, _: str(value),
        days_since=lambda value, _: str((value - epoch).astype(int)),
        days_year=lambda value, _: str(value.item().year),
        days_month=lambda value, _: str(value.item().month),
        days_day=lambda value, _: str(value.item().day),
        days_weekday=lambda value, _: str(value.item().weekday()),
        zip=lambda value, _: f"zip {_ZIPS[value]}",
        member=lambda value, _: str(bool(value)),
    )
