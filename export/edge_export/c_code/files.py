"""The files of a model in C: the header, the source, and the test that replays its reference rows."""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from edge_export.c_code.literals import Names, c_type, comment, literal, quoted
from edge_export.c_code.memory import declarations
from edge_export.c_code.prelude import FUNCTIONS, prelude
from edge_export.c_code.rows import LOCAL_NAMES, RowFace, declared_names, row_face
from edge_export.c_code.source import write_body
from edge_export.c_code.static_graph import StaticGraph, Value
from edge_export.tensors import Array
from edge_runtime import ReferenceBatch, __version__
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.signature import Signature

_WIDTH = 116
_IN_TESTS = ("crc_32", "reference_checksum", "fails", "row", "used", "failed")


@dataclass(frozen=True)
class CCode:
    """A model in C.

    Attributes:
        name: of its files, without their endings.
        prefix: what the names of all that it declares begin with.
        header: the content of the header, NAME.h.
        source: the content of the source, NAME.c.
        inputs: what its function takes for one row, in order.
        outputs: what it returns.
        constants: its constants, by their names in C.
        working_bytes: what a call takes of the stack, besides what the compiler adds.
    """

    name: str
    prefix: str
    header: str
    source: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    constants: Mapping[str, Array]
    working_bytes: int

    @property
    def constant_bytes(self) -> int:
        """What its constants take."""
        return sum(array.nbytes for array in self.constants.values())


def c_code(graph: StaticGraph, signature: Signature | None, name: str, in_8_bits: bool = False) -> CCode:
    """The code of a model.

    Args:
        graph: what is computed for one row, with category codes in place of strings.
        signature: what rows and answers mean, if that is known.
        name: of the files, without their endings; what they declare begins with it.
        in_8_bits: whether weights are held in 8 bits; all is computed in float32 all the same.

    Raises:
        ExportError: there is no C code for one of its operators.
    """
    prefix = Names().new(name)
    face = _face(signature, prefix)
    names = Names([*FUNCTIONS, *declared_names(prefix), *(face.names if face else ()), "crc_32"])
    writer = write_body(graph, names, in_8_bits)
    parameters = [
        *(f"const {_parameter(value, writer.stored(value).name)}" for value in graph.inputs),
        *(_parameter(value, writer.places[value].name) for value in graph.outputs),
    ]
    declared, working = declarations(writer)
    constants = {constant: value.constant for value, constant in writer.constants.items() if value.constant is not None}
    values = {
        **_named(name, prefix),
        "graph": graph,
        "face": face,
        **(_call(graph, signature, face) if signature and face else {}),
        "parameters": ", ".join(parameters),
        "constants": writer.constants,
        "constant_bytes": sum(array.nbytes for array in constants.values()),
        "working_bytes": working,
        "functions": prelude("\n".join(writer.lines)),
        "declared": declared,
        "lines": writer.lines,
    }
    header, source = _rendered("model.h.j2", values), _rendered("model.c.j2", values)
    return CCode(name, prefix, header, source, graph.inputs, graph.outputs, constants, working)


def c_test(code: CCode, signature: Signature | None, reference: Iterable[ReferenceBatch]) -> str:
    """The content of the test, NAME_test.c: a program that ends with 0 if the code computes the reference rows.

    Args:
        code: what is tested.
        signature: what its rows mean, if that is known.
        reference: calls with what torch computes for them.
    """
    face = _face(signature, code.prefix)
    names = Names([*declared_names(code.prefix), *(face.names if face else ()), *_IN_TESTS])
    batches = [_batch(code, signature, batch, number, names) for number, batch in enumerate(reference)]
    values = {
        "checksum": _checksum(code.constants.values()),
        "reference_checksum": _checksum(array for batch in batches for array in batch["arrays"].values()),
        "batches": batches,
    }
    return rendered("model_test.c.j2", code, values)


def rendered(template: str, code: CCode, values: Mapping[str, Any]) -> str:
    """A file that belongs to the code of a model."""
    return _rendered(template, {**_named(code.name, code.prefix), **values})


