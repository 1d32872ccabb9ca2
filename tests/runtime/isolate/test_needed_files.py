"""Which files an isolated process reads: the weights of its model among them, and none beside it."""

from pathlib import Path
from typing import Any

import pytest
from paths import FOUR_BLOBS, MODELS

from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session_settings import SessionSettings
from edge_runtime.isolate.needed_files import needed_files


def needed(model: Any, folder: Any = None, **settings: Any) -> set[Path]:
    return set(needed_files(ModelSource(model, folder), SessionSettings(**settings)))


def entry(location: str) -> bytes:
    """An entry of a tensor's external data, in ONNX's protobuf."""
    name = location.encode()
    size = bytes([len(name)]) if len(name) < 0x80 else bytes([len(name) & 0x7F | 0x80, len(name) >> 7])
    return b"\x6a.\n\x08location\x12" + size + name


def test_the_model_and_its_weights() -> None:
    files = {path for path in needed(MODELS / "external.onnx") if path.is_relative_to(MODELS)}
    assert files == {MODELS / "external.onnx", MODELS / "external.weights"}
    assert {path for path in needed(FOUR_BLOBS) if path.is_relative_to(MODELS)} == {FOUR_BLOBS}


def test_a_content() -> None:
    content = (MODELS / "external.onnx").read_bytes()
    assert MODELS in needed(content, MODELS)
    assert not any(path.is_relative_to(MODELS) for path in needed(content))


def test_operators(tmp_path: Path) -> None:
    assert tmp_path / "operators.so" in needed(FOUR_BLOBS, custom_operators=(str(tmp_path / "operators.so"),))


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "folder", "nothing", "", "a" * 300, "\0"])
def test_no_file_that_is_elsewhere(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("word")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "good").write_text("weights")
    (folder / ("b" * 200)).write_text("weights")
    model = folder / "model.onnx"
    model.write_bytes(b"before" + entry(location) + entry("good") + entry("b" * 200) + entry("good") + b"after")
    found = {path for path in needed(model) if path.is_relative_to(tmp_path)}
    assert found == {model, folder / "good", folder / ("b" * 200)}
    assert Path("/etc/passwd") not in needed(model)
