"""The signature: what a model takes and what its answer means.

Training writes it into the checkpoint, export carries it into the artifact's metadata as JSON, and the runtime reads it
back. `signature_document` has its schema.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, cast

from edge_runtime.contract import schema
from edge_runtime.contract.feature import Feature as Feature
from edge_runtime.contract.feature import plain_feature, read_feature
from edge_runtime.contract.labels import Label
from edge_runtime.contract.lazy import cached_property
from edge_runtime.contract.signature_document import Kind as Kind
from edge_runtime.contract.signature_document import Order as Order
from edge_runtime.contract.signature_document import Task as Task
from edge_runtime.contract.signature_document import checked_document

if TYPE_CHECKING:
    from edge_runtime.contract.conformal import Conformal

# How many of the signatures that were read last are kept: a model is often opened again, or its weights are new alone.
_KEPT = 8


class _Features:
    """The features of an input that was read: objects are made of its part of the document on first use.

    A descriptor-typed field: https://docs.python.org/3/library/dataclasses.html#descriptor-typed-fields
    """

    def __get__(self, tensor: "Input | None", owner: type) -> tuple[Feature, ...]:
        if tensor is None:
            # The field's default.
            return ()
        if (plain := vars(tensor).get("_plain")) is not None:
            vars(tensor)["features"] = tuple(map(read_feature, plain))
            vars(tensor).pop("_plain", None)
        features: tuple[Feature, ...] = vars(tensor)["features"]
        return features


@dataclass(frozen=True)
class Input:
    """One input tensor: rows of named features, shape (batch, number of features), or anything, such as images.

    If its features are categorical, it holds strings (integers as `str` writes them), and the empty string is a missing
    value. If they are dates, it holds int64: seconds since 1970-01-01 UTC, and -2**63 is a missing value. Otherwise it
    holds floating-point numbers: NaN is a missing value, 1 is true and 0 is false. Without features it has the shape
    and type that the graph declares.

    Attributes:
        name: the tensor's name in the graph.
        features: the features of its columns, in order; all of them are categorical, or none is, and all of them are
            dates, or none is. Empty if its columns have no names.
    """

    name: str
    features: tuple[Feature, ...] = cast(Any, _Features())

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features, in order."""
        plain = vars(self).get("_plain")
        return tuple(map(attrgetter("name"), self.features) if plain is None else map(itemgetter("name"), plain))

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of its features."""
        plain = vars(self).get("_plain")
        return frozenset(map(attrgetter("kind"), self.features) if plain is None else map(itemgetter("kind"), plain))

    @property
    def feature_count(self) -> int:
        """How many features it has."""
        return len(vars(self).get("_plain") or self.features)

    @property
    def holds_strings(self) -> bool:
        """Whether its features are strings."""
        plain = vars(self).get("_plain")
        # All of them, or none.
        return "categorical" in (self.kinds if plain is None else plain[0]["kind"])

    @property
    def holds_dates(self) -> bool:
        """Whether its features are dates."""
        plain = vars(self).get("_plain")
        return "date" in (self.kinds if plain is None else plain[0]["kind"])

    def __repr__(self) -> str:
        if not self.feature_count:
            return f"Input({self.name!r})"
        return f"Input({self.name!r}, {_counted(self.feature_names, 'feature')})"


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
        conformal: what intervals and prediction sets are made of; None if the model has none.
    """

    inputs: tuple[Input, ...]
    output: str
    labels: tuple[Label, ...]
    task: Task = "binary_classification"
    threshold: float = 0.5
    columns: tuple[str, ...] = ()
    conformal: "Conformal | None" = None

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features of all inputs, in the order of a row's values."""
        features = {feature.name: feature for tensor in self.inputs for feature in tensor.features}
        return tuple(features[name] for name in self.columns or features)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of `features`."""
        return self.columns or tuple(name for tensor in self.inputs for name in tensor.feature_names)

    @property
    def has_features(self) -> bool:
        """Whether the inputs are rows of named features, and not tensors such as images."""
        return any(tensor.feature_count for tensor in self.inputs)

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
            {"name": tensor.name, "features": [plain_feature(feature) for feature in tensor.features]}
            if tensor.features
            else {"name": tensor.name}
            for tensor in self.inputs
        ]
        for key in ("labels", "columns"):
            if not plain[key]:
                del plain[key]
            else:
                plain[key] = list(plain[key])
        if self.conformal is None:
            del plain["conformal"]
        else:
            from edge_runtime.contract.conformal import plain_conformal

            plain["conformal"] = plain_conformal(self.conformal)
        return plain

    @property
    def _schema_version(self) -> int:
        """The oldest schema that can express this signature, so that older versions can read it."""
        if not self.has_features:
            return 3
        kinds = {kind for tensor in self.inputs for kind in tensor.kinds}
        if "date" in kinds or any(one.notation or one.words for tensor in self.inputs for one in tensor.features):
            return 4
        return 1 if kinds == {"numeric"} and self.task != "regression" and not self.columns else 2

    def to_json(self) -> str:
        """The JSON that an artifact carries under `SIGNATURE_KEY`. Equal signatures give equal JSON."""
        # In ASCII: ONNX Runtime's Java cuts the text of metadata short at a character beyond U+FFFF.
        return json.dumps(self.to_dict(), sort_keys=True)

    @classmethod
    def from_dict(cls, plain: object) -> "Signature":
        """The signature in `plain`, as `to_dict` wrote it.

        Raises:
            InvalidModel: it is not a signature, or its schema is newer than this version reads.
        """
        with schema.reading("the signature"):
            schema.refuse_half_characters(plain)
            signature = _read(plain)
        # Made now: what was passed may change later.
        signature.features  # noqa: B018
        return signature

    @classmethod
    @functools.lru_cache(maxsize=_KEPT)
    def from_json(cls, text: str) -> "Signature":
        """The signature in `text`, as `to_json` wrote it; the same object for the last texts.

        Raises:
            InvalidModel: as `from_dict`.
        """
        with schema.reading("the signature"):
            return _read(schema.parsed(text))

    def __repr__(self) -> str:
        labels = f", {_counted(self.labels, 'label')}" if self.labels else ""
        taken = _counted(self.features, "feature") if self.has_features else _counted(self.inputs, "tensor")
        return f"Signature({self.task}, {taken}{labels})"


def default_features(count: int) -> tuple[Feature, ...]:
    """`count` numeric features with the names x1, x2, ..., for a model whose columns have no names."""
    return tuple(Feature(f"x{column}") for column in range(1, count + 1))


def _read(document: object) -> Signature:
    plain = checked_document(document)
    binary, regression = plain["task"] == "binary_classification", plain["task"] == "regression"
    return Signature(
        inputs=tuple(map(_input, plain["inputs"])),
        output=plain["output"],
        labels=() if regression else tuple(plain["labels"]),
        task=plain["task"],
        threshold=float(plain["threshold"]) if binary else Signature.threshold,
        columns=tuple(plain.get("columns", ())),
        conformal=_conformal(plain.get("conformal"), plain["task"]),
    )


def _conformal(plain: Mapping[str, Any] | None, task: Task) -> "Conformal | None":
    if plain is None:
        return None
    # Opening a model without it does not wait for it.
    from edge_runtime.contract.conformal import read_conformal

    return read_conformal(plain, task)


def _input(plain: Mapping[str, Any]) -> Input:
    if "features" not in plain:
        return Input(plain["name"])
    found = {"name": plain["name"], "_plain": plain["features"]}
    object.__setattr__(tensor := object.__new__(Input), "__dict__", found)
    return tensor


def _counted(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"