def _face(signature: Signature | None, prefix: str) -> RowFace | None:
    return row_face(signature, prefix) if signature is not None and signature.has_features else None


def _call(graph: StaticGraph, signature: Signature, face: RowFace) -> dict[str, Any]:
    """How the tensors of a row are passed: inputs by their names, and of each output an array's type, name and size."""
    arrays = {one.tensor: one.name for one in face.inputs}
    names = Names([*LOCAL_NAMES, *arrays.values()])
    found = [
        (
            c_type(value.dtype),
            "found" if value.name == signature.output else names.new(value.name),
            max(1, value.size),
        )
        for value in graph.outputs
    ]
    return {"given": [arrays[value.name] for value in graph.inputs], "found": found}


def _named(name: str, prefix: str) -> dict[str, str]:
    return {
        "name": name,
        "prefix": prefix,
        "upper": prefix.upper(),
        "made_by": f"written by edge-predict {__version__}",
    }


def _parameter(value: Value, name: str) -> str:
    return f"{c_type(value.dtype)} {name}[{max(1, value.size)}]"


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    # C is not HTML: `quoted` and `comment` do what is needed where text from outside goes in.
    environment = Environment(
        loader=PackageLoader("edge_export.c_code", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"comment": comment, "quoted": quoted, "array": _array}
    return environment.get_template(template).render(values)


def _array(elements: Array, name: str) -> str:
    """The definition of a constant array."""
    flat = elements.reshape(-1)
    lines, line = [f"static const {c_type(flat.dtype)} {name}[{max(1, flat.size)}] = {{"], "   "
    for element in flat if flat.size else np.zeros(1, flat.dtype):
        text = f" {literal(element, flat.dtype)},"
        if len(line) + len(text) > _WIDTH:
            lines.append(line)
            line = "   "
        line += text
    return "\n".join([*lines, line, "};"])


def _checksum(arrays: Iterable[Array]) -> int:
    """The CRC-32 of arrays as a device has them whose numbers are little-endian."""
    crc = 0
    for array in arrays:
        # C has no arrays without elements, and one NaN of the many.
        elements = np.array(array if array.size else np.zeros(1, array.dtype), order="C")
        if elements.dtype.kind == "f":
            elements[np.isnan(elements)] = np.nan
        crc = zlib.crc32(elements.tobytes(), crc)
    return crc


def _batch(
    code: CCode, signature: Signature | None, batch: ReferenceBatch, number: int, names: Names
) -> dict[str, Any]:
    """What the test needs of a batch of reference rows."""
    strings = {} if signature is None else {one.name: one.features for one in signature.inputs if one.holds_strings}
    arrays: dict[str, Array] = {}
    arguments, outputs = [], []
    for value in code.inputs:
        given, name = batch.inputs[value.name], names.new(f"{value.name}_{number}")
        arrays[name] = encode(given, strings[value.name]) if value.name in strings else given
        arguments.append(f"{name} + row * {value.size}")
    for value in code.outputs:
        expected, selected = batch.expected[value.name], batch.selected.get(value.name)
        found, places = names.new(f"found_{value.name}_{number}"), names.new(f"{value.name}_places_{number}")
        wanted, tolerance = names.new(f"{value.name}_{number}"), names.new(f"{value.name}_tolerance_{number}")
        arrays |= {wanted: expected, tolerance: batch.tolerance[value.name].astype(np.float32)}
        if selected is not None:
            arrays[places] = selected.places(expected.size).astype(np.int32)
        arguments.append(found)
        outputs.append(
            {
                "type": c_type(value.dtype),
                "size": value.size,
                "count": expected.size,
                "found": found,
                "expected": wanted,
                "tolerance": tolerance,
                "places": None if selected is None else places,
            }
        )
    # Inputs without a batch come as one call.
    rows = batch.rows if all(batch.inputs[value.name].size == batch.rows * value.size for value in code.inputs) else 1
    return {
        "kind": batch.kind,
        "rows": rows,
        "arrays": arrays,
        "arguments": ", ".join(arguments),
        "outputs": outputs,
    }
