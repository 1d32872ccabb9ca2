"""Which control groups are around this process."""

from pathlib import Path

import pytest

from edge_runtime.engine import control_groups
from edge_runtime.engine.control_groups import groups, text_of


def test_groups_of_both_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("5:cpu,cpuacct:/a/b\n4:memory:/\n0::/c\n")
    monkeypatch.setattr(control_groups, "_CGROUPS", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "cgroup")
    version_2 = [(tmp_path / "c", 2), (tmp_path, 2)]
    cpu = tmp_path / "cpu"
    assert list(groups("cpu")) == [(cpu / "a" / "b", 1), (cpu / "a", 1), (cpu, 1), *version_2]
    assert list(groups("memory")) == [(tmp_path / "memory", 1), *version_2]
    assert list(groups("cpuset")) == version_2


def test_a_system_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "cgroup")
    assert list(groups("cpu")) == []
    assert text_of(tmp_path / "cpu.max") == ""
