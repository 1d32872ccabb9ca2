"""Rows that the user gives: what a model is compared on, calibrated on and measured on."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.formats.string_inputs import string_features
from edge_export.tensors import BATCH, Tensors
from edge_runtime import Feature, Signature
from edge_runtime.contract.array_files import read_arrays
from edge_runtime.contract.category_codes import encode, last_code
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.text_files import OpenedText, delimiter_of, open_text, reading_text
from edge_runtime.rows.arrays import cast_in_range
from edge_runtime.rows.text_rows import in_batches, read_rows

_BATCH = 4096


def read_tensors(path: Path, limits: Limits = DEFAULTS) -> Tensors:
    """The arrays in an .npz file, by name.

    Raises:
        ExportError: it cannot be read, holds more than `limits` allow, or is not an .npz file. Nothing is unpickled.
    """
    arrays = read_arrays(path, ExportError, limits)
    if not isinstance(arrays, dict):
        raise ExportError(f"{path} holds one array without a name; save it with numpy.savez(path, name=array)")
    return arrays


def read_data(path: Path, program: Program, limits: Limits = DEFAULTS) -> Tensors:
    """Rows for `program`: an .npz file with an array for each input, or CSV or JSON Lines with its features.

    Raises:
        ExportError: it cannot be read, or its arrays do not fit the program.
        InvalidInput: a line is not a row of these features, or more is there than `limits` allow.
    """
    if path.suffix == ".npz":
        return fitted(read_tensors(path, limits), program, str(path))
    if program.table is None:
        raise ExportError(f"{path}: this module has no named features; give an .npz file with an array for each input")
    with reading_text(path, ExportError), open_text(str(path), limits) as text:
        return fitted(_read_values(text, program.table, limits), program, str(path))


def _read_values(text: OpenedText, signature: Signature, limits: Limits) -> Tensors:
    """The rows in a text as an artifact takes them: for each input float32 with NaN if missing, strings or dates."""
    rows = read_rows(
        text.lines(are_kept=True), signature.features, text.name, lambda _: None, delimiter_of(text.name), limits
    )
    places = {feature.name: place for place, feature in enumerate(signature.features)}
    parts: dict[str, list[npt.NDArray[Any]]] = {tensor.name: [] for tensor in signature.inputs}
    # As arrays, which take less memory than rows of Python's numbers.
    for batch in in_batches(rows, _BATCH):
        columns = list(zip(*batch, strict=True))
        for tensor in signature.inputs:
            values = [columns[places[feature.name]] for feature in tensor.features]
            dtype = object if tensor.holds_strings else np.int64 if tensor.holds_dates else np.float32
            parts[tensor.name].append(np.array(values, dtype).T)
    return {name: np.concatenate(found) for name, found in parts.items()}


def fitted(data: Tensors, program: Program, source: str) -> Tensors:
    """`data` as `program` takes it: every input, of its type and shape; axes that share a name have one size.

    For an input that the signature says holds strings, arrays of `str` become their codes; integers are codes already.
    For one that holds dates, numpy's datetime64 become seconds; integers are seconds already.

    Raises:
        ExportError: it does not fit.
    """
    taken = {}
    strings = string_features(program.signature)
    tensors = () if program.signature is None else program.signature.inputs
    dates = {tensor.name for tensor in tensors if tensor.holds_dates}
    named: dict[str, int] = {}
    for spec in program.inputs:
        if spec.name not in data:
            raise ExportError(f"{source} lacks {spec.name}; it holds {', '.join(map(str, data)) or 'nothing'}")
        values = np.asarray(data[spec.name])
        sizes = zip(spec.shape, values.shape, strict=False)
        if values.ndim != len(spec.shape) or any(isinstance(size, int) and size != found for size, found in sizes):
            shape = ", ".join(map(str, spec.shape))
            raise ExportError(f"{source}: {spec.name} has the shape {list(values.shape)}; [{shape}] is needed")
        if spec.name in strings:
            values = _codes(values, strings[spec.name], f"{source}: {spec.name}")
        if values.dtype.kind == "M" and spec.name in dates:
            values = values.astype("datetime64[s]").astype(np.int64)
        if values.dtype.kind != spec.dtype.kind and not (values.dtype.kind in "iu" and spec.dtype.kind in "fiu"):
            raise ExportError(f"{source}: {spec.name} is {values.dtype}; {spec.dtype} is needed")
        for size, found in zip(spec.shape, values.shape, strict=True):
            if isinstance(size, str) and named.setdefault(size, found) != found:
                raise ExportError(f"{source}: {size} is {named[size]} in one array and {found} in {spec.name}")
        taken[spec.name], beyond = cast_in_range(values, spec.dtype)
        if beyond is not None:
            raise ExportError(f"{source}: {spec.name} holds {values[beyond]}, which does not fit {spec.dtype}")
    if empty := [name for name, size in named.items() if size == 0]:
        raise ExportError(f"{source} has no rows" if empty == [BATCH] else f"{source} is empty along {empty[0]}")
    return taken


def _codes(values: npt.NDArray[Any], features: tuple[Feature, ...], source: str) -> npt.NDArray[Any]:
    """The codes of the strings in `values`, shape (rows, features); `values` itself if they are codes already."""
    if values.dtype.kind in "OU":
        if other := [value for value in values.flat if not isinstance(value, str)]:
            raise ExportError(f"{source} holds {other[0]!r}; strings are needed")
        return encode(values.astype(object), features)
    for feature, column in zip(features, values.T, strict=True):
        if len(wrong := column[(column < 0) | (column > last_code(feature))]):
            raise ExportError(f"{source} holds {wrong[0]}, which is not a code of {feature.name}; give strings")
    return values
