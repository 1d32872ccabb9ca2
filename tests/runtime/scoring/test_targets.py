"""What answers are written to."""

import io
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from paths import MODELS

from edge_runtime import CannotWrite, InvalidInput, Limits, Predictor
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.sources import open_source
from edge_runtime.scoring.targets import targets

MODEL = Predictor(MODELS / "four_blobs.onnx")
STREAM = pa.table({"a": [1]})


class Raw(io.RawIOBase):
    """A file that takes three bytes at a time."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, content: object) -> int:
        piece = bytes(content)[:3]  # type: ignore[call-overload]
        self.content += piece
        return len(piece)


def test_objects_that_take_bytes() -> None:
    source = open_source(STREAM, Options(), Limits())
    target = Raw()
    files, stream = targets(MODEL, source, target, None, None, resume=False)
    assert stream is not None
    stream.write(memoryview(b"0123456789"))
    assert target.content == b"0123456789"
    assert files.target is None
    with pytest.raises(InvalidInput, match="a target is a path"):
        targets(MODEL, source, 5, None, None, resume=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_devices() -> None:
    source = open_source(STREAM, Options(), Limits())
    for path in (Path("/dev/null"), Path("/dev/full")):
        files, stream = targets(MODEL, source, path, None, None, resume=False)
        assert stream is not None
        assert files.target is None
        if path.name == "null":
            stream.write(b"0123456789")
            continue
        with pytest.raises(CannotWrite, match=r"^/dev/full cannot be written: No space left on device$"):
            stream.write(b"0123456789")


def test_what_cannot_be_resumed(tmp_path: Path) -> None:
    source = open_source(STREAM, Options(), Limits())
    with pytest.raises(InvalidInput, match="read once"):
        targets(MODEL, source, tmp_path / "a.csv", None, None, resume=True)
    with pytest.raises(CannotWrite, match="only a run that writes a file"):
        targets(MODEL, source, io.BytesIO(), None, None, resume=True)


def test_one_file_twice(tmp_path: Path) -> None:
    source = open_source(STREAM, Options(), Limits())
    with pytest.raises(CannotWrite, match="cannot be the summary: it is the file of rejected rows too"):
        targets(MODEL, source, tmp_path / "a.csv", tmp_path / "b", tmp_path / "b", resume=False)


@pytest.mark.parametrize("place", ["target", "rejects", "summary"])
@pytest.mark.parametrize("name", ["external.onnx", "external.weights", "link"])
def test_the_files_of_the_model_are_never_written(tmp_path: Path, place: str, name: str) -> None:
    for file in ("external.onnx", "external.weights"):
        shutil.copy(MODELS / file, tmp_path)
    (tmp_path / "link").symlink_to("external.weights")
    predictor, source = Predictor(tmp_path / "external.onnx"), open_source(STREAM, Options(), Limits())
    files: dict[str, Any] = {"target": tmp_path / "a.csv", "rejects": None, "summary": None, place: tmp_path / name}
    with pytest.raises(CannotWrite, match=f"{name} cannot be the .*: it is a file of the model, .*choose another name"):
        targets(predictor, source, **files, resume=False)
