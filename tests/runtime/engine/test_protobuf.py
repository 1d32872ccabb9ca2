import io
from pathlib import Path

import pytest
from written_models import message, varint

from edge_runtime.engine import protobuf
from edge_runtime.engine.protobuf import Bytes, Damaged, FileBytes, content, fields, number

MESSAGE = message((1, 300), (2, "text"), (3, b""), (16, 2**64 - 1), (2047, b"x" * 300)) + b"\x0d1234\x1112345678"


def read(data: Bytes) -> list[tuple[int, bytes | int]]:
    return [
        (field, content(data, start, stop) if has_length else number(data, start))
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
    with (tmp_path / "message").open("rb", buffering=0) as file:
        assert read(FileBytes(file)) == EXPECTED


@pytest.mark.parametrize("size", range(1, len(MESSAGE)))
def test_a_message_that_is_cut_raises_or_ends_at_a_field(size: int) -> None:
    for data in (MESSAGE[:size], FileBytes(io.BytesIO(MESSAGE[:size]))):
        try:
            found = read(data)
        except Damaged:
            continue
        assert found == EXPECTED[: len(found)]


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
