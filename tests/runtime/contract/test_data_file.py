"""Data files: that the right one is found, and a wrong one is told from it without reading it all."""

import os
import re
import sys
from pathlib import Path

import pytest
from certificates import appended

from edge_runtime import InvalidModel, ModelNotFound
from edge_runtime.contract.data_file import ENTRY_SIZE, DataFile, blocks, data_file_in, finished
from edge_runtime.contract.metadata_keys import DATA_KEY

WEIGHTS = bytes(range(256)) * 20


@pytest.fixture
def described(tmp_path: Path) -> DataFile:
    """A data file of model.onnx, finished, with the .onnx file beside it."""
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "model.onnx.data").write_bytes(WEIGHTS)
    return finished(tmp_path / "model.onnx.data")


def test_the_digest_is_at_its_end(tmp_path: Path, described: DataFile) -> None:
    content = (tmp_path / "model.onnx.data").read_bytes()
    assert content == WEIGHTS + bytes.fromhex(described.sha256)
    assert (described.name, described.size) == ("model.onnx.data", len(content))
    assert DataFile.from_json(described.to_json()) == described
    assert described.beside(tmp_path / "model.onnx") == tmp_path / "model.onnx.data"


def test_the_entry_at_the_end_of_a_file(described: DataFile) -> None:
    content = appended(b"graph" * 9999, DATA_KEY, described.to_json())
    assert data_file_in(content) == data_file_in(content[-ENTRY_SIZE:]) == described
    assert data_file_in(b"graph") is None
    long = DataFile("ü" * 100, 32, "0" * 64)
    assert data_file_in(appended(b"", DATA_KEY, long.to_json())) == long
    newer = described.to_json().replace('"schema_version": 1', '"schema_version": 2')
    with pytest.raises(InvalidModel, match="upgrade"):
        data_file_in(appended(b"graph", DATA_KEY, newer))


@pytest.mark.parametrize("name", ["", ".", "..", "../model.onnx.data", "/etc/passwd", "a\\b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidModel, match="is not a file name"):
        DataFile.from_json(DataFile(name, 32, "0" * 64).to_json())


@pytest.mark.parametrize("size", [31, -1, 1.5, True, "32", None])
def test_a_size_that_no_data_file_has_is_refused(size: object) -> None:
    with pytest.raises(InvalidModel, match="its size is"):
        DataFile.from_json(DataFile("a", size, "0" * 64).to_json())  # type: ignore[arg-type]


def test_what_lies_beside_the_model(tmp_path: Path, described: DataFile) -> None:
    model, data = tmp_path / "model.onnx", tmp_path / "model.onnx.data"
    content = data.read_bytes()
    for wrong, message in (
        (content[:100], r"model\.onnx\.data is cut: it has 100 of 5,152 bytes; copy it again"),
        (b"", "is cut: it has 0 of"),
        (content + b"x", r"belongs to another export than model\.onnx; copy both files again"),
        (content[:-1] + bytes([content[-1] ^ 1]), "belongs to another export"),
    ):
        data.write_bytes(wrong)
        with pytest.raises(InvalidModel, match=message):
            described.beside(model)
    data.unlink()
    missing = rf"model\.onnx has its weights in model\.onnx\.data, and {re.escape(str(tmp_path))} has no such file; "
    with pytest.raises(ModelNotFound, match=missing + "copy it there, under that name"):
        described.beside(model)
    with pytest.raises(ModelNotFound, match=r"other\.onnx may have been renamed, call it model\.onnx again"):
        described.beside(tmp_path / "other.onnx")
    data.mkdir()
    with pytest.raises(InvalidModel, match="is not a regular file"):
        described.beside(model)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="cannot be read: File name too long"):
        DataFile("a" * 300, 32, "0" * 64).beside(tmp_path / "model.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes among its files")
def test_what_is_not_a_regular_file_is_refused_and_not_read(tmp_path: Path, described: DataFile) -> None:
    data = tmp_path / described.name
    for put in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")):
        data.unlink()
        put(data)
        with pytest.raises(InvalidModel, match=r"model\.onnx\.data is not a regular file"):
            described.beside(tmp_path / "model.onnx")
        if data.is_dir() and not data.is_symlink():
            data.rmdir()
            data.touch()


def test_links(tmp_path: Path, described: DataFile) -> None:
    """Caches keep files under other names and link to both; a person may link to the .onnx file alone."""
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere"
    for folder in (cache, elsewhere):
        folder.mkdir()
        (folder / "model.onnx").symlink_to(tmp_path / "model.onnx")
    (cache / "blob").write_bytes((tmp_path / "model.onnx.data").read_bytes())
    (cache / "model.onnx.data").symlink_to("blob")
    assert described.beside(cache / "model.onnx") == cache / "model.onnx.data"
    assert described.beside(elsewhere / "model.onnx") == tmp_path / "model.onnx.data"


def test_blocks(tmp_path: Path) -> None:
    content = bytes(3_000_000)
    (tmp_path / "file").write_bytes(content)
    parts = list(blocks(tmp_path / "file"))
    assert b"".join(parts) == b"".join(blocks(content)) == content
    assert max(map(len, parts)) < 2_000_000
