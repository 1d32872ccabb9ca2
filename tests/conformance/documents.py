"""Documents that are signatures or arrays of a certificate, and others that a host must refuse."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime import Feature, InvalidModel, Notation, Signature
from edge_runtime.contract.feature import plain_feature
from edge_runtime.contract.reference_arrays import plain_array, read_array

# The features of a table, and what their baselines are changed to.
BASELINES: tuple[tuple[tuple[Any, ...], tuple[Any, ...]], ...] = (
    (("inputs", 0, "features", 0), (0, -1.5, "", "1", True, [1])),
    (("inputs", 0, "features", 1), ("", 1, "a")),
    (("inputs", 0, "features", 3), (True, False, 1, "", "ja")),
    (("inputs", 1, "features", 0), ("Dream", "unknown", "", 1, False)),
    (("inputs", 2, "features", 0), (0, -86400, 2**53, 2**53 + 2, 1e300, "", "2025-01-01")),
)


def signatures() -> Iterator[tuple[str, bool]]:
    """Documents, and whether each is a signature."""
    features = [plain_feature(Feature("x1", minimum=-2.5, maximum=2.5)), plain_feature(Feature("x2", missing=0.0))]
    island = plain_feature(Feature("island", "categorical", categories=("Biscoe", "Dream")))
    sold = plain_feature(Feature("sold", "date", order="dmy"))
    price = plain_feature(Feature("price", notation=Notation(",", ".", "", "€")))
    flag = plain_feature(Feature("flag", "boolean", words=("nein", "ja")))
    binary: dict[str, Any] = {
        "schema_version": 1,
        "task": "binary_classification",
        "inputs": [{"name": "x", "features": features}],
        "output": "probability",
        "labels": [0, 1],
        "threshold": 0.5,
    }
    table = {
        **binary,
        "schema_version": 4,
        "inputs": [
            {"name": "x", "features": [*features, price, flag]},
            {"name": "text", "features": [island]},
            {"name": "date", "features": [sold]},
        ],
        "columns": ["sold", "island", "x2", "x1", "price", "flag"],
    }
    images = {**binary, "schema_version": 3, "inputs": [{"name": "image"}]}
    # A document, a place in it, and what that is changed to, one after the other: None removes.
    changes: list[tuple[dict[str, Any], tuple[Any, ...], tuple[Any, ...]]] = [
        (binary, ("schema_version",), (0, 5, 6, "1", None, True)),
        (binary, ("task",), ("regression", "multiclass_classification", "ranking", None)),
        (binary, ("labels",), ([1], [0, 1, 2], [0, 0], [0, "1"], ["a", "b"], [True, False], "ab", None)),
        (binary, ("labels",), ([0, 2**63], [0, 2**64], [-(2**63), 1], [-(2**63) - 1, 1], ["a\nb", "c"])),
        (binary, ("threshold",), (0, 65504, 65505, "0.5", True, None)),
        (binary, ("output",), (1, None)),
        (binary, ("inputs",), ([], [{"name": "x"}], [{"name": "x", "features": []}], None)),
        (images, ("inputs",), ([{"name": "a"}, {"name": "a"}], [{"name": "a"}, *binary["inputs"]], [{}])),
        (binary, ("inputs", 0, "name"), (1, None)),
        (binary, ("inputs", 0, "features", 0, "name"), ("x2", 1, None)),
        (binary, ("inputs", 0, "features", 0, "kind"), ("boolean", "categorical", "word", None)),
        (binary, ("inputs", 0, "features", 0, "minimum"), (1, "1", True, None)),
        (binary, ("columns",), (["x2", "x1"], ["x1"], ["x1", "x1"], ["x1", "x3"], [1, 2], [])),
        (table, ("inputs", 0, "features", 2, "notation", "decimal"), (".", ";", "", 1)),
        (table, ("inputs", 0, "features", 2, "notation", "grouping"), ("", ",", "'", "_", None)),
        (table, ("inputs", 0, "features", 2, "notation", "suffix"), ("", " €", "m2", "-", "%", "a" * 31, 5)),
        (table, ("inputs", 0, "features", 3, "words"), (["a", "a"], ["a", "A"], ["a"], [" a", "b"], ["", "b"])),
        (table, ("inputs", 1, "features", 0, "categories"), ([], ["a", "a"], ["", "a"], ["a", 1], [1, 2])),
        (table, ("inputs", 1, "features", 0, "categories"), ([2**60, 2**60 + 1], [True, False], [1.5], "ab")),
        (table, ("inputs", 2, "features", 0, "order"), ("mdy", "ydm", 1)),
        *((table, (*place, "baseline"), values) for place, values in BASELINES),
        (table, ("inputs", 1, "features"), ([island, features[0]], [sold, island])),
    ]
    changed = (_changed(document, place, value) for document, place, values in changes for value in values)
    sets = {**binary, "conformal": {"rows": 99, "ranks": [50, 90], "scores": [0.25, 0.75]}}
    for document in (binary, table, images, sets, *changed):
        text = json.dumps(document, ensure_ascii=True)
        yield text, _is_signature(text)
    for text in ("", "[]", "null", "{", '{"schema_version": 1}', json.dumps(binary).replace("probability", "\\ud800")):
        yield text, _is_signature(text)


# What generates an array: its type, the offset, the scale and the steps.
RULES: tuple[tuple[Any, ...], ...] = (
    *(("float32", -2.5, 2**-20, 5 * 2**20), ("float64", 0.1, 0.5, 2**32), ("float16", -3, 0.25, 30)),
    *(("int64", -5, 1, 11), ("uint8", 0, 1, 256), ("bool", 0, 1, 2), ("int8", 0, 1, 200), ("int64", 0, 2, 3)),
    *(("float32", 0, 3, 5), ("float32", 0, 0, 5), ("float32", 0, -0.5, 5), ("float32", "0", 1, 5)),
    *(("uint8", -1, 1, 5), ("float32", 0, 1, 0), ("float32", 0, 1, 2**32 + 1), ("float32", 0, 1, 2.5)),
    ("string", 0, 1, 2),
)
# What is put in place of a part of an array, and of the type and shape that one is stored in; None removes it.
DAMAGES: dict[str, tuple[Any, ...]] = {
    "dtype": ("float64", "complex64", "bool", 1, None, "string"),
    "shape": ([2], [1, 3], [-1, 2], [1, 2.5], [True, 2], "12", None, [1, 2] + [1] * 63, [2**40, 0]),
    "data": ("AAAAAAAAAA==", "AAAAAAAAAAA", "AAAAAAAAAA A=", "AAAA=AAAAAA=", "?", "", 1, None),
}
STORED: dict[str, tuple[Any, ...]] = {"shape": ([2], [1, 1]), "dtype": ("float64", "int32")}


def arrays() -> Iterator[tuple[dict[str, Any], list[Any] | None]]:
    """Arrays of reference rows as certificates have them, and their elements in C order; None if they are damaged."""
    integers = np.arange(6, dtype=np.int64).reshape(2, 3) + 2**52
    given: list[npt.NDArray[Any]] = [
        np.array([[-1.5, 0.1, np.nan], [np.inf, -np.inf, -0.0]], np.float32),
        *(np.array([0.1, -65504, 6e-8, np.nan, np.inf], dtype) for dtype in (np.float16, np.float64)),
        *(
            np.array([0, 1, np.iinfo(dtype).max], dtype)
            for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.uint32)
        ),
        *(integers, integers.astype(np.uint64), np.array(7, np.int32), np.array([True, False])),
        *(np.empty((0, 2), np.float32), np.array([["Biscoe", ""]], np.object_)),
    ]
    repeated: list[npt.NDArray[Any]] = [np.full((2, 3), 0.25, np.float32), integers - 2**52]
    repeated.append(np.broadcast_to(np.array([[1.0], [2.0]]), (2, 3)))
    plain = [*map(plain_array, given), *(plain_array(one, compact=True) for one in repeated)]
    for dtype, offset, scale, steps in RULES:
        rule = {"seed": 7, "offset": offset, "scale": scale, "steps": steps}
        plain.append({"dtype": dtype, "shape": [2, 4], "generated": rule})
    whole = {"dtype": "float32", "shape": [1, 2]}
    changes: list[dict[str, Any]] = [{key: one} for key, values in DAMAGES.items() for one in values]
    changes += [{"stored": {**whole, key: one}} for key, values in STORED.items() for one in values]
    changes += [{"stored": whole, "shape": shape} for shape in ([3, 2], [3, 3], [2**26, 2])]
    changes += [{"dtype": "bool", "shape": [2], "data": data} for data in ("AAI=", "AAE=")]
    for one in changes:
        changed = {**plain_array(np.zeros((1, 2), np.float32)), **one}
        plain.append({key: value for key, value in changed.items() if value is not None})
    for one in plain:
        yield one, _elements(one)


def _elements(plain: dict[str, Any]) -> list[Any] | None:
    try:
        found = read_array(plain)
    except (KeyError, TypeError, ValueError):
        return None
    # As a float has it: no host needs to tell 2 from 2.0.
    return [one if isinstance(one, str) else json_number(float(one)) for one in found.ravel().tolist()]


def json_number(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _changed(document: dict[str, Any], place: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(document)
    part: Any = found
    for key in place[:-1]:
        part = part[key]
    if value is None:
        part.pop(place[-1], None)
    else:
        part[place[-1]] = value
    return found


def _is_signature(text: str) -> bool:
    try:
        Signature.from_json(text)
    except InvalidModel:
        return False
    return True
