import functools
import gzip
import io
import os
import random
from pathlib import Path

import pytest

from edge_runtime import InvalidInput, InvalidModel, Limits
from edge_runtime.contract.text_files import OpenedText, delimiter_of, open_text, reading_text

TEXT = "Île,\r\nö"

# Without the time, which would be in the names of tests: processes that share them out must find the same names.
compressed = functools.partial(gzip.compress, mtime=0)


def read(path: Path | str) -> str:
    with reading_text(path, InvalidInput), open_text(str(path)) as text:
        whole = text.whole()
    with reading_text(path, InvalidInput), open_text(str(path)) as text:
        assert "".join(text.lines()) == whole
    return whole


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf8_with_or_without_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    content = (mark + TEXT).encode()
    for name, stored in (
        ("rows.csv", content),
        ("rows.csv.gz", compressed(content)),
        ("ROWS.GZ", compressed(content)),
    ):
        (tmp_path / name).write_bytes(stored)
        # The ends of lines stay as they are: CSV may hold them in a cell.
        assert read(tmp_path / name) == TEXT


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", None, "rows.csv: no such file"),
        ("rows.csv", b"a\xff", "rows.csv is not UTF-8 text: invalid start byte 0xff after 'a'; save it as UTF-8"),
        ("rows.csv", b"\xe9", "rows.csv is not UTF-8 text: unexpected end of data 0xe9; save it as UTF-8"),
        (
            "rows.csv",
            b"1,2\n" * 100_000 + "île,r".encode() + b"\xe9union\n",
            "rows.csv is not UTF-8 text: invalid continuation byte 0xe9 after 'île,r'; save it as UTF-8",
        ),
        (
            "rows.csv",
            b"PAR1\x15\x04",
            "rows.csv is a Parquet file, but rows must be CSV, TSV or JSON Lines; save them as one of these, "
            "or pass a data frame to Predictor.predict",
        ),
        ("rows.csv.gz", b"plain", "rows.csv.gz is not a gzip file; its name should end without .gz"),
        ("rows.csv", compressed(b"a"), "rows.csv is compressed by gzip; unpack it before, with gzip -dc, or give a "),
        ("rows.csv.gz", compressed(compressed(b"a")), "rows.csv.gz is compressed by gzip; unpack it before"),
        ("rows.csv.gz", compressed(b"a")[:-1], "rows.csv.gz is damaged: Compressed file ended"),
        ("rows.csv.gz", compressed(b"")[:10] + b"\xff" * 90, "rows.csv.gz is damaged: Error -3"),
    ],
    ids=["absent", "not UTF-8", "cut", "Latin-1", "Parquet", "not gzip", "gzip", "gzip twice", "truncated", "damaged"],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput) as raised:
        read(tmp_path / name)
    assert message in str(raised.value)


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_the_kind_of_error_is_the_callers() -> None:
    with pytest.raises(InvalidModel), reading_text("rows", InvalidModel):
        raise EOFError
    with pytest.raises(InvalidModel, match=r"^rows is compressed by gzip"), reading_text("rows", InvalidModel):
        OpenedText(io.BytesIO(compressed(b"a")), "rows").whole()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_read_only_once() -> None:
    source, target = os.pipe()
    os.write(target, b"PAR1 is its first cell")
    os.close(target)
    with open_text(f"/dev/fd/{source}") as text:
        assert text.whole() == "PAR1 is its first cell"
    os.close(source)


@pytest.mark.parametrize(
    ("path", "delimiter"),
    [
        ("a.tsv", "\t"),
        ("a.TAB", "\t"),
        ("a.tsv.gz", "\t"),
        ("a.csv", None),
        ("a.txt", None),
        ("tsv", None),
        ("-", None),
    ],
)
def test_delimiters(path: str, delimiter: str | None) -> None:
    assert delimiter_of(path) == delimiter


class _Endless(io.RawIOBase):
    """Gives `content` again and again."""

    def __init__(self, content: bytes) -> None:
        self.content, self.given = content, 0

    def read1(self, size: int = -1) -> bytes:
        self.given += len(self.content)
        return self.content


def test_a_line_that_never_ends() -> None:
    source = _Endless(b"1" * 1000)
    text = OpenedText(source, "stdin", Limits(line_bytes=10_000))
    with pytest.raises(
        InvalidInput, match=r"stdin has a line of more than 10,000 bytes; if you trust it,.*--limit line_"
    ):
        next(text.lines())
    assert source.given <= 11_000


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz"])
def test_lines_up_to_the_limit(tmp_path: Path, name: str, end: str) -> None:
    lengths = random.Random(1).choices(range(400), k=2000)
    content = "".join("x" * length + end for length in lengths).encode()
    (tmp_path / name).write_bytes(compressed(content) if name.endswith(".gz") else content)
    longest = max(lengths)
    for most, holds in ((longest, True), (None, True), (longest - 1, False), (max(lengths) - 300, False)):
        with open_text(str(tmp_path / name), Limits(line_bytes=most)) as text:
            if holds:
                assert [len(line.rstrip()) for line in text.lines()] == lengths
            else:
                with pytest.raises(InvalidInput, match=f"has a line of more than {most:,} bytes"):
                    list(text.lines())


def test_a_whole_text_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(compressed(b" " * 200_000))
    for most, holds in ((200_000, True), (199_999, False)):
        with open_text(str(tmp_path / "a.json.gz"), Limits(line_bytes=most)) as text:
            if holds:
                assert len(text.whole()) == 200_000
            else:
                with pytest.raises(
                    InvalidInput, match=r"a.json.gz is longer than 199,999 bytes; .*--limit line_bytes=\.\.\."
                ):
                    text.whole()


def test_lines_that_are_kept_up_to_the_limit(tmp_path: Path) -> None:
    # Two members, of which only the second is too much.
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(compressed(b"1\n" * 10) + compressed(b"1\n" * 1_000_000))
    limits = Limits(unpacked_bytes=100_000)
    with open_text(str(path), limits) as text:
        assert sum(1 for _ in text.lines()) == 1_000_010
    with (
        open_text(str(path), limits) as text,
        pytest.raises(InvalidInput, match=r"holds more than 100,000 bytes; .*--limit unpacked_bytes=\.\.\."),
    ):
        list(text.lines(are_kept=True))


def test_a_text_that_is_not_compressed_may_be_as_large_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"1\n" * 100_000)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    with open_text(str(path), Limits(unpacked_bytes=10)) as text:
        assert sum(1 for _ in text.lines(are_kept=True)) == 100_000


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom"])
def test_a_device_is_not_a_text(device: str) -> None:
    with pytest.raises(InvalidInput, match=f"{device} cannot be read: it is a device, not a file"):
        read(device)
