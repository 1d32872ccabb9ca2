"""Blocks of JSON: an object on each line, which Arrow parses column by column, or Python if Arrow cannot."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.json

from edge_runtime.contract.json_depth import is_too_deep, too_deep
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.terminal import printable, shortened
from edge_runtime.contract.values import category_string
from edge_runtime.tables.blocks import Fault, Parsed, Place
from edge_runtime.tables.json_records import are_objects
from edge_runtime.tables.plain_numbers import NOT_UTF8, row_numbers, stripped

_SPACES = b" \t\r\n"
# What values of different types in one column are members of.
_MEMBERS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


@dataclass(frozen=True)
class JsonFormat:
    """What the blocks of a file have in common.

    Attributes:
        name: the file's name.
        limits: how deep values may be nested.
        kinds: the types of columns that are not of the type that was asked for, as far as they are known.
    """

    name: str
    limits: Limits
    kinds: dict[str, pa.DataType | None]


@dataclass
class JsonBlock:
    """Some records of a JSON file; see `Block`.

    Attributes:
        records: each on a line of its own; empty lines are none.
        lines: the number of each record's first line in the file, shape (records,).
    """

    place: Place
    end: Place
    read: int
    records: bytes
    lines: npt.NDArray[np.int64] | None
    format: JsonFormat

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.format.name

    def parse(self, types: Mapping[str, pa.DataType] | None = None, decimal: str = ".") -> Parsed:
        """As `Block.parse`."""
        del decimal
        count = self.end.row - self.place.row
        if are_objects(self.records, self.format.limits.json_depth or math.inf):
            try:
                batch = self._columns(self.records, count, types)
            except (pa.ArrowException, UnicodeDecodeError):  # UnicodeDecodeError for the names of columns
                pass
            else:
                found = _Records(self, np.arange(count))
                return Parsed(batch, row_numbers(self.place.row, count), [], found, found.line)
        return self._good_rows(types)

    def _columns(self, content: bytes, count: int, types: Mapping[str, pa.DataType] | None) -> pa.RecordBatch:
        """The columns of `content`. Raises pyarrow.ArrowException if Arrow cannot make them."""
        known = self.format.kinds
        wanted = None
        if types is not None:
            wanted = {name: pa.float64() if pa.types.is_floating(kind) else pa.string() for name, kind in types.items()}
        try:
            kinds = {name: known.get(name, kind) for name, kind in (wanted or known).items()}
            table = _read(
                content,
                {name: kind for name, kind in kinds.items() if kind is not None},
                is_whole=wanted is None or None in kinds.values(),
            )
        except pa.ArrowInvalid:
            table = _read(content, {}, is_whole=True)
        # Arrow takes strings for times, which lose what else they say.
        times = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
        if times:
            known.update(dict.fromkeys(times, pa.string()))
            kinds = {name: pa.string() for name in times}
            table = _read(content, kinds, is_whole=True)
        if wanted is not None:
            found = dict(zip(table.column_names, table.columns, strict=True))
            known.update({name: None for name, kind in wanted.items() if name in found and found[name].type != kind})
            nothing = pa.chunked_array([pa.nulls(table.num_rows)])
            table = pa.table([found.get(name, nothing) for name in wanted], list(wanted))
        if table.num_rows != count:
            raise pa.ArrowInvalid(f"{table.num_rows} records, expected {count}")
        return _batch_of(table)

    def _good_rows(self, types: Mapping[str, pa.DataType] | None) -> Parsed:
        """The rows, and the records that are none, found one by one."""
        numbered = [
            (count, line)
            for count, line in enumerate(self.records.split(b"\n"), self.place.line)
            if line.strip(_SPACES)
        ]
        found = [self._read_object(line) for _, line in numbered]
        objects = {number: one for number, one in enumerate(found) if not isinstance(one, str)}
        reasons = {number: one for number, one in enumerate(found) if isinstance(one, str)}
        content = b"".join(numbered[number][1].strip(_SPACES) + b"\n" for number in objects)
        try:
            batch = self._columns(content, len(objects), types)
        except (pa.ArrowException, UnicodeDecodeError):
            names = list(
                types if types is not None else dict.fromkeys(name for one in objects.values() for name in one)
            )
            nested = _nested(objects, names)
            reasons |= nested
            objects = {number: one for number, one in objects.items() if number not in nested}
            batch = _batch_by_python(list(objects.values()), names)
        lines = [line for line, _ in numbered] if self.lines is None else self.lines.tolist()
        faults = [
            Fault(
                self.place.row + number,
                lines[number],
                reasons[number],
                numbered[number][1].decode(errors="backslashreplace").strip(),
                self.name,
            )
            for number in sorted(reasons)
        ]
        places = np.array(list(objects), np.int64)
        kept = _Records(self, places)
        return Parsed(batch, places + self.place.row, faults, kept, kept.line)

    def _read_object(self, line: bytes) -> dict[str, Any] | str:
        """The object on a line, or why it is none."""
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
        if is_too_deep(text, self.format.limits):
            return too_deep(self.format.limits)
        try:
            found = _OBJECTS.decode(text)
            if "\\u" in text:
                json.dumps(found, ensure_ascii=False).encode()
        except _GivenTwice as error:
            return str(error)
        except UnicodeEncodeError:
            return "a string has half a character in it, which no text in UTF-8 can hold"
        except json.JSONDecodeError as error:
            return f"not JSON: {error.msg} at character {error.pos + 1}; an object on each line is needed"
        except (ValueError, RecursionError) as error:
            return f"not JSON: {shortened(str(error))}"
        return found if isinstance(found, dict) else "not an object with the values by column name"


class _Records:
    """The text of each good row of a block."""

    def __init__(self, block: JsonBlock, good: npt.NDArray[np.int64]) -> None:
        self._block, self._good = block, good
        self._lines: list[tuple[int, bytes]] | None = None

    def __call__(self, place: int) -> str:
        """The text of the row at `place`."""
        return self._record(place)[1].decode(errors="backslashreplace").strip()

    def line(self, place: int) -> int:
        """The number of its first line in the file."""
        lines = self._block.lines
        if lines is not None:
            return int(lines[int(self._good[place])])
        return self._block.place.line + self._record(place)[0]

    def _record(self, place: int) -> tuple[int, bytes]:
        if self._lines is None:
            lines = enumerate(self._block.records.split(b"\n"))
            self._lines = [(number, line) for number, line in lines if line.strip(_SPACES)]
        return self._lines[int(self._good[place])]


class _GivenTwice(ValueError):
    """An object has two values of one name."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set()
        for name, _ in pairs:
            if name in seen:
                raise _GivenTwice(f"{printable(shortened(name))} is specified twice")
            seen.add(name)
    return found


