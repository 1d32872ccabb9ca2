"""Signatures as JSON documents: their schema, and whether a document is one.

A model may have thousands of features. So they are checked together and as they are; `signature` makes objects of them
when somebody asks for one.

Schema version 1:

    {"schema_version": 1,
     "task": "binary_classification",
     "inputs": [{"name": "x", "features": [{"name": "x1", "kind": "numeric", "minimum": -1.9, "maximum": 1.8}, ...]}],
     "output": "probability",
     "labels": [0, 1],
     "threshold": 0.5}

The other tasks are "multiclass_classification", with two labels or more and without a threshold, and "regression",
without labels and threshold. Schema version 2 adds regression, boolean and categorical features, and "columns": the
order of a row's values, if it differs from the order of the features in the inputs:

    {"schema_version": 2,
     "task": "regression",
     "inputs": [{"name": "x", "features": [{"name": "mass", "kind": "numeric", "minimum": 2.7, "maximum": 6.3,
                                            "missing": 0.01},
                                           {"name": "ringed", "kind": "boolean", "missing": 0.0}]},
                {"name": "text", "features": [{"name": "island", "kind": "categorical", "missing": 0.0,
                                               "categories": ["Biscoe", "Dream"]}]}],
     "columns": ["island", "mass", "ringed"],
     "output": "value"}

Schema version 3 adds inputs without features, tensors of any shape and type, such as images. Either all inputs have
features, or none has:

    {"schema_version": 3,
     "task": "multiclass_classification",
     "inputs": [{"name": "image"}],
     "output": "probabilities",
     "labels": ["cat", "dog", "fox"]}

Schema version 4 adds features of dates, and how the text of numbers and booleans is written. Dates have an input of
their own; their minimum and maximum are seconds since 1970-01-01 UTC; "order" is that of dates such as 31.12.2025,
"ymd" if it is absent. What is absent in a "notation" is as in `Notation`:

    {"schema_version": 4,
     "task": "regression",
     "inputs": [{"name": "x", "features": [{"name": "price", "kind": "numeric", "minimum": 2.7, "maximum": 1200.0,
                                            "notation": {"decimal": ",", "grouping": ".", "suffix": "€"}},
                                           {"name": "new", "kind": "boolean", "words": ["nein", "ja"]}]},
                {"name": "date", "features": [{"name": "sold", "kind": "date", "order": "dmy",
                                               "minimum": 1609459200.0, "maximum": 1767139200.0}]}],
     "output": "value"}

Readers may ignore what follows. In every version there may be a "conformal", see `conformal.Conformal`: what intervals
and prediction sets are made of.

     "conformal": {"rows": 99, "ranks": [50, 90, 99], "scores": [1.5, 3.2, 8.9]}

In every version features may have a "baseline", a typical value in training: a number, true or false, a category, or
for dates seconds; the empty string if the value is typically missing.
"""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, cast, get_args

from edge_runtime.contract import schema
from edge_runtime.contract.labels import checked_labels

SCHEMA_VERSION = 4

Kind = Literal["numeric", "boolean", "categorical", "date"]
Order = Literal["ymd", "dmy", "mdy"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]

# What every floating type of an output holds, float16 among them: numpy would warn of a comparison in each call.
_MOST_THRESHOLD = 65504
_KINDS, _TASKS, _ORDERS = frozenset(get_args(Kind)), get_args(Task), get_args(Order)
# Every second of the years 1 to 9999 is far less; float64 has all these integers.
_MOST_SECONDS = 2**53
# Features of these kinds have an input of their own.
_APART = frozenset({"categorical", "date"})
NOTATION_KEYS = ("decimal", "grouping", "prefix", "suffix")
_kind, _name = itemgetter("kind"), itemgetter("name")


