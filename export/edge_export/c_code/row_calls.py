"""Calls C code with the rows of a table, as programs do: its structs, enums and labels mean what the signature says."""

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from edge_export.c_code.compiler import load_library
from edge_export.c_code.files import CCode, rendered
from edge_export.c_code.rows import RowFace, row_face
from edge_export.errors import ExportError
from edge_export.formats.unknown_categories import spellings
from edge_export.tensors import Array, Run, Tensors
from edge_runtime.contract.category_codes import MISSING, UNKNOWN, codes_of, last_code
from edge_runtime.contract.dates import FIRST_SECOND, LAST_SECOND, MISSING_DATE
from edge_runtime.contract.signature import Feature, Signature

_REFUSED, _ANSWERED = 0, 1


def load_rows(code: CCode, signature: Signature, command: Sequence[str], others: Run) -> Run:
    """What NAME_predict and NAME_predict_batch answer, as tensors.

    Args:
        code: a model with rows.
        signature: what they mean.
        command: what it is compiled with.
        others: computes what is not in an answer, and the rows that tensors can hold and a row cannot, such as half a
            boolean.

    Returns:
        Raises ExportError if a row is refused that must be answered or the other way round, or if the label of an
        answer is not that of its probabilities.

    Raises:
        ExportError: it cannot be compiled, or strings or labels are not those of the signature.
    """
    face = row_face(signature, code.prefix)
    library = load_library(code, rendered("row_calls.c.j2", code, {"face": face}), command)
    _check_labels(library, code, signature)
    _check_strings(library, face)
    function = library.answers
    function.argtypes = [ctypes.c_size_t, *(ctypes.c_void_p for _ in range(len(face.columns) + 4))]

    def run(tensors: Tensors) -> Tensors:
        columns = list(_columns(tensors, signature))
        count = len(columns[0])
        probabilities = np.empty((count, max(1, len(signature.labels))), np.float32)
        probability, label, status = np.empty(count, np.float32), np.empty(count, np.int32), np.empty(count, np.uint8)
        arrays = (*columns, probabilities, probability, label, status)
        if function(count, *(array.ctypes.data for array in arrays)):
            raise MemoryError
        _check_status(code, columns, status, signature)
        is_answered = status == _ANSWERED
        _check_decisions(code, probabilities[is_answered], probability[is_answered], label[is_answered], signature)
        found = dict(others(tensors))
        values = found[signature.output]
        values[is_answered] = probabilities[is_answered, -values.shape[1] :]
        return found

    return run


def _columns(tensors: Tensors, signature: Signature) -> Iterator[Array]:
    """The values of each feature, in the order of the signature's."""
    columns = {
        feature.name: tensors[tensor.name][:, place]
        for tensor in signature.inputs
        for place, feature in enumerate(tensor.features)
    }
    for feature in signature.features:
        yield np.ascontiguousarray(columns[feature.name], np.int64 if _is_integer(feature) else np.float32)


def _is_integer(feature: Feature) -> bool:
    return feature.kind in ("categorical", "date")


def _check_status(code: CCode, columns: Sequence[Array], status: Array, signature: Signature) -> None:
    expected = np.logical_and.reduce(
        [_are_values(column, feature) for column, feature in zip(columns, signature.features, strict=True)]
    )
    for row in np.flatnonzero(status != np.where(expected, _ANSWERED, _REFUSED))[:1]:
        values = dict(zip(signature.feature_names, (column[row].item() for column in columns), strict=True))
        must = f"must {'answer' if expected[row] else 'refuse'}, alone and in a batch"
        raise ExportError(f"{code.prefix}_predict does not do with the row {values} what it {must}")


def _are_values(column: Array, feature: Feature) -> npt.NDArray[np.bool_]:
    """Which numbers of a tensor a row can hold."""
    match feature.kind:
        case "boolean":
            known, missing = (column == 0) | (column == 1), np.isnan(column)
        case "categorical":
            missing = column == MISSING
            known = (column >= 0) & (column <= last_code(feature)) & ~missing
        case "date":
            known, missing = (column >= FIRST_SECOND) & (column <= LAST_SECOND), column == MISSING_DATE
        case _:
            return np.ones(len(column), np.bool_)
    return np.asarray(known if feature.missing is None else known | missing)


def _check_decisions(code: CCode, probabilities: Array, probability: Array, label: Array, signature: Signature) -> None:
    if signature.task == "regression":
        return
    expected = signature.predicted(probabilities)
    same = (label == expected) & _are_equal(probability, np.take_along_axis(probabilities, expected[:, None], 1)[:, 0])
    if signature.task == "binary_classification":
        same &= _are_equal(probabilities[:, 0], 1 - probabilities[:, 1])
    for row in np.flatnonzero(~same)[:1]:
        raise ExportError(
            f"{code.prefix}_predict answers with the label {label[row]} and its probability {probability[row]:.9g}, "
            f"and the probabilities are {', '.join(f'{one:.9g}' for one in probabilities[row])}"
        )


def _are_equal(some: Array, others: Array) -> npt.NDArray[np.bool_]:
    return np.asarray((some == others) | (np.isnan(some) & np.isnan(others)))


def _check_labels(library: ctypes.CDLL, code: CCode, signature: Signature) -> None:
    if not signature.labels:
        return
    names = (ctypes.c_char_p * len(signature.labels)).in_dll(library, f"{code.prefix}_label_names")
    for found, label in zip(names, signature.labels, strict=True):
        if found != _in_c(str(label)):
            raise ExportError(f"the C code calls the label {str(label)!r} {found!r}")


def _check_strings(library: ctypes.CDLL, face: RowFace) -> None:
    """See that categories and strings that are much like them have their codes."""
    for column in face.columns:
        if not column.codes:
            continue
        function = library[f"{column.type}_of"]
        function.argtypes = [ctypes.c_char_p]
        known, (_, unknown) = codes_of(column.feature), spellings(column.feature)
        for text, expected in [*known.items(), *((text, UNKNOWN) for text in unknown)]:
            # In C, a string ends at its first null character.
            if "\0" not in text and (found := function(text.encode())) != expected:
                raise ExportError(f"{column.type}_of({text!r}) gives {found} in C, and the code is {expected}")
        if (found := function(None)) != MISSING:
            raise ExportError(f"{column.type}_of(NULL) gives {found} in C, and the code is {MISSING}")


def _in_c(text: str) -> bytes:
    return text.encode().split(b"\0")[0]
