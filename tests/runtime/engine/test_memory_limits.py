"""How much memory a process may use."""

from pathlib import Path

import pytest

from edge_runtime.engine import control_groups, memory_limits
from edge_runtime.engine.memory_limits import Memory, memory

MEMINFO = "MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:   8000 kB\nHugePages_Total:       0\n"


@pytest.mark.parametrize(
    ("meminfo", "files", "expected"),
    [
        (MEMINFO, {}, Memory(16_384_000, 8_192_000, None)),
        (MEMINFO, {"a/memory.max": "max\n", "memory.max": "2048\n"}, Memory(16_384_000, 8_192_000, 2048)),
        ("", {"a/memory.max": "4096\n", "memory.max": "8192\n"}, Memory(None, None, 4096)),
        ("", {"memory/b/memory.limit_in_bytes": "9223372036854771712\n"}, Memory(None, None, None)),
        ("", {"memory/b/memory.limit_in_bytes": "1024\n"}, Memory(None, None, 1024)),
        ("rubbish\nMemTotal: many kB\n", {"memory.max": "rubbish"}, Memory(None, None, None)),
        ("MemTotal: ² kB\nMemAvailable: -1 kB\n", {"memory.max": "²"}, Memory(None, None, None)),
        (f"MemTotal: {'9' * 5000} kB\n", {"memory.max": "9" * 5000}, Memory(None, None, None)),
    ],
)
def test_limits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, meminfo: str, files: dict[str, str], expected: Memory
) -> None:
    for name, text in {**files, "meminfo": meminfo, "cgroup": "4:memory:/b\n0::/a\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(control_groups, "_USUAL", tmp_path)
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "_MOUNTS", tmp_path / "mountinfo")
    monkeypatch.setattr(memory_limits, "_MEMINFO", tmp_path / "meminfo")
    assert memory() == expected


def test_a_system_that_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(control_groups, "_OWN", tmp_path / "nothing")
    monkeypatch.setattr(memory_limits, "_MEMINFO", tmp_path / "nothing")
    assert memory() == Memory(None, None, None)
