import gzip

import pyarrow as pa
import pytest

from edge_runtime import InvalidInput
from edge_runtime.scoring.formats import Format, format_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", Format("csv")),
        ("A.TSV.GZ", Format("csv", "\t", "gzip")),
        ("a.b.jsonl.zst", Format("json", compression="zstd")),
        ("a.parquet", Format("parquet")),
        ("a.feather", Format("feather", compression="lz4")),
        ("a.arrow", Format("feather")),
    ],
)
def test_names(name: str, expected: Format) -> None:
    assert format_of(name) == expected


@pytest.mark.parametrize("name", ["a", "a.gz", "a.xlsx", "a.parquet.gz", "a.json"])
def test_names_that_do_not_tell(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{name}: "):
        format_of(name)


def test_parts_are_packed_by_themselves() -> None:
    packed = Format("csv", compression="gzip")
    assert gzip.decompress(packed.packed(b"a\n") + packed.packed(b"b\n")) == b"a\nb\n"
    assert packed.packed(b"a\n") == packed.packed(b"a\n")
    frames = bytes(Format("csv", compression="zstd").packed(memoryview(b"a\n"))) * 2
    assert pa.CompressedInputStream(pa.BufferReader(frames), "zstd").read() == b"a\na\n"
    assert not packed.packed(b"")
