"""How much memory a Parquet file takes: few bytes in it may stand for any number of rows."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

# Bits of a value in memory, by Parquet's type of it; a string also has bytes of its own.
_BITS = {"BOOLEAN": 1, "INT32": 32, "FLOAT": 32, "BYTE_ARRAY": 32}


def declared_bytes(metadata: pa.parquet.FileMetaData) -> int:
    """How many bytes all values take at least, as far as the file tells without being unpacked."""
    chunks = [chunk for group in range(metadata.num_row_groups) for chunk in _chunks(metadata, group)]
    return sum(chunk.num_values * _BITS.get(chunk.physical_type, 64) // 8 for chunk in chunks)


def _chunks(metadata: pa.parquet.FileMetaData, group: int) -> list[pa.parquet.ColumnChunkMetaData]:
    return [metadata.row_group(group).column(place) for place in range(metadata.num_columns)]


def longest_string(content: Any, metadata: pa.parquet.FileMetaData, group: int) -> int:
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
