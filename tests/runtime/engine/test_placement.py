"""Which session a call runs on. A fake onnxruntime is the machine with a GPU."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_onnxruntime
import numpy as np
import pytest
from commands import assert_python_runs
from concurrency import assert_holds_in_a_fork, in_threads
from fake_onnxruntime import FakeOnnxRuntime
from paths import MODELS
from sessions import placement_of

from edge_runtime import DeviceUnavailable, InvalidInput, Predictor
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import model_files, placement
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session import Session

MODEL = MODELS / "three_labels.onnx"


@pytest.fixture
def fake(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    return fake_onnxruntime.install(monkeypatch, request.param)


@pytest.fixture
def placed(with_metadata: Callable[[bytes, str, str], bytes]) -> Callable[..., Placement]:
    def make(device: str = "auto", threads: int | None = None, **workload: Any) -> Placement:
        wanted = Workload(**{"independent": True, "cost": 1000.0, "bytes": 40, **workload})
        return placement_of(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, wanted.to_json()), device, threads)

    return make


def feed(rows: int) -> dict[str, np.ndarray]:
    return {"x": np.zeros((rows, 2), np.float32)}


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_must_be_some(threads: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        Predictor(MODEL, threads=threads)
    assert str(raised.value) == f"threads must be an integer of at least 1, found {threads!r}"


def test_what_is_worth_splitting(placed: Callable[..., Placement]) -> None:
    assert [placed(cost=1000.0).is_worth_splitting(rows) for rows in (0, 999, 1000, 10**9)] == [
        False,
        False,
        True,
        True,
    ]
    assert not placed(independent=False).is_worth_splitting(10**9)
    assert not placement_of(MODEL, "cpu", None).is_worth_splitting(10**9)


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 9, "independent": true, "cost": 2, "bytes": 4}'])
def test_a_workload_that_cannot_be_read_is_ignored(
    text: str, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    found = placement_of(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, text), "cpu", None)
    assert found.workload is None
    assert not found.is_worth_splitting(10**9)
    assert found.session_for(10**9, feed(1)) is found.main


def test_a_large_model_is_not_opened_twice(placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch) -> None:
    found = placed("cpu")
    monkeypatch.setattr(placement, "_SMALL_FILE", found.main.source.size - 1)
    assert found.single_threaded() is None
    monkeypatch.setattr(placement, "_SMALL_FILE", found.main.source.size)
    assert found.single_threaded() is not None


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
@pytest.mark.parametrize(
    ("cost", "rows", "threads", "independent", "provider"),
    [
        # 100 us and 8 bytes a row at 7 bytes a ns; on the CPU half a ns for a unit.
        (1e6, 10_000, None, True, CUDA),
        (1e4, 3, None, True, CPU),
        (10.0, 10_000, None, True, CPU),
        (190_000.0, 1, None, True, CPU),
        (210_000.0, 1, None, True, CUDA),
        # Split over processors, the CPU gains up to four times.
        (790_000.0, 2, 8, True, CUDA),
        (390_000.0, 2, 4, True, CUDA),
        (600_000.0, 2, 2, True, CUDA),
        (1_100_000.0, 1, 8, True, CUDA),
        (1_000_000.0, 1, 8, True, CUDA),
        (510_000.0, 2, 1, True, CUDA),
        # The way to the GPU: a million rows are 8 MB, which take 1.14 ms.
        (2.0, 1_000_000, 1, True, CPU),
        (3.0, 1_000_000, 1, True, CUDA),
        (3.0, 1_000_000, 2, True, CPU),
        (3.0, 1_000_000, 2, False, CUDA),
        (9.0, 1_000_000, None, True, CPU),
        (11.0, 1_000_000, 8, True, CUDA),
    ],
)
def test_auto_uses_cuda_for_the_calls_that_are_done_sooner_there(
    fake: FakeOnnxRuntime,
    placed: Callable[..., Placement],
    monkeypatch: pytest.MonkeyPatch,
    cost: float,
    rows: int,
    threads: int | None,
    independent: bool,
    provider: str,
) -> None:
    monkeypatch.setattr(placement, "available_processors", lambda: 4)
    found = placed("auto", threads, cost=cost, independent=independent)
    # CUDA takes a while to come up: not before it is needed.
    assert (found.main.provider, fake.options) == (CPU, {})
    assert found.session_for(rows, feed(rows)).provider == provider
    assert ("use_tf32" in fake.options) == (provider == CUDA)


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
@pytest.mark.parametrize(("device", "provider"), [("auto", CUDA), ("cpu", CPU), ("cuda", CUDA)])
def test_a_model_that_does_not_say_its_workload(fake: FakeOnnxRuntime, device: str, provider: str) -> None:
    """With "auto" all of its calls run on CUDA."""
    found = placement_of(MODEL, device, 2)
    assert (found.main.provider, found.cuda, found.workload) == (provider, None, None)
    assert found.session_for(10**6, feed(1)) is found.main


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_auto_opens_cuda_once(fake: FakeOnnxRuntime, placed: Callable[..., Placement]) -> None:
    found = placed("auto", cost=1e9)
    sessions: list[Session] = []
    in_threads(lambda: sessions.append(found.session_for(10, feed(10))), 4)
    assert [session.provider for session in sessions] == 4 * [CUDA]
    assert all(session is sessions[0] for session in sessions)
    assert found.cuda is sessions[0]


@pytest.mark.parametrize("fake", ["raises", "falls back"], indirect=True)
def test_auto_does_without_cuda_that_does_not_come_up(fake: FakeOnnxRuntime, placed: Callable[..., Placement]) -> None:
    found = placed("auto", cost=1e9)
    assert found.session_for(10, feed(10)) is found.main
    assert found.cuda is None
    fake.cuda = "comes up"
    # It is not tried again with each call.
    assert found.session_for(10, feed(10)) is found.main


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_auto_does_without_cuda_if_the_file_has_changed(
    fake: FakeOnnxRuntime,
    tmp_path: Path,
    with_metadata: Callable[[bytes, str, str], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "model.onnx"
    for held, is_main in ((10**6, False), (0, True)):
        monkeypatch.setattr(model_files, "HELD_SIZE", held)
        path.write_bytes(with_metadata(MODEL.read_bytes(), WORKLOAD_KEY, Workload(True, 1e9, 40).to_json()))
        found = placement_of(path, "auto", None)
        path.write_bytes(MODEL.read_bytes())
        assert (found.session_for(10, feed(10)) is found.main) == is_main


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_a_requested_device_is_used_for_all_calls(fake: FakeOnnxRuntime, placed: Callable[..., Placement]) -> None:
    on_cuda, on_cpu = placed("cuda", cost=1.0), placed("cpu", cost=1e9)
    assert on_cuda.session_for(1, feed(1)) is on_cuda.main
    assert (on_cuda.main.provider, on_cuda.cuda) == (CUDA, None)
    assert on_cpu.session_for(10**6, feed(1)) is on_cpu.main
    assert (on_cpu.main.provider, on_cpu.cuda) == (CPU, None)


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_a_file_in_ort_format_stays_on_the_cpu(fake: FakeOnnxRuntime, tmp_path: Path) -> None:
    ort = fake.real
    settings = ort.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "model.ort")
    settings.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(str(MODEL), settings, providers=[CPU])
    assert placement_of(tmp_path / "model.ort", "auto", None).main.provider == CPU
    with pytest.raises(DeviceUnavailable, match="a file in ORT format runs only on the CPU; use the ONNX file on CUDA"):
        placement_of(tmp_path / "model.ort", "cuda", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_a_lock_that_was_held_during_a_fork_is_free_in_the_child() -> None:
    script = f"""
