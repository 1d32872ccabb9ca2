"""The same rows in every form in which they can be passed, beside the tensors that they stand for."""

import datetime
import importlib.util
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from paths import MODELS
from tensor_models import IMAGE

from edge_runtime import Feature, Predictor, Signature

Feed = Mapping[str, npt.NDArray[Any]]
Form = Callable[[list[list[Any]], Signature], Any]

NUMBERS = st.floats(width=32) | st.integers(-1000, 1000).map(float)
_WORDS = st.sampled_from(["Biscoe", "Dream", 'Ö=1, "ö"', "nowhere", "é"])
# Years that the nanoseconds of older pandas hold.
_MOMENTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
_DATES = [_MOMENTS, _MOMENTS.map(datetime.datetime.date), _MOMENTS.map(datetime.datetime.isoformat)]
_EUROS = st.integers(-(10**8), 10**8).map(lambda cents: f"{cents / 100:,.2f} €".translate({44: ".", 46: ","}))
_SIZES = st.integers(0, 5) | st.sampled_from([100, 3000])


def content_of(name: str) -> bytes:
    """The model of that name in tests/runtime/models."""
    return (MODELS / f"{name}.onnx").read_bytes()


@st.composite
def rows_of(draw: st.DrawFn, signature: Signature) -> list[list[Any]]:
    """Rows in the order of the features: a float, a bool, a string or a date for each, None where it is missing.

    All values of a column are of one type. Of numbers with a notation, which must be that of sales.onnx, and of
    booleans with words some columns are strings.
    """
    kinds = {"numeric": NUMBERS, "boolean": st.booleans(), "categorical": _WORDS, "date": draw(st.sampled_from(_DATES))}
    values = []
    for feature in signature.features:
        value: Any = kinds[feature.kind]
        if feature.kind == "categorical" and isinstance(feature.categories[0], int):
            value = st.integers(2005, 2012)
        if feature.notation is not None and draw(st.booleans()):
            value = _EUROS
        if feature.words is not None and draw(st.booleans()):
            value = st.sampled_from([*feature.words, "TRUE", "false"])
        values.append(st.none() | value if feature.missing is not None else value)
    few = draw(st.lists(st.tuples(*values), max_size=5))
    # Many rows are split into batches, and need not all be drawn.
    repeated = few * (draw(st.sampled_from([1, 1, 1, 200])) if few else 1)
    return list(map(list, repeated))


def held(value: Any, feature: Feature) -> Any:
    """What a tensor of numbers or dates holds for a value of `rows_of`."""
    if feature.kind == "date":
        if value is None:
            return -(2**63)
        moment = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(moment, datetime.datetime):
            moment = datetime.datetime(moment.year, moment.month, moment.day)
        return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    if value is None:
        return math.nan
    if not isinstance(value, str):
        return float(value)
    if feature.words is not None:
        return float(value.lower() in ("true", feature.words[1]))
    return float(value.rstrip("€ ").replace(".", "").replace(",", "."))


def tensors_of(rows: list[list[Any]], signature: Signature) -> dict[str, npt.NDArray[Any]]:
    """What `rows` are in the model's inputs, by the rules that the documentation has."""
    places = {feature.name: place for place, feature in enumerate(signature.features)}
    feed = {}
    for tensor in signature.inputs:
        columns = [[row[places[name]] for row in rows] for name in tensor.feature_names]
        if tensor.holds_strings:
            array = np.empty((len(rows), len(columns)), object)
            for place, column in enumerate(columns):
                array[:, place] = ["" if value is None else str(value) for value in column]
        else:
            numbers = [
                [held(value, feature) for value in column]
                for column, feature in zip(columns, tensor.features, strict=True)
            ]
            dtype = np.int64 if tensor.holds_dates else np.float32
            array = np.array(numbers, dtype).T.reshape(len(rows), len(columns))
        feed[tensor.name] = np.ascontiguousarray(array)
    return feed


def _named(rows: list[list[Any]], signature: Signature) -> list[dict[str, Any]]:
    return [dict(zip(signature.feature_names, row, strict=True)) for row in rows]


