import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.engine import control_groups
from edge_runtime.engine.processor_limits import allowed_processors, available_processors, group_processors


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """The number is found once in each process."""
    available_processors.cache_clear()
    yield
    available_processors.cache_clear()


def set_up(monkeypatch: pytest.MonkeyPatch, folder: Path, groups: str | None, files: dict[str, str]) -> None:
    """64 processors, the control groups `groups`, and their files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    if groups is not None:
        (folder / "cgroup").write_text(groups)
    monkeypatch.setattr(control_groups, "_CGROUPS", folder)
    monkeypatch.setattr(control_groups, "_OWN", folder / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "100 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 64),
        ({"cpu.max": "800000 100000\n", "a/cpu.max": "300000 100000\n"}, 3),
        ({"cpu.max": "200000 100000\n", "a/b/cpu.max": "300000 100000\n"}, 2),
        ({"cpu.max": "200000\n"}, 64),
        ({"cpu.max": "rubbish\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({"cpu/a/cpu.cfs_quota_us": "200000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, 2),
        ({"cpu/a/cpu.cfs_quota_us": "200000\n"}, 64),
        ({"cpu.cfs_quota_us": "200000\n", "cpu.cfs_period_us": "100000\n"}, 64),
        ({"c/cpu.max": "200000 100000\n"}, 64),
        ({}, 64),
    ],
)
def test_control_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], expected: int) -> None:
    set_up(monkeypatch, tmp_path, "4:cpu,cpuacct:/a/b\n0::/a/b\n2:memory:/c\n", files)
    assert available_processors() == expected


def test_limits_outside_of_the_control_groups_do_not_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    set_up(monkeypatch, tmp_path / "groups", None, {"a/cpu.max": "400000 100000\n"})
    (tmp_path / "groups" / "cgroup").write_text("0::/a\n")
    assert available_processors() == 4


def test_without_control_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_up(monkeypatch, tmp_path, None, {"cpu.max": "100000 100000\n"})
    assert available_processors() == 64


@pytest.mark.parametrize(("counted", "expected"), [(8, 8), (None, 1)])
def test_without_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counted: int | None, expected: int) -> None:
    set_up(monkeypatch, tmp_path, None, {})
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert available_processors() == expected


def test_here() -> None:
    assert 1 <= available_processors() <= (os.cpu_count() or 1)


def test_each_limit_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_up(monkeypatch, tmp_path, "0::/a\n", {"cpu.max": "150000 100000\n"})
    assert (allowed_processors(), group_processors()) == (64, 1.5)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert group_processors() is None
