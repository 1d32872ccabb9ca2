"""Threads of this process score, unless a cluster is named."""

import pytest

from edge_runtime import ExtraNotInstalled, InvalidInput

pytest.importorskip("pyarrow")

from edge_runtime.scoring.engines import engine_of
from edge_runtime.scoring.work import Threads


def test_threads() -> None:
    device, engine = engine_of(None, device="cuda", workers=2)
    assert device == "cuda"
    assert isinstance(engine, Threads)


def test_what_is_not_an_engine() -> None:
    with pytest.raises(InvalidInput, match=r"^the engine is ray, or none for this machine alone; found 'spark'$"):
        engine_of("spark")
    with pytest.raises(InvalidInput, match=r"^an address is that of a cluster; name the engine too: ray$"):
        engine_of(None, "auto")


def test_ray_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ExtraNotInstalled, match=r"^the engine ray needs .* 'edge-predict\[ray\]'$"):
        engine_of("ray")
