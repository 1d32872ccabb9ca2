import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from concurrency import HANG

from edge_runtime.engine import control_groups
from edge_runtime.engine.control_groups import groups
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
    monkeypatch.setattr(control_groups, "_USUAL", folder)
    monkeypatch.setattr(control_groups, "_OWN", folder / "cgroup")
    monkeypatch.setattr(control_groups, "_MOUNTS", folder / "mountinfo")
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
        ({"cpu.max": "200000 0\n"}, 64),
        ({"cpu.max": "0 100000\n"}, 64),
        ({"cpu.max": "-200000 100000\n"}, 64),
        ({"cpu.max": "² ²\n"}, 64),
        ({"cpu.max": ""}, 64),
        ({"cpu.max": "1 2 3\n"}, 64),
        ({"cpu.max": f"{'9' * 400} 1\n"}, 64),
        ({"cpu.max": f"{'9' * 5000} 1\n"}, 64),
        ({"cpu.max": f"1 {2**64 - 1}\n"}, 1),
        ({"cpu.max": "200000 0\n", "a/cpu.max": "300000 100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "0\n"}, 64),
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
@pytest.mark.parametrize("is_forbidden", [False, True])
def test_without_affinity(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, counted: int | None, expected: int, is_forbidden: bool
) -> None:
    set_up(monkeypatch, tmp_path, None, {})

    def forbidden(pid: int) -> set[int]:
        raise PermissionError

    if is_forbidden:
        monkeypatch.setattr(os, "sched_getaffinity", forbidden)
    else:
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


@pytest.fixture
def own_group() -> Iterator[Path]:
    """A control group in a group that has half a processor."""
    places = {version: folder for folder, version in groups("cpu")}  # the outermost ones
    for version, folder in places.items():
        outer = folder / f"edge-predict-test-{uuid.uuid4().hex}"
        try:
            outer.mkdir()
        except OSError:
            continue
        try:
            try:
                if version == 2:
                    (outer / "cpu.max").write_text("50000 100000")
                else:
                    (outer / "cpu.cfs_period_us").write_text("100000")
                    (outer / "cpu.cfs_quota_us").write_text("50000")
            except OSError:  # the controller is not here
                continue
            inner = outer / "inner"
            inner.mkdir()
            yield inner
            inner.rmdir()
            return
        finally:
            outer.rmdir()
    pytest.skip("no control group with a limit on processors can be made here")


LIMITS = """
from edge_runtime.engine.processor_limits import available_processors, group_processors

print(available_processors(), group_processors())
"""


def in_group(group: Path, *command: str) -> str:
    """What a command says that runs in a control group."""
    enter = ["sh", "-c", 'echo $$ > "$1"; shift; exec "$@"', "sh", str(group / "cgroup.procs")]
    result = subprocess.run([*enter, *command], capture_output=True, text=True, timeout=HANG)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_a_real_group(own_group: Path) -> None:
    assert in_group(own_group, sys.executable, "-c", LIMITS) == "1 0.5\n"


def test_a_real_namespace(own_group: Path) -> None:
    """As in a container: its group is the root of its namespace, and of what is mounted."""
    kind = "cgroup2" if (own_group / "cpu.max").exists() else "cgroup -o cpu"
    point = own_group.parents[1]
    mount = f"umount -l {point} && mount -t {kind} none {point}"
    inside = ["unshare", "--cgroup", "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh"]
    tried = shutil.which("unshare") and subprocess.run([*inside, "true"], capture_output=True, check=False)
    if not tried or tried.returncode:
        pytest.skip("no namespace can be made here")
    assert in_group(own_group.parent, *inside, sys.executable, "-c", LIMITS) == "1 0.5\n"
