"""The peers, each with its defaults and the preparation of columns that its documentation asks for.

Columns of ISO dates are numbers of days for all of them. What else they need is in the functions below; categories and
means are those of the training rows.
"""

import importlib.metadata
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.quality.real_tables import RealTable

Array = npt.NDArray[Any]
Frames = tuple[pd.DataFrame, pd.DataFrame]

BOOSTING, LIGHTGBM, CATBOOST, FOREST, LINEAR = "HistGB", "LightGBM", "CatBoost", "random forest", "linear"
REALMLP, TABM = "RealMLP", "TabM"
# scikit-learn's boosting takes no more in one column.
_MOST_CATEGORIES = 255


@dataclass(frozen=True)
class Peer:
    """A contestant.

    Attributes:
        package: whose version its figures belong to.
        prepare: the columns of the training rows and the held-out rows, as it takes them.
        make: the estimator, of the prepared training rows and of whether the task is regression.
    """

    package: str
    prepare: Callable[[pd.DataFrame, pd.DataFrame], Frames]
    make: Callable[[pd.DataFrame, bool], Any]

    @property
    def version(self) -> str:
        """The package with its version.

        Raises:
            PackageNotFoundError: it is not installed.
        """
        return f"{self.package} {importlib.metadata.version(self.package)}"

    def answers(self, table: RealTable, rows: Array, held: Array) -> tuple[Array, float]:
        """Learn from `rows` of `table` and answer `held`.

        Returns:
            As `scores` takes answers; and the seconds that `fit` took.
        """
        train, rest = self.prepare(*_plain(table.features, rows, held))
        estimator = self.make(train, table.values)
        start = time.perf_counter()
        estimator.fit(train, table.actual[rows])
        seconds = time.perf_counter() - start
        found = np.asarray(estimator.predict(rest) if table.values else estimator.predict_proba(rest))
        return (found.reshape(-1) if table.values else found), seconds


def _plain(features: pd.DataFrame, rows: Array, held: Array) -> Frames:
    """Columns of float64, and of strings with None where a value is missing; their names have no marks in them."""
    made = {}
    for place, name in enumerate(features):
        column = features[name]
        if pd.api.types.is_numeric_dtype(column) and column.dtype != bool:
            made[f"c{place}"] = column.astype(np.float64)
        elif (days := _days(column)) is not None:
            made[f"c{place}"] = days
        else:
            made[f"c{place}"] = column.map(str, na_action="ignore").astype(object).where(column.notna(), None)
    frame = pd.DataFrame(made)
    return frame.iloc[rows].reset_index(drop=True), frame.iloc[held].reset_index(drop=True)


def _days(column: pd.Series) -> pd.Series | None:
    """Days since 1970, if every value is an ISO date, with a time or without."""
    words = column.dropna().map(str)
    if not len(words) or not words.str.match(r"\d{4}-\d\d-\d\d").all():
        return None
    times = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _strings(frame: pd.DataFrame) -> list[str]:
    return [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]


def worded(train: pd.DataFrame, held: pd.DataFrame) -> Frames:
    """Missing strings as a string, which is how CatBoost's documentation has them."""
    names = _strings(train)
    return train.fillna(dict.fromkeys(names, "nan")), held.fillna(dict.fromkeys(names, "nan"))


def categorical(train: pd.DataFrame, held: pd.DataFrame) -> Frames:
    """Strings as pandas's categories; an unknown category is a missing value."""
    train, held = train.copy(), held.copy()
    for name in _strings(train):
        known = sorted(train[name].dropna().unique())
        train[name] = pd.Categorical(train[name], categories=known)
        held[name] = pd.Categorical(held[name].where(held[name].isin(known)), categories=known)
    return train, held


def few_categories(train: pd.DataFrame, held: pd.DataFrame) -> Frames:
    """The same, with codes as numbers where there are more categories than scikit-learn's boosting takes."""
    return _coded(train, held, more_than=_MOST_CATEGORIES)


def coded(train: pd.DataFrame, held: pd.DataFrame) -> Frames:
    """Strings as places in the alphabetical order of categories; NaN for missing values and unknown categories."""
    return _coded(train, held, more_than=-1)


def _coded(train: pd.DataFrame, held: pd.DataFrame, more_than: int) -> Frames:
    train, held = categorical(train, held)
    many = [name for name in _strings(train) if len(train[name].cat.categories) > more_than]
    for name in many:
        for frame in (train, held):
            codes = frame[name].cat.codes.to_numpy(np.float64)
            frame[name] = np.where(codes < 0, np.nan, codes)
    return train, held


def imputed(train: pd.DataFrame, held: pd.DataFrame) -> Frames:
    """Categories, and numbers without missing values: the mean, and a column that says where they were missing.

    pytabkit's networks refuse missing numbers.
    """
    train, held = categorical(train, held)
    for name in [name for name in train if pd.api.types.is_numeric_dtype(train[name])]:
        mean = train[name].mean() if train[name].notna().any() else 0.0
        some_missing = train[name].isna().any()
        for frame in (train, held):
            if some_missing:
                frame[f"{name} is missing"] = frame[name].isna().astype(np.float64)
            frame[name] = frame[name].fillna(mean)
    return train, held


def _boosting(train: pd.DataFrame, values: bool) -> Any:
    return (HistGradientBoostingRegressor if values else HistGradientBoostingClassifier)(random_state=0)


def _forest(train: pd.DataFrame, values: bool) -> Any:
    return (RandomForestRegressor if values else RandomForestClassifier)(random_state=0, n_jobs=-1)


def _linear(train: pd.DataFrame, values: bool) -> Any:
    """One-hot and standardized; with a hundred iterations, the default, logistic regression would stop too early."""
    columns = make_column_transformer(
        (
            make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, Ridge() if values else LogisticRegression(max_iter=1000))


def _lightgbm(train: pd.DataFrame, values: bool) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMRegressor if values else LGBMClassifier)(random_state=0, verbose=-1)


def _catboost(train: pd.DataFrame, values: bool) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    made = CatBoostRegressor if values else CatBoostClassifier
    return made(random_seed=0, verbose=0, cat_features=_strings(train), allow_writing_files=False)


def _pytabkit(name: str) -> Callable[[pd.DataFrame, bool], Any]:
    def make(train: pd.DataFrame, values: bool) -> Any:
        from pytabkit.models.sklearn import sklearn_interfaces

        # It shows what its trainer does otherwise.
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        network = getattr(sklearn_interfaces, f"{name}_{'Regressor' if values else 'Classifier'}")
        return network(random_state=0)

    return make


PEERS: Mapping[str, Peer] = {
    BOOSTING: Peer("scikit-learn", few_categories, _boosting),
    LIGHTGBM: Peer("lightgbm", categorical, _lightgbm),
    CATBOOST: Peer("catboost", worded, _catboost),
    FOREST: Peer("scikit-learn", coded, _forest),
    LINEAR: Peer("scikit-learn", categorical, _linear),
    REALMLP: Peer("pytabkit", imputed, _pytabkit("RealMLP_TD")),
    TABM: Peer("pytabkit", imputed, _pytabkit("TabM_D")),
}