def checked_document(document: object) -> Mapping[str, Any]:
    """`document`, if it is a signature. Call it within `schema.reading`.

    Raises:
        InvalidModel: its schema is newer than this version reads.
        KeyError, TypeError, ValueError, OverflowError: it is not a signature; the message says why.
    """
    plain = schema.checked(document, SCHEMA_VERSION, "the signature")
    task, inputs = plain["task"], plain["inputs"]
    if task not in _TASKS:
        raise ValueError(f"unknown task {task!r}")
    # In older versions every input has features.
    names = [_checked_input(tensor, "features" in tensor or plain["schema_version"] < 3) for tensor in inputs]
    if not names or len(set(map(bool, names))) > 1:
        raise ValueError("some of its inputs have features, and others have none" if names else "it has no inputs")
    if len(inputs) > 1 and len(set(map(_name, inputs))) < len(inputs):
        raise ValueError("two inputs have the same name")
    all_names = names[0] if len(names) == 1 else [name for one in names for name in one]
    if len(set(all_names)) < len(all_names):
        raise ValueError("two features have the same name")
    columns = list(map(schema.text, plain.get("columns", ())))
    if columns and sorted(columns) != sorted(all_names):
        raise ValueError("its columns are not the names of its features")
    schema.text(plain["output"])
    if task != "regression":
        checked_labels(plain["labels"], task == "binary_classification")
    if task == "binary_classification":
        _check_number(plain["threshold"])
        if abs(plain["threshold"]) > _MOST_THRESHOLD:
            raise ValueError(f"the threshold {plain['threshold']!r} is beyond what a probability can be")
    return plain


def _checked_input(plain: Mapping[str, Any], has_features: bool) -> list[str]:
    """The names of the features of an input."""
    schema.text(plain["name"])
    return _checked_features(plain["features"]) if has_features else []


def _checked_features(features: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of `features`."""
    kinds = set(map(_kind, features))
    if not kinds <= _KINDS:
        raise ValueError(f"unknown kind of feature {min(kinds - _KINDS)!r}")
    if not kinds or (len(kinds) > 1 and kinds & _APART):
        raise ValueError("an input must have features, and categorical features and dates must have one of their own")
    names = list(map(_name, features))
    if set(map(type, names)) != {str}:
        list(map(schema.text, names))
    # Often none has anything but these two.
    if set(map(len, features)) != {2} or "categorical" in kinds:
        for feature in features:
            _check_values(feature)
    return names


def _check_values(feature: Mapping[str, Any]) -> None:
    for key in ("minimum", "maximum", "missing"):
        if (number := feature.get(key)) is not None:
            _check_number(number)
    if feature["kind"] == "categorical":
        _check_categories(feature["categories"])
    if "order" in feature and feature["order"] not in _ORDERS:
        raise ValueError(f"unknown order of dates {feature['order']!r}")
    if feature.get("words") is not None:
        _check_words(feature["words"])
    if feature.get("baseline") is not None:
        _check_baseline(feature["baseline"], feature)
    if feature.get("notation") is not None:
        # Few models have one, and opening the others does not wait for it.
        from edge_runtime.contract.notation import Notation, check_notation

        check_notation(Notation(**{key: feature["notation"].get(key, getattr(Notation, key)) for key in NOTATION_KEYS}))


def _check_words(plain: object) -> None:
    if not isinstance(plain, Sequence) or isinstance(plain, str) or list(map(type, plain)) != [str, str]:
        raise TypeError("the words of a boolean are not two strings")
    if len({"", *(word.strip().lower() for word in plain)}) < 3 or any(word != word.strip() for word in plain):
        raise ValueError(f"the words of a boolean {list(plain)} are empty, alike or have white space around them")


def _check_categories(plain: object) -> None:
    if not isinstance(plain, Sequence) or isinstance(plain, str) or {type(one) for one in plain} not in ({str}, {int}):
        raise TypeError("the categories are neither all strings nor all integers")
    if len(set(plain)) < len(plain) or "" in plain:
        raise ValueError("a category is empty, or appears twice")


def _check_baseline(plain: object, feature: Mapping[str, Any]) -> None:
    kind = feature["kind"]
    if plain == "":
        if feature.get("missing") is None:
            raise ValueError("the baseline is a missing value, and the feature does not accept one")
    elif kind == "boolean" or kind == "categorical":
        if type(plain) is not (bool if kind == "boolean" else type(feature["categories"][0])):
            raise TypeError(f"the baseline {plain!r} is not a value of its feature")
    else:
        _check_number(plain)
        if kind == "date" and abs(cast(float, plain)) > _MOST_SECONDS:
            raise ValueError(f"the baseline {plain!r} is not a date")


def _check_number(plain: object) -> None:
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise TypeError(f"{plain!r} is not a finite number")
