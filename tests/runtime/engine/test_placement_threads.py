"""On how many threads the sessions of a model compute, and which are opened for that."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from concurrency import in_threads
from paths import MODELS
from sessions import placement_of

from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import model_files, opening, placement
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings

MODEL = MODELS / "three_labels.onnx"


@pytest.fixture
def placed(with_metadata: Callable[[bytes, str, str], bytes]) -> Callable[..., Placement]:
    def make(device: str = "auto", threads: int | None = None, **workload: Any) -> Placement:
        wanted = Workload(**{"independent": True, "cost": 1000.0, "bytes": 40, **workload}).to_json()
        return placement_of(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, wanted), device, threads)

    return make


def content_of(found: Placement) -> bytes:
    assert isinstance(found.main.source.model, bytes)
    return found.main.source.model


def threads_of(session: Session | None) -> int:
    assert session is not None
    return int(session._session.get_session_options().intra_op_num_threads)


@pytest.fixture
def several_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "available_processors", lambda: 3)
    monkeypatch.setattr(opening, "_all_processors", lambda: 4)
    monkeypatch.setattr(opening, "_can_spin_briefly", lambda ort: True)


@pytest.mark.usefixtures("several_processors")
@pytest.mark.parametrize(
    ("bytes_", "begins_on", "single_is_main"), [(40, 1, False), (20_000, 1, True), (None, 3, False)]
)
def test_each_session_is_opened_once(
    placed: Callable[..., Placement], bytes_: int | None, begins_on: int, single_is_main: bool
) -> None:
    """A small artifact begins on one thread. If it has not ONNX Runtime's allocator, batches have another session."""
    found = placement_of(MODEL, "cpu") if bytes_ is None else placed("cpu", bytes=bytes_)
    assert threads_of(found.main) == begins_on
    single: list[Session | None] = []
    pooled: list[Session | None] = []
    in_threads(lambda: single.append(found.single_threaded()), 4)
    in_threads(lambda: pooled.append(found.pooled()), 4)
    for opened, threads in ((single, 1), (pooled, 3)):
        assert threads_of(opened[0]) == threads
        assert all(one is opened[0] for one in opened)
    assert (single[0] is found.main) == single_is_main
    assert (pooled[0] is found.main) == (begins_on == 3)
    assert single[0] is not None
    assert single[0]._session.get_session_options().enable_cpu_mem_arena


@pytest.mark.usefixtures("several_processors")
def test_what_begins_on_all_threads(placed: Callable[..., Placement], tmp_path: Path) -> None:
    found = placed("auto")
    assert threads_of(found.main) == 1
    assert threads_of(placed("cpu", threads=2).pooled()) == 2
    content = content_of(found)
    # Before it one more field of text, the producer's name; which the next one replaces.
    (tmp_path / "large.onnx").write_bytes(b"\x12\x80\x80\x80\x01" + 2**21 * b"x" + content)
    (tmp_path / "small.onnx").write_bytes(content)
    for model, threads in ((MODEL, 3), (tmp_path / "large.onnx", 3), (tmp_path / "small.onnx", 1)):
        assert threads_of(placement_of(model, "cpu").main) == threads
    # The user's choice.
    settings = SessionSettings("cpu", session_options={"intra_op_num_threads": 2})
    chosen = Placement(found.main.source, settings)
    assert threads_of(chosen.main) == 2
    assert chosen.pooled() is chosen.main


@pytest.mark.parametrize("processors", [1, 3])
@pytest.mark.parametrize("threads", [1, None])
def test_a_model_that_has_one_thread_is_opened_once(
    processors: int, threads: int | None, placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "available_processors", lambda: processors)
    monkeypatch.setattr(opening, "_can_spin_briefly", lambda ort: threads is not None or processors == 1)
    for found in (placed("cpu", threads, bytes=20_000), placement_of(MODEL, "cpu", threads)):
        assert found.single_threaded() is found.pooled() is found.main
        assert threads_of(found.main) == 1
        assert found.most_on_one == sys.maxsize


@pytest.mark.usefixtures("several_processors")
def test_which_calls_may_gain_from_threads(placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch) -> None:
    found = placed("cpu", cost=1000.0)
    assert found.most_on_one == 499
    monkeypatch.setattr(placement, "_SMALL_FILE", 10)
    assert placed("cpu", cost=1000.0).most_on_one == sys.maxsize
    assert placement_of(MODEL, "cpu").most_on_one == sys.maxsize


def test_another_file_of_the_same_name_is_not_opened(
    placed: Callable[..., Placement], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    monkeypatch.setattr(model_files, "HELD_SIZE", 0)
    for content in (MODEL.read_bytes(), content_of(placed("cpu"))):
        path.write_bytes(content)
        found = placement_of(path, "cpu", None)
        path.write_bytes((MODELS / "outputs.onnx").read_bytes())
        assert found.single_threaded() in (None, found.main)
        assert found.pooled() is found.main
