"""Tensors at the shell: from .npz, .npy and JSON to a model's inputs, and from its outputs to such a file.

JSON is an object of arrays by name, {"input": [[1, 2]]}, or the array itself if there is only one. NaN and infinity are
null in what is written.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.cli.json_lines import json_line, json_number
from edge_runtime.contract.array_files import npy_content, npz_content
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.json_depth import is_too_deep, too_deep
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.tensors import ML_TYPES, TensorSpec
from edge_runtime.rows.tensor_reader import named


def json_tensors(text: str, source: str, limits: Limits = DEFAULTS) -> Any:
    """The arrays in a JSON text: by name, or one.

    Raises:
        InvalidInput: it is empty, not JSON, nested deeper than `limits` allow, or neither an object nor an array.
    """
    if not text.strip():
        raise InvalidInput(f"{source} is empty; it must hold arrays")
    if is_too_deep(text, limits):
        raise InvalidInput(f"{source}: {too_deep(limits)}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f'{source} is not JSON: {error}; give arrays as .npz, .npy or JSON such as {{"input": [[1, 2]]}}'
        ) from error
    if not isinstance(document, dict | list):
        raise InvalidInput(f"{source}: JSON must be an array, or an object of arrays by input name")
    return document


def for_inputs(
    given: Any,
    inputs: Sequence[TensorSpec],
    overridable: Sequence[TensorSpec],
    source: str,
    note: Callable[[str], None],
) -> Mapping[str, Any]:
    """The arrays in `given` for `inputs` and overridable initializers, by name; others are ignored, with a note.

    Raises:
        InvalidInput: an input is missing, or there are several and the array has no name.
    """
    names = {spec.name for spec in (*inputs, *overridable)}
    if (
        isinstance(given, Mapping)
        and {spec.name for spec in inputs if spec.present is None} <= given.keys()
        and (ignored := [name for name in given if name not in names])
    ):
        note(f"{source}: ignored arrays: {', '.join(ignored)}")
        given = {name: value for name, value in given.items() if name in names}
    try:
        return named(given, inputs, overridable)
    except InvalidInput as error:
        raise InvalidInput(f"{source}: {error}") from error


def output_json(outputs: Mapping[str, Any]) -> str:
    """`outputs` by name as one JSON object, in one line."""
    return json_line({name: _plain(value) for name, value in _in_numpys_types(outputs).items()})


def output_content(outputs: Mapping[str, Any], path: Path) -> bytes:
    """What a file at `path` holds of `outputs`: .npz, .npy or .json, by its name.

    Raises:
        InvalidInput: it cannot hold them.
    """
    if path.suffix == ".json":
        return output_json(outputs).encode()
    if path.suffix == ".npy" and len(outputs) != 1:
        raise InvalidInput(
            f"{path} can hold one array, and the model returns {', '.join(outputs)}; write .npz or .json"
        )
    outputs = _in_numpys_types(outputs)
    for name, value in outputs.items():
        if not isinstance(value, np.ndarray):
            raise InvalidInput(f"{path} can hold only arrays, and {name} is a {type(value).__name__}; write .json")
    try:
        return npz_content(outputs) if path.suffix == ".npz" else npy_content(*outputs.values())
    except TypeError as error:
        raise InvalidInput(f"{path} can hold only arrays of numbers and strings: {error}; write .json") from error


def _in_numpys_types(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """`outputs` with the same numbers in types of numpy's, where they are of types of ml_dtypes."""
    return {
        name: value.astype(np.int8 if "int" in value.dtype.name else np.float32)
        if isinstance(value, np.ndarray) and value.dtype.name in ML_TYPES.values()
        else value
        for name, value in outputs.items()
    }


def _plain(value: Any) -> Any:
    """An output in plain Python types: arrays as nested lists, sequences and maps as lists and objects."""
    match value:
        case np.ndarray() if value.dtype.kind == "f":
            numbers = np.array([json_number(number) for number in value.flat], np.object_)
            return numbers.reshape(value.shape).tolist()
        case np.ndarray():
            return value.tolist()
        case float() | np.floating():
            return json_number(value)
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value
