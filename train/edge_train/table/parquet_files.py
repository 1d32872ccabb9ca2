"""Reading Parquet files, in which few bytes may stand for any number of rows."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from edge_runtime.contract.opened_files import too_much
from edge_train.errors import TableError
from edge_train.table.sources import Source

# Rows that are read at a time, and bytes that the strings of a column take then.
_BATCH, _BATCH_BYTES = 1 << 18, 64 << 20
# Bits of a value in memory, by Parquet's type of it; a string also has bytes of its own.
_BITS = {"BOOLEAN": 1, "INT32": 32, "FLOAT": 32, "BYTE_ARRAY": 32}


def read_parquet(source: Source) -> pa.Table:
    """The table in a Parquet file.

    Raises:
        TableError: it holds more than the limits allow.
        pyarrow.ArrowException: it is not a Parquet file, or a damaged one.
    """
    content = pa.BufferReader(b"".join(source.buffers(1 << 20))) if source.is_gzip else source.path
    most = source.most
    with pa.parquet.ParquetFile(content) as file:
        if most is not None and _declared_bytes(file.metadata) > most:
            raise TableError(too_much(source.path, most))
        batches, size = [], 0
        for group in range(file.metadata.num_row_groups):
            longest = _longest_string(content, file.metadata, group)
            rows = max(1, min(_BATCH, _BATCH_BYTES // longest))
            for batch in file.iter_batches(rows, row_groups=[group]):
                batches.append(batch)
                size += batch.nbytes
                if most is not None and size > most:
                    raise TableError(too_much(source.path, most))
        return pa.Table.from_batches(batches, file.schema_arrow)


def _chunks(metadata: pa.parquet.FileMetaData, group: int) -> list[pa.parquet.ColumnChunkMetaData]:
    return [metadata.row_group(group).column(place) for place in range(metadata.num_columns)]


def _declared_bytes(metadata: pa.parquet.FileMetaData) -> int:
    """How many bytes all values take at least, as far as the file tells without being unpacked."""
    chunks = [chunk for group in range(metadata.num_row_groups) for chunk in _chunks(metadata, group)]
    return sum(chunk.num_values * _BITS.get(chunk.physical_type, 64) // 8 for chunk in chunks)


def _longest_string(content: Any, metadata: pa.parquet.FileMetaData, group: int) -> int:
    """How long a string is at most that is stored once for many rows of a group; in bytes, 1 at least."""
    strings = [
        chunk.path_in_schema
        for chunk in _chunks(metadata, group)
        if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page
    ]
    if not strings:
        return 1
    longest = 1
    try:
        opened = pa.parquet.ParquetFile(content, read_dictionary=strings, metadata=metadata)
    except KeyError as error:
        raise pa.ArrowInvalid(f"the schema has no column {error}") from error
    # The first row comes with all strings that are stored once.
    with opened as file:
        for batch in file.iter_batches(1, row_groups=[group], columns=strings):
            for column in batch.columns:
                if pa.types.is_dictionary(column.type) and len(column.dictionary):
                    longest = max(longest, pc.max(pc.binary_length(column.dictionary)).as_py() or 1)
            break
    return longest
