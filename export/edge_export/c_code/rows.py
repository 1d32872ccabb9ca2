"""A table's face in C: a struct for a row, another for its answer, and what a value must be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_export.c_code.literals import Names, literal
from edge_export.errors import ExportError
from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, last_code
from edge_runtime.contract.signature import Feature, Signature

# Those of variables in the function that answers a row, which its arrays may not have.
LOCAL_NAMES = ("row", "answer", "found", "best", "is_nan")


@dataclass(frozen=True)
class Column:
    """A member of the struct for a row.

    Attributes:
        feature: what it holds.
        field: its name.
        type: its type.
        note: what it holds, in words.
        invalid: the condition that it is not a value of the feature; None if everything is one.
        codes: of a category the names of all codes, in their order.
        spelled: how each category is spelled, and the name of its code, in the order of strcmp.
    """

    feature: Feature
    field: str
    type: str
    note: str
    invalid: str | None
    codes: tuple[str, ...] = ()
    spelled: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class InputArray:
    """What a tensor is made of.

    Attributes:
        tensor: its name in the signature.
        name: of the array in C.
        type: of its elements.
        columns: whose members are in it, in order.
    """

    tensor: str
    name: str
    type: str
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class RowFace:
    """All that is declared for rows.

    Attributes:
        columns: of a row, in order.
        inputs: the tensors that they are put into.
        has_dates: whether a column holds dates.
        labels: the names of the labels, in order; none for regression.
        texts: the labels as they are written.
        threshold: of the binary task, as C writes it; else None.
    """

    columns: tuple[Column, ...]
    inputs: tuple[InputArray, ...]
    has_dates: bool
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    threshold: str | None

    @property
    def names(self) -> list[str]:
        """What the header declares of columns and labels."""
        types = [column.type for column in self.columns if column.codes]
        codes = [code for column in self.columns for code in column.codes]
        return [*types, *(f"{one}_of" for one in types), *codes, *self.labels]


def declared_names(prefix: str) -> list[str]:
    """What every header and every test may declare, whatever the columns are called."""
    functions = [
        "answer",
        "checksum",
        "date",
        "label",
        "label_names",
        "predict",
        "predict_batch",
        "row",
        "run",
        "verify",
    ]
    constants = ["H", "INVALID", "LABELS", "MISSING_DATE", "OK", "WITHOUT_MAIN"]
    return [*(f"{prefix}_{one}" for one in functions), *(f"{prefix.upper()}_{one}" for one in constants)]


def row_face(signature: Signature, prefix: str) -> RowFace:
    """The names and types for the rows of a signature; what is not in a struct begins with `prefix`.

    Raises:
        ExportError: a category or a label cannot be written in UTF-8.
    """
    for text in (*signature.labels, *(each for feature in signature.features for each in feature.categories)):
        try:
            str(text).encode()
        except UnicodeEncodeError as error:
            raise ExportError(f"{text!r} cannot be written in UTF-8; rename that label or category") from error
    # Some of what is declared are macros, which would replace the names of members, too.
    fields, names = Names(declared_names(prefix)), Names(declared_names(prefix))
    columns = {feature.name: _column(feature, prefix, fields, names) for feature in signature.features}
    arrays = Names([*LOCAL_NAMES, *declared_names(prefix)])
    inputs = [
        InputArray(
            tensor.name,
            arrays.new(tensor.name),
            "int64_t" if tensor.holds_strings or tensor.holds_dates else "float",
            tuple(columns[feature.name] for feature in tensor.features),
        )
        for tensor in signature.inputs
    ]
    threshold = np.float32(signature.threshold)
    return RowFace(
        tuple(columns.values()),
        tuple(inputs),
        any(feature.kind == "date" for feature in signature.features),
        tuple(names.new(f"{prefix.upper()}_LABEL_{str(label).upper()}") for label in signature.labels),
        tuple(map(str, signature.labels)),
        literal(threshold, threshold.dtype) if signature.task == "binary_classification" else None,
    )


def _column(feature: Feature, prefix: str, fields: Names, names: Names) -> Column:
    field = fields.new(feature.name)
    codes: Sequence[str] = ()
    kind = "int64_t" if feature.kind == "date" else "float"
    if feature.kind == "categorical":
        kind = names.new(f"{prefix}_{field}", "_of")
        words = ("UNKNOWN", "MISSING", *(str(each).upper() for each in feature.categories))
        codes = [names.new(f"{prefix.upper()}_{field.upper()}_{word}") for word in words]
    pairs = zip(map(str, feature.categories), codes[FIRST_CATEGORY:], strict=True)
    # In C, a string ends at its first null character: no text is such a category.
    spelled = tuple(sorted((pair for pair in pairs if "\0" not in pair[0]), key=lambda pair: pair[0].encode()))
    return Column(feature, field, kind, _note(feature), _invalid(feature, f"row->{field}"), tuple(codes), spelled)


def _invalid(feature: Feature, member: str) -> str | None:
    takes_missing = feature.missing is not None
    match feature.kind:
        case "boolean":
            return f"{member} != 0 && {member} != 1{f' && !isnan({member})' if takes_missing else ''}"
        case "categorical":
            condition = f"(int){member} < 0 || (int){member} > {last_code(feature)}"
            return condition if takes_missing else f"{condition} || (int){member} == {MISSING}"
        case "date":
            # The years that dates have: 1 to 9999.
            outside = f"{member} < INT64_C(-62135596800) || {member} > INT64_C(253402300799)"
            return f"{member} != INT64_MIN && ({outside})" if takes_missing else outside
    return None


def _note(feature: Feature) -> str:
    match feature.kind:
        case "boolean":
            what, missing = "1 for true, 0 for false", "NAN"
        case "categorical":
            what, missing = "a category", "MISSING"
        case "date":
            what, missing = "seconds since 1970-01-01 UTC", "INT64_MIN"
        case _:
            what, missing = "a number", "NAN"
            if feature.minimum is not None and feature.maximum is not None:
                what += f", {feature.minimum:g} to {feature.maximum:g} in training"
    return f"{feature.name}: {what}{'' if feature.missing is None else f'; {missing} if missing'}"