import os, sys
from pathlib import Path
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.placement import Placement
from edge_runtime.engine.session_settings import SessionSettings
found = Placement(ModelSource({str(MODEL)!r}), SessionSettings("cpu"))
before = found.single_threaded()
found._opening.acquire()
child = os.fork()
if not child:
    # The inherited session may have been in use.
    os._exit(0 if before is found.main or found.single_threaded() is not before else 3)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
    assert_python_runs(script)


@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
def test_which_calls_are_small(fake: FakeOnnxRuntime, placed: Callable[..., Placement]) -> None:
    on_cpu = placed("cpu", cost=1000.0)
    assert [on_cpu.is_small(rows) for rows in (1, 39, 40, None)] == [True, True, False, None]
    assert placement_of(MODEL, "cpu").is_small(1) is None
    # Threads that wait for a GPU do not keep Python's lock from each other.
    assert [placed("cuda", cost=1000.0).is_small(rows) for rows in (1, None)] == [False, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
@pytest.mark.parametrize("fake", ["comes up"], indirect=True)
@pytest.mark.parametrize("says_workload", [True, False])
def test_a_forked_process_does_without_cuda_if_it_may(
    fake: FakeOnnxRuntime, says_workload: bool, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    content = MODEL.read_bytes()
    if says_workload:
        content = with_metadata(content, WORKLOAD_KEY, Workload(True, 1e9, 40).to_json())
    predictor, rows = Predictor(content), np.ones((10, 2), np.float32)
    expected, one = predictor.predict_proba(rows), predictor.predict_one([1, 1])
    assert fake.options, "it was not on CUDA"
    fake.problem = RuntimeError("CUDA failure 3: initialization error")

    def still_answers() -> None:
        for _ in range(2):
            assert (predictor.predict_proba(rows) == expected).all()
            assert predictor.predict_one([1, 1]) == one

    assert_holds_in_a_fork(still_answers)
