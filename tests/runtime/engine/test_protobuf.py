from pathlib import Path

import pytest
from written_models import message, varint

from edge_runtime.engine import protobuf
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields, number_at

MESSAGE = message((1, 300), (2, "text"), (3, b""), (16, 2**64 - 1), (2047, b"x" * 300)) + b"\x0d1234\x1112345678"


def read(data: Bytes) -> list[tuple[int, bytes | int]]:
    return [
        (field, content(data, start, stop) if has_length else number_at(data, start))
        for field, has_length, start, stop in fields(data, 0, len(data))
        if field not in (1, 2) or has_length or stop - start < 4
    ]


EXPECTED = [(1, 300), (2, b"text"), (3, b""), (16, 2**64 - 1), (2047, b"x" * 300)]


def test_the_fields_of_a_message() -> None:
    assert read(MESSAGE) == EXPECTED
    assert list(fields(b"", 0, 0)) == []


@pytest.mark.parametrize("window", [1, 2, 7, 64, 10_000])
def test_the_fields_of_a_file_whatever_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(protobuf, "_WINDOW", window)
    (tmp_path / "message").write_bytes(MESSAGE)
    with FileBytes(str(tmp_path / "message")) as data:
        assert read(data) == EXPECTED


@pytest.mark.parametrize("size", range(1, len(MESSAGE)))
def test_a_message_that_is_cut_raises_or_ends_at_a_field(tmp_path: Path, size: int) -> None:
    (tmp_path / "message").write_bytes(MESSAGE[:size])
    with FileBytes(str(tmp_path / "message")) as file:
        for data in (MESSAGE[:size], file):
            try:
                found = read(data)
            except Damaged:
                continue
            assert found == EXPECTED[: len(found)]


def test_a_file_is_read_in_larger_pieces_where_nothing_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    whole = FileBytes._read

    def read_piece(data: FileBytes, place: int, count: int) -> bytes:
        sizes.append(count)
        return whole(data, place, count)

    monkeypatch.setattr(FileBytes, "_read", read_piece)
    path = tmp_path / "message"
    for text, most in ((b"a" * 100_000, {4096}), (b"a" * 10, {4096, 8192, 16384, 32768, 65536})):
        path.write_bytes(message((1, text)) * (3_000_000 // len(text) // 3))
        sizes.clear()
        with FileBytes(str(path)) as data:
            assert len(list(fields(data, 0, len(data)))) == 3_000_000 // len(text) // 3
        assert set(sizes) == most


NUMBERS = message((1, 1), (15, 2**64 - 1), (7, 300)) + b"\x0d1234\x1112345678"


@pytest.mark.parametrize("window", [1, 7, 64, 10_000])
def test_numbers_are_skipped_if_they_are_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(protobuf, "_WINDOW", window)
    content = NUMBERS * 100 + message((2, "text"), (20, 5)) + NUMBERS * 3 + message((3, b"")) + NUMBERS
    (tmp_path / "message").write_bytes(content)
    with FileBytes(str(tmp_path / "message")) as file:
        for data in (content, file):
            for end in (len(content), len(content) - len(NUMBERS)):
                wanted = [field for field in fields(data, 0, end) if field[1] or field[0] > 15]
                assert [number for number, *_ in wanted] == [2, 20, 3]
                found = list(fields(data, 0, end, numbers=False))
                assert [field for field in found if field[1] or field[0] > 15] == wanted
                # Of a file, those at the ends of what is read at a time are not skipped.
                assert len(found) == len(wanted) or (data is file and window < 100)


@pytest.mark.parametrize("cut", [b"\x08\x80", b"\x0d123", b"\x111234567", b"\x88\x80"])
def test_numbers_that_are_cut_are_not_skipped(cut: bytes) -> None:
    with pytest.raises(Damaged):
        list(fields(NUMBERS + cut, 0, len(NUMBERS + cut), numbers=False))
    # A tag that is longer than it has to be.
    assert [*fields(b"\x88\0\1\x12\0", 0, 5, numbers=False)][-1] == (2, True, 5, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0b",  # a group
        b"\x0f",  # a type that Protocol Buffers do not have
        b"\xff" * 11,
        b"\x0a\x05text",
        varint(2**32 + (7 << 3 | 2)) + b"\x00",  # field 7, for a reader of 32 bits
        b"\x0a" + varint(2**63),
        b"\x08\xff",
        b"\x0d123",
    ],
)
def test_what_is_not_a_message(data: bytes) -> None:
    with pytest.raises(Damaged):
        read(data)


def test_a_field_does_not_reach_beyond_its_message() -> None:
    with pytest.raises(Damaged):
        list(fields(b"\x0a\x04text", 0, 4))