def _numbers(dtype: Any) -> Form:
    return lambda rows, signature: np.array(rows, dtype).reshape(len(rows), len(signature.features))


def _every_second(rows: list[list[Any]], signature: Signature) -> Any:
    spaced = np.zeros((2 * len(rows), 3 * len(signature.features)), np.float32)
    spaced[::2, ::3] = _numbers(np.float32)(rows, signature)
    return spaced[::2, ::3]


def _read_only(rows: list[list[Any]], signature: Signature) -> Any:
    array = _numbers(np.float32)(rows, signature)
    array.flags.writeable = False
    return array


class _Convertible:
    """What numpy makes an array of, and nothing else knows."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return self._array if dtype is None else self._array.astype(dtype)


# For all rows.
FORMS: dict[str, Form] = {
    "lists": lambda rows, signature: rows,
    "tuples": lambda rows, signature: tuple(map(tuple, rows)),
    "dicts": _named,
    "dicts in another order": lambda rows, signature: [dict(reversed(row.items())) for row in _named(rows, signature)],
    "an iterator": lambda rows, signature: iter(rows),
    "objects": lambda rows, signature: np.array(rows, object).reshape(len(rows), len(signature.features)),
}
# For rows of numbers without missing values.
NUMBER_FORMS: dict[str, Form] = {
    "float32": _numbers(np.float32),
    "float64": _numbers(np.float64),
    "by columns": lambda rows, signature: np.asfortranarray(_numbers(np.float32)(rows, signature)),
    "bytes swapped": _numbers(">f4"),
    "every second one": _every_second,
    "read only": _read_only,
    "masked, with nothing missing": lambda rows, signature: np.ma.masked_array(_numbers(np.float32)(rows, signature)),
    "convertible": lambda rows, signature: _Convertible(_numbers(np.float64)(rows, signature)),
    "strings": lambda rows, signature: [[repr(value) for value in row] for row in rows],
}
# For all rows, if there is one at least.
FRAMES: dict[str, Form] = {}
if importlib.util.find_spec("pandas"):
    import pandas as pd

    FRAMES["pandas"] = lambda rows, signature: pd.DataFrame(rows, columns=list(signature.feature_names))
if importlib.util.find_spec("polars"):
    import polars as pl

    FRAMES["polars"] = lambda rows, signature: pl.DataFrame(_named(rows, signature), infer_schema_length=None)


def forms_for(rows: list[list[Any]]) -> dict[str, Form]:
    """The forms that `rows` may be passed in."""
    are_numbers = all(type(value) is float for row in rows for value in row)
    # A frame of one column of None would have no type.
    return {**FORMS, **(NUMBER_FORMS if are_numbers else {}), **(FRAMES if rows else {})}


def feeds_of(predictor: Predictor) -> st.SearchStrategy[dict[str, npt.NDArray[Any]]]:
    """Tensors for a model whose inputs are not rows of features."""
    sizes = {"image": IMAGE, "x": (2,), "ids": (3,), "mask": (3,), "a": (1,), "b": (1,)}
    dtypes = {spec.name: spec.dtype for spec in predictor.inputs}

    def feed(count: int, number: int) -> dict[str, npt.NDArray[Any]]:
        random = np.random.default_rng(number)
        return {
            name: (
                random.random((count, *sizes[name])) * 4 - (1 if dtype is not None and dtype.kind == "f" else 0)
            ).astype(dtype)
            for name, dtype in dtypes.items()
        }

    return st.builds(feed, _SIZES, st.integers(0, 100))


# Layouts that hold the same numbers.
LAYOUTS: dict[str, Callable[[npt.NDArray[Any]], Any]] = {
    "as declared": lambda array: array,
    "by columns": np.asfortranarray,
    "bytes swapped": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "every second one": lambda array: np.repeat(array, 2, axis=0)[::2],
    "lists": lambda array: array.tolist() if array.size else array,
    "wider": lambda array: array.astype({"f": np.float64, "i": np.int64}.get(array.dtype.kind, array.dtype)),
    "convertible": _Convertible,
}
