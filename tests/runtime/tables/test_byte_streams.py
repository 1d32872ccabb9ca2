"""Text as bytes of UTF-8, from any packing and encoding."""

import contextlib
import gzip
import lzma
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import DEFAULTS
from edge_runtime.tables.byte_streams import ByteStream, Utf8Stream, checked_encoding, reading

TEXT = "größe,日本\n" * 40_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_that_show_themselves(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t"
    path.write_bytes(TEXT.encode(encoding))
    stream = Utf8Stream(ByteStream(str(path), DEFAULTS), None)
    assert b"".join(iter(lambda: stream.read(50_000), b"")).decode() == TEXT
    stream.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_text_from_any_position(tmp_path: Path, encoding: str) -> None:
    text = "größe;übel\r\n" * 20
    path = tmp_path / "t"
    path.write_bytes(text.encode(encoding))
    for position in range(0, 300, 7):
        stream = Utf8Stream(ByteStream(str(path), DEFAULTS), encoding)
        stream.skip(position)
        found = b""
        while block := stream.read(position + 1):
            found += block
        assert found == text.encode()[position:]
        stream.close()


def test_xz(tmp_path: Path) -> None:
    path = tmp_path / "t.xz"
    path.write_bytes(lzma.compress(TEXT.encode()))
    stream = ByteStream(str(path), DEFAULTS)
    assert stream.packing == "xz"
    assert stream.read(1 << 30).decode() == TEXT
    stream.close()


@pytest.mark.skipif(os.name == "nt", reason="named pipes are files there")
@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda text: pa.compress(text, "zstd", asbytes=True)])
def test_what_is_packed_through_a_pipe(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path, packed = tmp_path / "pipe", pack(TEXT.encode())
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as threads:
        written = threads.submit(path.write_bytes, packed)
        stream = ByteStream(str(path), DEFAULTS)
        assert not stream.is_seekable
        assert b"".join(iter(lambda: stream.read(50_000), b"")).decode() == TEXT
        stream.close()
        written.result()


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(TEXT.encode())[:-20], lzma.compress(TEXT.encode())[:-20], b"\x1f\x8b\x08" + b"\xff" * 50],
)
def test_what_is_packed_and_damaged(tmp_path: Path, packed: bytes) -> None:
    path = tmp_path / "t"
    path.write_bytes(packed)
    with (
        pytest.raises(InvalidInput, match=r"t is damaged: "),
        reading(str(path)),
        contextlib.closing(ByteStream(str(path), DEFAULTS)) as stream,
    ):
        stream.read(1 << 30)


def test_encodings_that_there_are_not(tmp_path: Path) -> None:
    assert checked_encoding("UTF8") == "utf-8"
    for name in ("nonsense", "base64", "zip", "a\0b"):
        with pytest.raises(InvalidInput, match="there is no encoding"):
            checked_encoding(name)


def test_text_that_is_not_in_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,\x81\n")
    with reading(path):
        stream = Utf8Stream(ByteStream(str(path), DEFAULTS), "cp1252")
    with pytest.raises(InvalidInput, match="not text in the encoding"):
        stream.read(100)
    stream.close()


@pytest.mark.parametrize("content", [b"PK\x03\x04 junk", b"\x93NUMPY"])
def test_what_is_not_text(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    stream = ByteStream(str(path), DEFAULTS)
    with pytest.raises(InvalidInput, match=r"t\.csv is an? "):
        Utf8Stream(stream, None)
    stream.close()
