import io
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from concurrency import HANG
from paths import FOUR_BLOBS as MODEL

from edge_runtime import EdgePredictError, InvalidInput, InvalidModel, Limits, ModelNotFound, Predictor
from edge_runtime.engine import model_files, model_source
from edge_runtime.engine.model_source import ModelSource

CONTENT = MODEL.read_bytes()


@pytest.mark.parametrize("open_model", [ModelSource, Predictor])
def test_what_cannot_be_read(open_model: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").write_bytes(b"")
    for path, error, message in (
        (tmp_path / "nowhere.onnx", ModelNotFound, f"{tmp_path / 'nowhere.onnx'}: no such file"),
        (tmp_path / "nowhere" / "m.onnx", ModelNotFound, f"{tmp_path / 'nowhere' / 'm.onnx'}: no such file"),
        (tmp_path, InvalidModel, f"{tmp_path} is a folder, not a model file"),
        (tmp_path / "empty.onnx", InvalidModel, f"{tmp_path / 'empty.onnx'} is empty; export the model again"),
        (MODEL / "below", InvalidModel, f"{MODEL / 'below'} cannot be read: Not a directory"),
        (Path("a" * 300), InvalidModel, f"{'a' * 300} cannot be read: File name too long"),
        (Path("model\0.onnx"), InvalidModel, "'model\\x00.onnx' is not a path: embedded null byte"),
    ):
        with pytest.raises(error) as raised:
            open_model(path)
        assert str(raised.value) == message
        assert isinstance(raised.value, EdgePredictError)
    with pytest.raises(FileNotFoundError):  # for code without this package's errors
        open_model(tmp_path / "nowhere.onnx")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever runs the tests may read everything")
def test_a_file_that_must_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "model.onnx").chmod(0)
    with pytest.raises(InvalidModel, match="cannot be read: Permission denied"):
        ModelSource(tmp_path / "model.onnx")


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither devices nor named pipes in folders")
def test_what_never_begins_or_never_ends(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match="/dev/zero cannot be read: it is a device, not a file"):
        Predictor("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidModel, match=r"nobody has written to this pipe for 0\.05 seconds.*--limit pipe_seconds="):
        Predictor(tmp_path / "pipe", limits=Limits(pipe_seconds=0.05))
    limits = Limits(model_bytes=len(CONTENT))
    for content in (CONTENT, CONTENT + b"1"):
        reader, writer = os.pipe()
        os.write(writer, content)
        if content == CONTENT:
            os.close(writer)
            assert Predictor(f"/dev/fd/{reader}", limits=limits).predict_one([-1, 1])
        else:  # the end of which nobody waits for
            with pytest.raises(InvalidModel, match=r"/dev/fd/\d+ holds more than .* bytes; .*--limit model_bytes="):
                Predictor(f"/dev/fd/{reader}", limits=limits)
            os.close(writer)
        os.close(reader)


def test_the_size_of_a_file(tmp_path: Path) -> None:
    size = MODEL.stat().st_size
    assert Predictor(MODEL, device="cpu", limits=Limits(model_bytes=size)).provider
    with pytest.raises(InvalidModel) as raised:
        Predictor(MODEL, device="cpu", limits=Limits(model_bytes=size - 1))
    assert f"four_blobs.onnx has {size:,} bytes; the limit is {size - 1:,}; if you trust it" in str(raised.value)
    with pytest.raises(
        InvalidModel, match=rf"the model has {size:,} bytes; the limit is {size - 1:,}; if you trust it"
    ):
        Predictor(CONTENT, device="cpu", limits=Limits(model_bytes=size - 1))
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(3 * 1024**3)
    with pytest.raises(InvalidModel, match="has 3,221,225,472 bytes; the limit is 2,147,483,648; "):
        Predictor(path, device="cpu")


class Endless(io.RawIOBase):
    """A file that has no end."""

    given = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= 2**20
        self.given += size
        return bytes(size)


def test_no_more_is_read_from_an_open_file_than_a_model_may_have() -> None:
    file: Any = Endless()
    with pytest.raises(InvalidModel, match=r"the model's file holds more than 5,000,000 bytes; .*--limit model_bytes="):
        Predictor(file, limits=Limits(model_bytes=5_000_000))
    assert file.given < 5_000_000 + 2**20
    size = len(CONTENT)
    assert Predictor(io.BytesIO(CONTENT), limits=Limits(model_bytes=size)).predict_one([-1, 1])
    with pytest.raises(InvalidModel, match=rf"the model's file holds more than {size - 1:,} bytes; "):
        Predictor(io.BytesIO(CONTENT), limits=Limits(model_bytes=size - 1))


def test_a_model_that_is_too_large_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_source, "outline_of", None)
    path = shutil.copy(MODEL, tmp_path)
    for held in (model_files.HELD_SIZE, 0):
        monkeypatch.setattr(model_files, "HELD_SIZE", held)
        for model in (path, CONTENT, io.BytesIO(CONTENT)):
            with pytest.raises(InvalidModel, match=r"if you trust it, raise the limit: .*model_bytes"):
                ModelSource(model, limits=Limits(model_bytes=100))


