"""C code as an extension module of Python: one binary for every version of Python."""

import datetime
import importlib.machinery
import importlib.util
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from edge_export.c_code.compiler import compile_c, compilers, write_c
from edge_export.c_code.files import CCode, rendered
from edge_export.c_code.rows import row_face
from edge_export.errors import ExportError
from edge_export.formats.string_inputs import as_strings
from edge_export.tensors import Run, Tensors
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.signature import Feature, Signature
from edge_runtime.contract.values import MISSING_WORDS, read_value

# The version of the limited API (https://docs.python.org/3/c-api/stable.html): Python 3.11.
_LIMITED_API = "0x030B0000"
_OPTIONS = ("-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", f"-DPy_LIMITED_API={_LIMITED_API}")
_LINKED = ("-bundle", "-undefined", "dynamic_lookup") if sys.platform == "darwin" else ("-shared", "-s")
_EPOCH = datetime.datetime(1970, 1, 1)


def extension_source(code: CCode, signature: Signature, releases_lock: bool) -> str:
    """The code of the module, to be compiled with a model's own.

    Args:
        code: the model.
        signature: what its rows mean.
        releases_lock: whether other threads of Python run while it computes, which takes 50 ns a call.
    """
    face = row_face(signature, code.prefix)
    values = {
        "face": face,
        "kinds": {column.feature.kind for column in face.columns},
        "labels_are": type(signature.labels[0]).__name__ if signature.labels else None,
        "missing_words": sorted(MISSING_WORDS),
        "releases_lock": releases_lock,
    }
    return rendered("extension.c.j2", code, values)


def built_extension(code: CCode, source: str, test: str) -> bytes:
    """The binary of the module.

    Args:
        code: the model.
        source: of the module.
        test: the content of NAME_test.c.

    Raises:
        ExportError: there is no compiler, it fails, or the headers of Python are missing.
    """
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise ExportError(
            f"an extension is compiled with the headers of Python, and {include} has none; install python3-dev"
        )
    with tempfile.TemporaryDirectory(prefix="edge-export-") as name:
        folder = Path(name)
        sources = [write_c(code, folder), folder / f"{code.name}_test.c", folder / "module.c"]
        sources[1].write_text(test)
        sources[2].write_text(source)
        # Names of folders do not get into the binary.
        command = (
            *compilers()[0],
            *_OPTIONS,
            *_LINKED,
            f"-D{code.prefix.upper()}_WITHOUT_MAIN",
            "-isystem",
            str(include),
        )
        compile_c(command, sources, folder / "module.so", "gnu11")
        return (folder / "module.so").read_bytes()


def loaded(binary: bytes, name: str) -> Any:
    """The module in a binary, beside any other of its name."""
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        path = Path(folder, f"{name}.abi3.so")
        path.write_bytes(binary)
        loader = importlib.machinery.ExtensionFileLoader(name, str(path))
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        # Loaded code stays when its file goes.
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    return module


def run_of(module: Any, signature: Signature, others: Run) -> Run:
    """What the module answers, as tensors.

    Args:
        module: as `loaded` gives it.
        signature: what its rows mean.
        others: computes the rows that tensors can hold and the values of a row cannot, such as half a boolean.
    """

    def run(tensors: Tensors) -> Tensors:
        strings = as_strings(tensors, signature)
        rows = _rows(strings, signature)
        found = others(tensors)
        values = found[signature.output]
        for place, row in enumerate(rows):
            if not all(map(_is_value, row, signature.features)):
                continue
            try:
                values[place] = _answer(module, row, signature)
            except ValueError as error:
                raise ExportError(f"the extension refuses the row {row}, which it should take: {error}") from error
        return found

    return run


def _answer(module: Any, row: list[Any], signature: Signature) -> Any:
    match signature.task:
        case "regression":
            return module.predict_one(row)
        case "binary_classification":
            return module.predict_proba_one(row)[1]
    return module.predict_proba_one(row)


def _is_value(value: Any, feature: Feature) -> bool:
    """Whether a value of a tensor is what a row with this value gives."""
    try:
        read = read_value(value, feature)
    except InvalidInput:
        return False
    return feature.kind == "date" or read == value or (value != value and read != read)


def _rows(tensors: Tensors, signature: Signature) -> list[list[Any]]:
    """Rows as Python's own values, in the order of the signature's features."""
    columns = {}
    for tensor in signature.inputs:
        for place, feature in enumerate(tensor.features):
            column = tensors[tensor.name][:, place].tolist()
            if feature.kind == "date":
                column = [None if one == MISSING_DATE else _EPOCH + datetime.timedelta(seconds=one) for one in column]
            columns[feature.name] = column
    return list(map(list, zip(*(columns[feature.name] for feature in signature.features), strict=True)))
