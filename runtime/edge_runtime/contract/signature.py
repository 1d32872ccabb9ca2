"""The signature: what a model takes and what its answer means.

Training writes it into the checkpoint, export carries it into the artifact's metadata as JSON, and the runtime reads it
back. Schema version 1:

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
"""

import contextlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from edge_runtime.contract import schema
from edge_runtime.contract.labels import Label, checked_labels
from edge_runtime.contract.lazy import cached_property

SCHEMA_VERSION = 3

Kind = Literal["numeric", "boolean", "categorical"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]

_KINDS, _TASKS = get_args(Kind), get_args(Task)


@dataclass(frozen=True)
class Feature:
    """One column of a row.

    Attributes:
        name: the column's name in the training table.
        kind: what the column holds: "numeric" finite numbers, "boolean" true (1) or false (0), "categorical" strings,
            or integers that are codes.
        minimum: the smallest number in training, in the column's own unit; None if not known.
        maximum: the largest number in training, in the column's own unit; None if not known.
        missing: the fraction of training rows in which the value was missing, from 0 to 1; None if the model does not
            accept missing values in this column.
        categories: for the categorical kind, the categories in training: all strings, or all integers. The model also
            takes other ones, as unknown categories.
    """

    name: str
    kind: Kind = "numeric"
    minimum: float | None = None
    maximum: float | None = None
    missing: float | None = None
    categories: tuple[str, ...] | tuple[int, ...] = ()

    @cached_property
    def spellings(self) -> Mapping[object, str]:
        """How each category is spelled, by its string, by its number, and by (True,) or (False,) if it is a boolean."""
        found: dict[object, str] = {}
        for text in map(str, self.categories):
            with contextlib.suppress(ValueError):
                if math.isfinite(number := float(text)):
                    found.setdefault(number, text)
            if text.lower() in ("true", "false"):
                found.setdefault((text.lower() == "true",), text)
            found[text] = text
        return found

    def __repr__(self) -> str:
        return f"Feature({self.name!r}, {self.kind})"


@dataclass(frozen=True)
class Input:
    """One input tensor: rows of named features, shape (batch, number of features), or anything, such as images.

    If its features are categorical, it holds strings (integers as `str` writes them), and the empty string is a missing
    value. If they are not, it holds floating-point numbers: NaN is a missing value, 1 is true and 0 is false. Without
    features it has the shape and type that the graph declares.

    Attributes:
        name: the tensor's name in the graph.
        features: the features of its columns, in order; all of them are categorical, or none is. Empty if its columns
            have no names.
    """

    name: str
    features: tuple[Feature, ...] = ()

    @property
    def holds_strings(self) -> bool:
        """Whether its features are strings."""
        return bool(self.features) and self.features[0].kind == "categorical"

    def __repr__(self) -> str:
        if not self.features:
            return f"Input({self.name!r})"
        return f"Input({self.name!r}, {_counted(self.features, 'feature')})"


