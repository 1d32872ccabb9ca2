"""Which files an isolated process reads: the weights of its model among them, and none beside it."""

from pathlib import Path
from typing import Any

from paths import FOUR_BLOBS, MODELS

from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session_settings import SessionSettings
from edge_runtime.isolate.needed_files import needed_files


def needed(model: Any, folder: Any = None, **settings: Any) -> set[Path]:
    return set(needed_files(ModelSource(model, folder), SessionSettings(**settings)))


def test_the_model_and_its_weights() -> None:
    files = {path for path in needed(MODELS / "external.onnx") if path.is_relative_to(MODELS)}
    assert files == {MODELS / "external.onnx", MODELS / "external.weights"}
    assert {path for path in needed(FOUR_BLOBS) if path.is_relative_to(MODELS)} == {FOUR_BLOBS}


def test_a_content() -> None:
    content = (MODELS / "external.onnx").read_bytes()
    files = {path for path in needed(content, MODELS) if path.is_relative_to(MODELS)}
    assert files == {MODELS / "external.weights"}
    assert not any(path.is_relative_to(MODELS) for path in needed(FOUR_BLOBS.read_bytes()))


def test_operators(tmp_path: Path) -> None:
    assert tmp_path / "operators.so" in needed(FOUR_BLOBS, custom_operators=(str(tmp_path / "operators.so"),))