# json.loads would make one for each line, which takes longer than to read it.
_OBJECTS = json.JSONDecoder(object_pairs_hook=_once)


def _read(content: bytes, kinds: Mapping[str, pa.DataType], is_whole: bool) -> pa.Table:
    """What Arrow reads: the columns in `kinds`, and all others with the types that it finds if `is_whole`."""
    if not content.strip(_SPACES):
        return pa.table({name: pa.array([], kind) for name, kind in kinds.items()})
    table = pa.json.read_json(
        pa.BufferReader(content),
        pa.json.ReadOptions(use_threads=False, block_size=len(content) + 1),
        pa.json.ParseOptions(
            explicit_schema=pa.schema(list(kinds.items())),
            unexpected_field_behavior="infer" if is_whole else "ignore",
        ),
    )
    table.validate(full=True)  # finds strings that are not UTF-8
    return table


def _batch_of(table: pa.Table) -> pa.RecordBatch:
    arrays = []
    for column in table.columns:
        array = column.combine_chunks()
        array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
        arrays.append(stripped(array) if pa.types.is_string(array.type) else array)
    names = [name.strip() for name in table.column_names]
    return pa.RecordBatch.from_arrays(arrays, names)


def _nested(objects: Mapping[int, dict[str, Any]], names: Sequence[str]) -> dict[int, str]:
    """The objects that have a list or an object where others have a plain value, and what is wrong with each."""
    found = {}
    plain = {name for one in objects.values() for name in names if isinstance(one.get(name), str | bool | int | float)}
    for number, one in objects.items():
        for name in names:
            if name in plain and isinstance(one.get(name), list | dict):
                kind = "a list" if isinstance(one[name], list) else "an object"
                found[number] = f"{printable(shortened(name))} is {kind}, but a plain value in other rows"
    return found


def _batch_by_python(objects: Sequence[dict[str, Any]], names: Sequence[str]) -> pa.RecordBatch:
    """The columns of objects whose values of one name are of different types: a union of these then."""
    return pa.RecordBatch.from_arrays([_array([one.get(name) for one in objects]) for name in names], list(names))


def _array(found: list[Any]) -> pa.Array:
    kinds = {type(value) for value in found if value is not None}
    if kinds <= {int, float} and kinds:
        try:
            return pa.array(found, pa.int64() if kinds == {int} else pa.float64())
        except (pa.ArrowException, OverflowError):
            return pa.array([None if value is None else _as_float(value) for value in found], pa.float64())
    if len(kinds) <= 1 and kinds <= {bool}:
        return pa.array(found, pa.bool_())
    if len(kinds) > 1:
        return _union(found)
    return stripped(pa.array([None if value is None else _as_text(value) for value in found], pa.string()))


def _union(found: list[Any]) -> pa.Array:
    """Each value with its own type: 1.234 and "1.234" are two numbers where a comma is the decimal mark."""
    kinds = list(_MEMBERS)
    values = [_as_member(value) for value in found]
    types = [kinds.index(type(value)) if value is not None else len(kinds) - 1 for value in values]
    members = [
        [value for value, kind in zip(values, types, strict=True) if kind == place] for place in range(len(kinds))
    ]
    arrays = [pa.array(member, kind) for member, kind in zip(members, _MEMBERS.values(), strict=True)]
    offsets, counts = [], [0] * len(kinds)
    for kind in types:
        offsets.append(counts[kind])
        counts[kind] += 1
    names = [kind.__name__ for kind in kinds]
    return pa.UnionArray.from_dense(pa.array(types, pa.int8()), pa.array(offsets, pa.int32()), arrays, names)


def _as_member(value: Any) -> Any:
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else _as_float(value)
    return _as_text(value).strip()


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _as_text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return category_string(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