class Named:
    """A path of somebody's own class, in bytes."""

    def __fspath__(self) -> bytes:
        return os.fsencode(MODEL)


def test_every_form_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # The second is a name that nobody's home has.
    for name in ("model.onnx", "~nobody-has-this-home.onnx"):
        (tmp_path / name).write_bytes(CONTENT)
    behind = io.BytesIO(b"a header" + CONTENT)
    behind.seek(8)
    with MODEL.open("rb") as opened:
        forms: list[Any] = [
            "~/model.onnx",
            Path("~/model.onnx"),
            "~nobody-has-this-home.onnx",
            "model.onnx",
            Named(),
            behind,
        ]
        forms += [CONTENT, bytearray(CONTENT), memoryview(CONTENT), io.BytesIO(CONTENT), opened]
        for model in forms:
            predictor = Predictor(model, "cpu")
            monkeypatch.chdir(MODEL.parent)
            for one in (predictor, pickle.loads(pickle.dumps(predictor))):
                assert one.predict_one([-1, 1]).label == 1
            monkeypatch.chdir(tmp_path)


def test_a_path_in_the_home_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with pytest.raises(ModelNotFound) as raised:
        Predictor("~/model.onnx")
    assert str(raised.value) == f"{tmp_path / 'model.onnx'}: no such file"


class Refusing:
    """Somebody's file or path that raises what it likes."""

    def read(self, size: int) -> bytes:
        raise ZeroDivisionError("it is\nbroken")


class RefusingPath(os.PathLike[str]):
    def __fspath__(self) -> str:
        raise ZeroDivisionError


class Hiding:
    @property
    def read(self) -> object:
        raise KeyError("read")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "a model is given by its path, its content, or a binary file, found NoneType"),
        (5, "a model is given by its path, its content, or a binary file, found int"),
        ([CONTENT], "a model is given by its path, its content, or a binary file, found list"),
        (b"", "the model is empty: it has 0 bytes"),
        (io.BytesIO(), "the model is empty: it has 0 bytes"),
        (io.StringIO("text"), "the model's file gives str, not bytes; open it with mode 'rb'"),
        ("", "a model is given by its path, its content, or a binary file, found an empty string"),
        (Refusing(), "the model cannot be read: it is broken"),
        (RefusingPath(), "a model is given by its path: ZeroDivisionError"),
        (Hiding(), "the model cannot be read: 'read'"),
    ],
)
def test_what_is_not_a_model(model: Any, message: str) -> None:
    with pytest.raises(InvalidModel) as raised:
        Predictor(model)
    assert str(raised.value) == message


@pytest.mark.parametrize("mode", ["r", "w", "wb", "ab"])
def test_a_file_that_does_not_give_bytes(mode: str, tmp_path: Path) -> None:
    path = Path(shutil.copy(MODEL, tmp_path))
    file: Any
    with path.open(mode) as file, pytest.raises(InvalidModel, match=r"bytes; open it with mode 'rb'$"):
        Predictor(file)


def test_a_file_that_was_closed() -> None:
    with MODEL.open("rb") as closed:
        pass
    with pytest.raises(InvalidModel, match=r"the model cannot be read: .*closed file"):
        Predictor(closed)


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        (MODEL, f"data_folder is not a folder: {MODEL}"),
        ("nowhere\n", r"data_folder is not a folder: .*nowhere\\n"),
        ("\0", "data_folder is not a folder"),
        (5, "data_folder is given by its path, found int"),
        ("", "data_folder is given by its path, found an empty string"),
    ],
)
def test_what_is_not_a_folder(folder: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Predictor(CONTENT, data_folder=folder)


def test_a_file_has_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="data_folder is for a model's content; the data of a file lies beside it"):
        Predictor(MODEL, data_folder=tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes in folders")
def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    os.mkfifo(path)
    script = f"""
import os
from edge_runtime import InvalidModel, Predictor

real = os.stat
os.stat = lambda one, **more: real({str(MODEL)!r} if one == {str(path)!r} else one, **more)
try:
    Predictor({str(path)!r})
except InvalidModel as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=HANG)
    assert (ran.stdout, ran.stderr) == (f"{path} is empty; export the model again\n", "")