@dataclass(frozen=True)
class Signature:
    """What a model takes and what its answer means.

    Attributes:
        inputs: the input tensors and the features in their columns; all of them have features, or none has.
        output: the name of the output tensor. In the binary task it holds the probability of `labels[1]`, shape
            (batch, 1). In the multiclass task it holds the probability of each label, shape (batch, classes). In
            regression it holds the value, in the target's own unit, shape (batch, 1).
        labels: the classes, in the order of `predict_proba`'s columns; empty in regression.
        task: what the model predicts.
        threshold: for the binary task: `labels[1]` is predicted if its probability is above the threshold, `labels[0]`
            otherwise (also if the probability is NaN).
        columns: the names of all features in the order of a row's values, if it differs from their order in `inputs`.
    """

    inputs: tuple[Input, ...]
    output: str
    labels: tuple[Label, ...]
    task: Task = "binary_classification"
    threshold: float = 0.5
    columns: tuple[str, ...] = ()

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features of all inputs, in the order of a row's values."""
        features = {feature.name: feature for tensor in self.inputs for feature in tensor.features}
        return tuple(features[name] for name in self.columns or features)

    @property
    def has_features(self) -> bool:
        """Whether the inputs are rows of named features, and not tensors such as images."""
        return bool(self.features)

    def is_positive(self, probability: Any) -> Any:
        """Whether `labels[1]` of a binary task is predicted for this probability of it.

        Args:
            probability: a float, or a floating numpy array of any shape.

        Returns:
            A bool, or an array of bool of the same shape.
        """
        return probability > self.threshold

    def predicted(self, output: Any) -> Any:
        """The index in `labels` of each row's predicted label. Not for regression.

        Args:
            output: the output tensor, or what `predict_proba` returns: a floating numpy array, shape (rows, 1) or
                (rows, classes).

        Returns:
            Integers of numpy's index type, shape (rows,). A row with NaN gets 0.
        """
        if self.task == "binary_classification":
            return self.is_positive(output[:, -1]).astype("intp")
        # numpy would take NaN for the largest.
        return output.argmax(axis=1) * (output == output).all(axis=1)

    def to_dict(self) -> dict[str, Any]:
        """This signature in plain Python types, as checkpoints and JSON carry it."""
        plain: dict[str, Any] = {"schema_version": self._schema_version, **asdict(self)}
        if self.task != "binary_classification":
            del plain["threshold"]
        plain["inputs"] = [
            {"name": tensor.name, "features": [_without_empty(asdict(feature)) for feature in tensor.features]}
            if tensor.features
            else {"name": tensor.name}
            for tensor in self.inputs
        ]
        for key in ("labels", "columns"):
            if not plain[key]:
                del plain[key]
            else:
                plain[key] = list(plain[key])
        return plain

    @property
    def _schema_version(self) -> int:
        """The oldest schema that can express this signature, so that older versions can read it."""
        if not self.has_features:
            return 3
        kinds = {feature.kind for feature in self.features}
        return 1 if kinds == {"numeric"} and self.task != "regression" and not self.columns else 2

    def to_json(self) -> str:
        """The JSON that an artifact carries under `SIGNATURE_KEY`. Equal signatures give equal JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_dict(cls, plain: object) -> "Signature":
        """The signature in `plain`, as `to_dict` wrote it.

        Raises:
            InvalidModel: it is not a signature, or its schema is newer than this version reads.
        """
        with schema.reading("the signature"):
            return _read(plain)

    @classmethod
    def from_json(cls, text: str) -> "Signature":
        """The signature in `text`, as `to_json` wrote it.

        Raises:
            InvalidModel: as `from_dict`.
        """
        with schema.reading("the signature"):
            return _read(json.loads(text))

    def __repr__(self) -> str:
        labels = f", {_counted(self.labels, 'label')}" if self.labels else ""
        taken = _counted(self.features, "feature") if self.has_features else _counted(self.inputs, "tensor")
        return f"Signature({self.task}, {taken}{labels})"


def default_features(count: int) -> tuple[Feature, ...]:
    """`count` numeric features with the names x1, x2, ..., for a model whose columns have no names."""
    return tuple(Feature(f"x{column}") for column in range(1, count + 1))


def _read(document: object) -> Signature:
    plain = schema.checked(document, SCHEMA_VERSION, "the signature")
    if plain["task"] not in _TASKS:
        raise ValueError(f"unknown task {plain['task']!r}")
    binary, regression = plain["task"] == "binary_classification", plain["task"] == "regression"
    inputs = tuple(_input(tensor, plain["schema_version"]) for tensor in plain["inputs"])
    if not inputs or len({bool(tensor.features) for tensor in inputs}) > 1:
        raise ValueError("some of its inputs have features, and others have none" if inputs else "it has no inputs")
    names = [feature.name for tensor in inputs for feature in tensor.features]
    if len(set(names)) < len(names):
        raise ValueError("two features have the same name")
    columns = tuple(map(schema.text, plain.get("columns", ())))
    if columns and sorted(columns) != sorted(names):
        raise ValueError("its columns are not the names of its features")
    return Signature(
        inputs=inputs,
        output=schema.text(plain["output"]),
        labels=() if regression else checked_labels(plain["labels"], binary),
        task=plain["task"],
        threshold=_number(plain["threshold"]) if binary else Signature.threshold,
        columns=columns,
    )


def _counted(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _without_empty(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in feature.items()
        if value is not None and value != ()
    }


def _input(plain: Mapping[str, Any], version: int) -> Input:
    # In older versions every input has features.
    has_features = "features" in plain or version < 3
    return Input(schema.text(plain["name"]), _features(plain["features"]) if has_features else ())


def _features(plain: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    if unknown := {feature["kind"] for feature in plain}.difference(_KINDS):
        raise ValueError(f"unknown kind of feature {min(unknown)!r}")
    if not plain or len({feature["kind"] == "categorical" for feature in plain}) > 1:
        raise ValueError("an input must have features, and categorical features must have an input of their own")
    return tuple(map(_feature, plain))


def _feature(plain: Mapping[str, Any]) -> Feature:
    minimum, maximum, missing = plain.get("minimum"), plain.get("maximum"), plain.get("missing")
    found = {
        **{"name": schema.text(plain["name"]), "kind": plain["kind"]},
        "minimum": None if minimum is None else _number(minimum),
        "maximum": None if maximum is None else _number(maximum),
        "missing": None if missing is None else _number(missing),
        "categories": _categories(plain["categories"]) if plain["kind"] == "categorical" else (),
    }
    # What its constructor does, in a third of the time.
    object.__setattr__(feature := object.__new__(Feature), "__dict__", found)
    return feature


def _categories(plain: object) -> tuple[Any, ...]:
    if not isinstance(plain, Sequence) or isinstance(plain, str) or {type(one) for one in plain} not in ({str}, {int}):
        raise TypeError("the categories are neither all strings nor all integers")
    if len(set(plain)) < len(plain) or "" in plain:
        raise ValueError("a category is empty, or appears twice")
    return tuple(plain)


def _number(plain: object) -> float:
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise TypeError(f"{plain!r} is not a finite number")
    return float(plain)
