"""Documents that are signatures, and others that a host must refuse."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from edge_runtime import Feature, InvalidModel, Notation, Signature
from edge_runtime.contract.feature import plain_feature


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
        (binary, ("schema_version",), (0, 5, "1", None, True)),
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
        (table, ("inputs", 1, "features"), ([island, features[0]], [sold, island])),
    ]
    changed = (_changed(document, place, value) for document, place, values in changes for value in values)
    for document in (binary, table, images, *changed):
        text = json.dumps(document, ensure_ascii=True)
        yield text, _is_signature(text)
    for text in ("", "[]", "null", "{", '{"schema_version": 1}', json.dumps(binary).replace("probability", "\\ud800")):
        yield text, _is_signature(text)


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
