"""JSON Schema, as OpenAPI 3.1 has it, of what a model takes and of what it answers: made from its signature."""

import math
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, date_text
from edge_runtime.contract.input_ranges import InputRange
from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.contract.values import FLOAT32_MAX, MISSING_WORDS, has_codes

Schema: TypeAlias = dict[str, Any]

_DAY = 86400
_ANY_DATE = 1767139200.0  # 2025-12-31

# A tensor that holds more numbers is too long for an example.
_SHORT = 64

# White space around a value does not count, and neither a missing word nor a null character is a category.
_ABSENT = "|".join(sorted(map(re.escape, MISSING_WORDS)))
_MISSING = rf"^\s*({_ABSENT})\s*$"
_NULL = r"\u0000"

_JSON_TYPES = {"b": "boolean", "f": "number", "i": "integer", "u": "integer", "O": "string"}


def row_schema(signature: Signature) -> Schema:
    """The schema of one row by column name.

    Only columns that always had a value in training are required, and names that are not columns may be there.
    """
    required = [feature.name for feature in signature.features if not feature.missing]
    schema: Schema = {
        "type": "object",
        "properties": {feature.name: feature_schema(feature) for feature in signature.features},
        "required": required,
    }
    if not required and "rows" not in schema["properties"]:
        # Else it would not differ from {"rows": [...]}.
        schema["not"] = {"required": ["rows"]}
    return schema


def values_schema(signature: Signature) -> Schema:
    """The schema of one row by position."""
    count = len(signature.features)
    return {
        "type": "array",
        "prefixItems": [{"title": feature.name, **feature_schema(feature)} for feature in signature.features],
        "minItems": count,
        "maxItems": count,
    }


