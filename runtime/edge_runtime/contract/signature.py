"""The signature: what a model takes and what its answer means.

Defined once, here on the light side. Training writes it into the checkpoint, export carries it into the artifact's
metadata as JSON, and the runtime reads it back. Schema version 1:

    {"schema_version": 1,
     "task": "binary_classification",
     "inputs": [{"name": "x", "features": [{"name": "x1", "kind": "numeric", "minimum": -1.9, "maximum": 1.8}, ...]}],
     "output": "probability",
     "labels": [0, 1],
     "threshold": 0.5}

The other tasks are "multiclass_classification", of two labels or more and without a threshold, and "regression",
without both. Schema version 2 adds that task, two kinds of features beside numbers, and "columns", the order of a row's
values where it is not that of the inputs:

    {"schema_version": 2,
     "task": "regression",
     "inputs": [{"name": "x", "features": [{"name": "mass", "kind": "numeric", "minimum": 2.7, "maximum": 6.3,
                                            "missing": 0.01},
                                           {"name": "ringed", "kind": "boolean", "missing": 0.0}]},
                {"name": "text", "features": [{"name": "island", "kind": "categorical", "missing": 0.0,
                                               "categories": ["Biscoe", "Dream"]}]}],
     "columns": ["island", "mass", "ringed"],
     "output": "value"}
"""

import contextlib
import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from edge_runtime.contract import schema

SCHEMA_VERSION = 2

Label: TypeAlias = int | float | str | bool
Kind = Literal["numeric", "boolean", "categorical"]
Task = Literal["binary_classification", "multiclass_classification", "regression"]

_KINDS, _TASKS = get_args(Kind), get_args(Task)


@dataclass(frozen=True)
class Feature:
    """One column of a row.

    Attributes:
        name: the column's name in the training table.
        kind: what the column holds; "numeric" is a finite number, "boolean" true (1) or false (0), "categorical" one of
            some texts, or of some integers that are codes.
        minimum: the smallest number seen in training, in the column's own unit; None if not known.
        maximum: the largest number seen in training; None if not known.
        missing: the share of training rows in which there was no value, from 0 to 1; None if the model does not take
            rows with gaps in this column.
        categories: of the categorical kind alone: those seen in training, all texts or all integers. The model takes
            others too, as unknown.
    """

    name: str
    kind: Kind = "numeric"
    minimum: float | None = None
    maximum: float | None = None
    missing: float | None = None
    categories: tuple[str, ...] | tuple[int, ...] = ()

    @functools.cached_property
    def spellings(self) -> Mapping[object, str]:
        """How the categories that are texts are spelled: by the text, the number that it is, (True,) or (False,)."""
        found: dict[object, str] = {}
        for text in map(str, self.categories):
            with contextlib.suppress(ValueError):
                found.setdefault(float(text), text)
            if text.lower() in ("true", "false"):
                found.setdefault((text.lower() == "true",), text)
            found[text] = text
        return found


@dataclass(frozen=True)
class Input:
    """One input tensor, of shape (batch, number of features): which feature stands in which column.

    It holds either floating-point numbers, where NaN is a gap, true is 1 and false 0; or, where all of its features are
    categorical, texts (integers as `str` writes them), where the empty text is a gap.
    """

    name: str
    features: tuple[Feature, ...]

    @property
    def holds_strings(self) -> bool:
        """Whether it holds texts."""
        return self.features[0].kind == "categorical"


@dataclass(frozen=True)
class Signature:
    """What a model takes and what its answer means.

    Attributes:
        inputs: the input tensors and the features in their columns.
        output: the output tensor. It holds, in the binary task, the probability of `labels[1]`, shape (batch, 1); in
            the multiclass task, the probability of each label, shape (batch, classes); in regression, the value, in the
            target's own unit, shape (batch, 1).
        labels: the classes, in the order of `predict_proba`'s columns; none in regression.
        task: what kind of question the model answers.
        threshold: of the binary task alone: `labels[1]` is predicted where its probability is above this, `labels[0]`
            elsewhere (NaN included).
        columns: the names of all features in the order of a row's values, where that is not their order in `inputs`.
    """

    inputs: tuple[Input, ...]
    output: str
    labels: tuple[Label, ...]
    task: Task = "binary_classification"
    threshold: float = 0.5
    columns: tuple[str, ...] = ()

    @functools.cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features of a row, in the order of its values, over all inputs."""
        features = {feature.name: feature for tensor in self.inputs for feature in tensor.features}
        return tuple(features[name] for name in self.columns or features)

    def is_positive(self, probability: Any) -> Any:
        """Whether `labels[1]` of a binary task is predicted where it has this probability.

        A bool, or an array of them for an array.
        """
        return probability > self.threshold

    def predicted(self, output: Any) -> Any:
        """Where in `labels` the predicted one stands; not for regression.

        Args:
            output: what the output tensor holds, or what `predict_proba` gives: a floating numpy array of shape
                (rows, 1) or (rows, classes).

        Returns:
            Integers of numpy's index type, shape (rows,). A row with NaN gets 0.
        """
        if self.task == "binary_classification":
            return self.is_positive(output[:, -1]).astype("intp")
        # numpy would take NaN for the largest.
        return output.argmax(axis=1) * (output == output).all(axis=1)

    def to_dict(self) -> dict[str, Any]:
        """This signature in plain Python types, the form that checkpoints and JSON carry."""
        plain: dict[str, Any] = {"schema_version": self._schema_version, **asdict(self)}
        if self.task != "binary_classification":
            del plain["threshold"]
        plain["inputs"] = [
            {**tensor, "features": [_without_nothing(feature) for feature in tensor["features"]]}
            for tensor in plain["inputs"]
        ]
        for key in ("labels", "columns"):
            if not plain[key]:
                del plain[key]
            else:
                plain[key] = list(plain[key])
        return plain

    @property
    def _schema_version(self) -> int:
        """The oldest that can say it, so that older readers go on reading what they understand."""
        kinds = {feature.kind for feature in self.features}
        return 1 if kinds == {"numeric"} and self.task != "regression" and not self.columns else 2

    def to_json(self) -> str:
        """The JSON that an artifact carries under `SIGNATURE_KEY`; equal signatures give equal text."""
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
        """The signature in `text`, as `to_json` wrote it. Raises InvalidModel as `from_dict` does."""
        with schema.reading("the signature"):
            return _read(json.loads(text))


def default_features(count: int) -> tuple[Feature, ...]:
    """`count` numeric features named x1, x2, ..., for a model whose columns have no names."""
    return tuple(Feature(f"x{column}") for column in range(1, count + 1))


def _read(document: object) -> Signature:
    plain = schema.checked(document, SCHEMA_VERSION, "the signature")
    if plain["task"] not in _TASKS:
        raise ValueError(f"unknown task {plain['task']!r}")
    binary, regression = plain["task"] == "binary_classification", plain["task"] == "regression"
    inputs = tuple(Input(schema.text(tensor["name"]), _features(tensor["features"])) for tensor in plain["inputs"])
    names = [feature.name for tensor in inputs for feature in tensor.features]
    if not names:
        raise ValueError("it names no feature")
    if len(set(names)) < len(names):
        raise ValueError("two features share a name")
    columns = tuple(map(schema.text, plain.get("columns", ())))
    if columns and sorted(columns) != sorted(names):
        raise ValueError("its columns are not its features")
    return Signature(
        inputs=inputs,
        output=schema.text(plain["output"]),
        labels=() if regression else _labels(plain["labels"], binary),
        task=plain["task"],
        threshold=_number(plain["threshold"]) if binary else Signature.threshold,
        columns=columns,
    )


def _without_nothing(feature: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in feature.items()
        if value is not None and value != ()
    }


def _features(plain: Sequence[Mapping[str, Any]]) -> tuple[Feature, ...]:
    for feature in plain:
        if feature["kind"] not in _KINDS:
            raise ValueError(f"unknown kind of feature {feature['kind']!r}")
    if not plain or len({feature["kind"] == "categorical" for feature in plain}) > 1:
        raise ValueError("an input holds either numbers or texts")
    return tuple(
        Feature(
            name=schema.text(feature["name"]),
            kind=feature["kind"],
            minimum=None if feature.get("minimum") is None else _number(feature["minimum"]),
            maximum=None if feature.get("maximum") is None else _number(feature["maximum"]),
            missing=None if feature.get("missing") is None else _number(feature["missing"]),
            categories=_categories(feature["categories"]) if feature["kind"] == "categorical" else (),
        )
        for feature in plain
    )


def _categories(plain: object) -> tuple[Any, ...]:
    if not isinstance(plain, Sequence) or isinstance(plain, str) or {type(one) for one in plain} not in ({str}, {int}):
        raise TypeError("the categories are neither all texts nor all integers")
    if len(set(plain)) < len(plain) or "" in plain:
        raise ValueError("a category is empty, or there twice")
    return tuple(plain)


def _labels(plain: object, binary: bool) -> tuple[Label, ...]:
    if not isinstance(plain, Sequence) or isinstance(plain, str):
        raise TypeError("labels is no list")
    if not all(isinstance(label, Label) for label in plain) or len({type(label) for label in plain}) > 1:
        raise TypeError("the labels are neither all numbers nor all texts")
    # As text they must differ too: JSON answers name them.
    if len(set(map(str, plain))) < max(len(plain), 2) or (binary and len(plain) > 2):
        raise ValueError(f"two different labels{'' if binary else ' or more'} are needed, found {list(plain)}")
    for label in plain:
        if isinstance(label, float) and not math.isfinite(label):
            raise ValueError(f"the label {label} is not finite")
        if isinstance(label, str) and len(label.splitlines()) > 1:
            raise ValueError(f"the label {label!r} has more than one line")
    return tuple(plain)


def _number(plain: object) -> float:
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise TypeError(f"{plain!r} is no finite number")
    return float(plain)
