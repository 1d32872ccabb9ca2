"""What an isolated process has given up."""

import functools
import resource
import sys
from pathlib import Path
from typing import Any

import pytest
from confined import evaluated, process_of
from paths import FOUR_BLOBS

from edge_runtime import IsolatedPredictor, IsolationFailed, Limits
from edge_runtime.engine.memory_limits import Memory
from edge_runtime.isolate import confinement

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")

MIB = 2**20


def of_process(predictor: Any, name: str) -> str:
    return Path(f"/proc/{process_of(predictor).pid}/{name}").read_text()


def test_limits_of_the_system() -> None:
    with IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=300 * MIB)) as predictor:
        limits = {line[:26].strip(): line[26:].split()[:2] for line in of_process(predictor, "limits").splitlines()}
        status = dict(line.split(":", 1) for line in of_process(predictor, "status").splitlines())
        assert limits["Max core file size"] == limits["Max file size"] == ["0", "0"]
        assert limits["Max open files"] == ["256", "256"]
        for name in ("Max data size", "Max address space"):
            soft, hard = map(int, limits[name])
            assert soft == hard
            assert 300 * MIB < soft < 4096 * MIB
        assert status["NoNewPrivs"].strip() == "1"
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert of_process(predictor, "oom_score_adj").strip() == "1000"


def test_no_limit() -> None:
    with IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=None, isolated_seconds=None)) as predictor:
        limits = of_process(predictor, "limits")
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
        assert any(line.startswith("Max data size") and shown in line for line in limits.splitlines())
        assert predictor.predict([[-1, 1]]).tolist() == [1]


def test_a_limit_that_is_lower_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: dict[int, Any] = {}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (10, 20))
    monkeypatch.setattr(resource, "setrlimit", set_to.__setitem__)
    confinement._set(resource.RLIMIT_AS, 1000)
    assert set_to == {resource.RLIMIT_AS: (20, 20)}


def test_a_limit_that_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    confinement._set(resource.RLIMIT_AS, 1000)


def test_its_memory_is_bounded() -> None:
    with IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=300 * MIB)) as predictor:
        assert evaluated(predictor, f"len(bytes({200 * MIB}))") == 200 * MIB
        for expression in (f"len(bytes({400 * MIB}))", f"__import__('mmap').mmap(-1, {2**40}).close()"):
            with pytest.raises((MemoryError, OSError, IsolationFailed)):
                evaluated(predictor, expression)


def test_half_of_what_the_control_group_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "_set", lambda *_: None)
    monkeypatch.setattr(confinement, "_OWN_SCORE", Path("/nowhere/file"))
    for total, group, most in ((None, None, 1000), (1000, None, 500), (10_000, 400, 200), (None, 10_000, 1000)):
        monkeypatch.setattr(confinement, "memory", functools.partial(Memory, total, None, group))
        assert confinement.limit(1000) == most
    assert confinement.limit(None) is None
