"""Sessions and placements of the engine, opened as `Predictor` opens them."""

from pathlib import Path

from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings


def session_of(model: Path | bytes, device: str = "cpu", threads: int | None = None) -> Session:
    return Session(ModelSource(model), SessionSettings(device, threads))


def placement_of(model: Path | bytes, device: str = "cpu", threads: int | None = None) -> Placement:
    return Placement(ModelSource(model), SessionSettings(device, threads))