def feature_schema(feature: Feature) -> Schema:
    """The schema of one column's value: what the model answers, with what training saw of it in the description."""
    schema: Schema = {"description": seen(feature)}
    null = [] if feature.missing is None else ["null"]
    if feature.kind == "boolean":
        kinds = ["boolean"]
        if feature.words is not None:
            kinds.append("string")
            schema["enum"] = [False, True, *feature.words, *(None for _ in null)]
    elif feature.kind == "date":
        kinds = ["string"]
        schema |= {"format": "date" if _has_days_alone(feature) else "date-time", "examples": [_example(feature)]}
    elif feature.kind == "numeric" or has_codes(feature):
        kinds = ["number" if feature.kind == "numeric" else "integer"]
        schema |= {"minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX}
        if feature.notation is not None:
            kinds.append("string")
            schema["pattern"] = _written(feature.notation)
    else:
        kinds = ["string"]
        schema["not"] = {"pattern": _NULL if feature.missing is not None else rf"{_NULL}|{_MISSING}"}
    schema["type"] = kinds[0] if len(kinds + null) == 1 else kinds + null
    if feature.kind in ("numeric", "date") and feature.minimum is not None and feature.maximum is not None:
        as_json = _date if feature.kind == "date" else float
        schema["x-training-range"] = {"minimum": as_json(feature.minimum), "maximum": as_json(feature.maximum)}
    if feature.categories:
        # Not an enum: unknown categories are answered too.
        schema["examples"] = list(feature.categories)
    return schema


def seen(feature: Feature) -> str:
    """What training saw of a feature, in words: `32 to 60 in training; never missing in training`."""
    parts = []
    if feature.minimum is not None and feature.maximum is not None:
        as_text = date_text if feature.kind == "date" else "{:.6g}".format
        low, high = as_text(feature.minimum), as_text(feature.maximum)
        parts.append(f"always {low} in training" if low == high else f"{low} to {high} in training")
    if feature.categories:
        parts.append(f"{len(feature.categories)} categories in training; others are answered as unknown ones")
    if feature.notation is not None:
        parts.append(f"in text written like {feature.notation.example}")
    if feature.missing is None:
        parts.append("may not be missing")
    elif feature.missing == 0:
        parts.append("never missing in training; null if it is")
    else:
        percent = f"{feature.missing:.0%}" if feature.missing >= 0.01 else "less than 1%"
        parts.append(f"{percent} missing in training; null, or absent, if it is")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def example_row(signature: Signature) -> dict[str, Any]:
    """A row of plausible values by column name: the middle of each range, the first of the categories, true."""
    return {feature.name: _example(feature) for feature in signature.features}


def example_cells(signature: Signature) -> list[str]:
    """The values of `example_row` as cells of CSV, in the order of the columns."""
    cells = []
    for feature in signature.features:
        value = _example(feature)
        if isinstance(value, bool):
            value = str(value).lower()
        cells.append(str(value) if feature.notation is None else feature.notation.format(value))
    return cells


def tensor_schema(spec: TensorSpec, ranges: Sequence[InputRange] = ()) -> Schema:
    """The schema of a tensor as nested lists.

    Args:
        spec: the tensor.
        ranges: the integers that the model's inputs may hold.
    """
    element: Schema = {}
    # Without axes it is a scalar, or a tensor of any rank.
    if spec.dtype is not None and spec.shape:
        element["type"] = _JSON_TYPES[spec.dtype.kind]
        if spec.dtype.kind in "iuf":
            info = np.finfo(spec.dtype) if spec.dtype.kind == "f" else np.iinfo(spec.dtype)
            as_json = float if spec.dtype.kind == "f" else int
            element |= {"minimum": as_json(info.min), "maximum": as_json(info.max)}
    for one in ranges:
        if one.name == spec.name and spec.shape:
            low, high = one.bounds
            # The least that all places share.
            element |= {"minimum": int(low.max()), "maximum": int(high.min())}
    for size in reversed(spec.shape):
        # Nested lists do not say how long the others are that an empty list would hold.
        element = {"type": "array", "items": element, "minItems": size if isinstance(size, int) else 1}
        if isinstance(size, int):
            element["maxItems"] = size
    return {"description": str(spec), **element}


def example_tensor(spec: TensorSpec, ranges: Sequence[InputRange] = ()) -> Any:
    """A small tensor as nested lists, 1 where an axis may have any size; None if it would be too long to read."""
    shape = [size if isinstance(size, int) else 1 for size in spec.shape]
    if spec.dtype is None or math.prod(shape) > _SHORT:
        return None
    if spec.dtype.kind == "O":
        return np.full(shape, "text", object).tolist()
    value = np.zeros(shape, spec.dtype)
    for one in ranges:
        if one.name == spec.name:
            low, high = one.bounds
            value = np.clip(value, low, high)
    return value.astype(spec.dtype).tolist()


def answer_schema(signature: Signature) -> Schema:
    """The schema of the answer to one row."""
    number: Schema = {"type": ["number", "null"]}
    if not signature.labels:
        properties: Schema = {"value": {**number, "description": "The value, in the unit of the training target."}}
    else:
        probability = {**number, "minimum": 0, "maximum": 1}
        names = [str(label) for label in signature.labels]
        properties = {
            "label": {"enum": list(signature.labels), "description": _rule(signature)},
            "probability": {**probability, "description": "The probability of the label; null if it is not a number."},
            "probabilities": {
                "type": "object",
                "description": "The probability of each label; with `top`, of the most probable ones.",
                "properties": dict.fromkeys(names, probability),
                "additionalProperties": False,
            },
        }
    required = list(properties)
    if signature.has_features:
        properties["unseen"] = {
            "type": "object",
            "description": "What is unlike everything in the training data, by column, and why; empty if nothing is.",
            "additionalProperties": {"type": "string"},
        }
        required.append("unseen")
    return {"type": "object", "properties": properties, "required": required}


def _rule(signature: Signature) -> str:
    if signature.task != "binary_classification":
        return "The label with the largest probability."
    low, high = signature.labels
    return f"{high} if its probability is above {signature.threshold:g}, else {low}."


def _example(feature: Feature) -> Any:
    if feature.kind == "boolean":
        return True
    if feature.categories:
        return feature.categories[0]
    low, high = feature.minimum, feature.maximum
    if feature.kind == "date":
        middle = _ANY_DATE if low is None or high is None else (low + high) // 2
        return _date(middle // _DAY * _DAY if _has_days_alone(feature) else middle)
    if low is None or high is None:
        return 0
    return _rounded((low + high) / 2, high - low)


def _has_days_alone(feature: Feature) -> bool:
    """Whether dates have no time, as far as training tells."""
    return not any((bound or 0) % _DAY for bound in (feature.minimum, feature.maximum))


def _date(seconds: float) -> str:
    """A date, or a date and a time, as JSON has them: https://www.rfc-editor.org/rfc/rfc3339."""
    day, _, time = date_text(min(max(seconds, FIRST_SECOND), LAST_SECOND)).partition(" ")
    return f"{day}T{time}Z" if time else day


def _written(notation: Notation) -> str:
    """A pattern of numbers in a notation, as every dialect of regular expressions has it; others are read too."""
    # Python escapes more than others take.
    prefix, suffix, grouping, decimal = (
        re.sub(r"\\([ #&~-])", r"\1", re.escape(part))
        for part in (notation.prefix, notation.suffix, notation.grouping, notation.decimal)
    )
    groups = f"|[1-9][0-9]{{0,2}}({grouping}[0-9]{{3}}){{1,3}}" if grouping else ""
    before, after = (f"({prefix} ?)?" if prefix else ""), (f"( ?{suffix})?" if suffix else "")
    return f"^-?{before}([0-9]{{1,12}}{groups})({decimal}[0-9]{{1,12}})?{after}$"


def _rounded(number: float, width: float) -> float | int:
    """`number` with as many digits as a hundredth of `width` needs."""
    if width <= 0 or not math.isfinite(width):
        return number
    digits = max(0, 2 - math.floor(math.log10(width)))
    rounded = round(number, digits)
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded
