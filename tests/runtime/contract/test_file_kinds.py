import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import InvalidInput
from edge_runtime.contract.file_kinds import what_else
from edge_runtime.contract.text_files import OpenedText

TEXT = b"x1,x2\n-1,1\n"


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("rows.csv", content)
    return file.getvalue()


def saved(content: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.frombuffer(content, np.uint8))
    return file.getvalue()


def in_encoding(name: str, mark: bytes = b"") -> Callable[[bytes], bytes]:
    return lambda content: mark + content.decode().encode(name)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            gzip.compress,
            "is compressed by gzip; unpack it before, with gzip -dc, or give a file whose name ends in .gz",
        ),
        (lambda content: b"\x28\xb5\x2f\xfd" + content, "is compressed by zstd; unpack it before, with zstd -dc"),
        (lzma.compress, "is compressed by xz; unpack it before, with xz -dc"),
        (bz2.compress, "is compressed by bzip2; unpack it before, with bzip2 -dc"),
        (zipped, "is a zip archive; give arrays by a name that ends in .npz, and a spreadsheet saved as CSV"),
        (saved, "is an array of NumPy; give it by a name that ends in .npy"),
        (lambda content: b"PAR1\x15\x04" + content, "is a Parquet file, but rows must be CSV, TSV or JSON Lines; save"),
        (lambda content: b"ARROW1\0\0" + content, "is a file of Arrow; save its rows as CSV or JSON Lines"),
        (lambda content: b"\xff\xff\xff\xff" + content, "is a file of Arrow; "),
        (lambda content: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + content, "is a document of an old Office; save a "),
        (in_encoding("utf-16"), "is text in UTF-16; save it as UTF-8, or convert it with iconv -f UTF-16 -t UTF-8"),
        (in_encoding("utf-16-be", codecs.BOM_UTF16_BE), "is text in UTF-16; save it as UTF-8, or"),
        (in_encoding("utf-16-le"), "is text in UTF-16LE; save it as UTF-8, or convert it with iconv -f UTF-16LE -t"),
        (in_encoding("utf-16-be"), "is text in UTF-16BE; save it as UTF-8, or convert it with iconv -f UTF-16BE -t"),
        (in_encoding("utf-32"), "is text in UTF-32; save it as UTF-8, or convert it with iconv -f UTF-32 -t UTF-8"),
        (in_encoding("utf-32-be", codecs.BOM_UTF32_BE), "is text in UTF-32; "),
    ],
)
def test_what_is_given_in_the_place_of_text(write: Callable[[bytes], bytes], message: str) -> None:
    content = write(TEXT)
    found = what_else(content[:16])
    assert found is not None
    assert found.startswith(message)
    # From a pipe, which has no name to go by.
    for read in (lambda text: text.whole(), lambda text: list(text.lines())):
        with pytest.raises(InvalidInput) as raised:
            read(OpenedText(io.BytesIO(content), "stdin"))
        assert str(raised.value) == f"stdin {found}"


@given(st.text())
def test_text_is_nothing_else(text: str) -> None:
    start = text.replace("\0", "").encode("utf-8", "ignore")[:16]
    assert what_else(start) is None


@pytest.mark.parametrize(
    "start", ["", "PAR1", "PAR1,x2\n1,2", "PAR1\n", "PK,x", "BZh", "BZh9,x\n", "ARROW1,x\n", "\ufeffx1,x2\n", "1\0,2"]
)
def test_text_that_begins_alike(start: str) -> None:
    assert what_else(start.encode()) is None
