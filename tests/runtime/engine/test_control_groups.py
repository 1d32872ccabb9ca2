"""Which control groups are around this process, whatever is in the files that say so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.engine import control_groups, memory_limits, processor_limits
from edge_runtime.engine.control_groups import groups, number_of, text_of
from edge_runtime.engine.memory_limits import memory
from edge_runtime.engine.processor_limits import allowed_processors, group_processors


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with what the system says; the test writes it."""
    folder = tmp_path / "system"
    folder.mkdir()
    set_up(monkeypatch, folder)
    return folder


def set_up(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(control_groups, "_USUAL", folder)
    monkeypatch.setattr(control_groups, "_OWN", folder / "cgroup")
    monkeypatch.setattr(control_groups, "_MOUNTS", folder / "mountinfo")
    monkeypatch.setattr(memory_limits, "_MEMINFO", folder / "meminfo")


def mounted(root: str, point: object, kind: str = "cgroup2 cgroup2 rw") -> str:
    return f"31 23 0:28 {root} {point} rw,relatime shared:9 - {kind}\n"


def test_groups_of_both_versions(system: Path) -> None:
    """As found where no mount is known."""
    (system / "cgroup").write_text("5:cpu,cpuacct:/a/b\n4:memory:/\n0::/c\n")
    version_2 = [(system / "c", 2), (system, 2)]
    cpu = system / "cpu"
    assert list(groups("cpu")) == [(cpu / "a" / "b", 1), (cpu / "a", 1), (cpu, 1), *version_2]
    assert list(groups("memory")) == [(system / "memory", 1), *version_2]
    assert list(groups("cpuset")) == version_2


def test_a_system_without_them(system: Path) -> None:
    assert list(groups("cpu")) == []
    assert text_of(system / "cpu.max") == ""


def test_both_versions_where_they_are_mounted(system: Path) -> None:
    """systemd's hybrid: the controllers in hierarchies of version 1, and version 2 beside them."""
    (system / "cgroup").write_text("2:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/a\n")
    (system / "mountinfo").write_text(
        mounted("/", "/sys/fs/cgroup", "tmpfs tmpfs rw,cpu")
        + mounted("/", "/groups/cpu,cpuacct", "cgroup cgroup rw,cpu,cpuacct")
        + mounted("/", "/groups/systemd", "cgroup cgroup rw,name=systemd")
        + mounted("/", "/groups/two\\040words")
    )
    version_1, version_2 = Path("/groups/cpu,cpuacct"), Path("/groups/two words")
    assert list(groups("cpu")) == [(version_1 / "a", 1), (version_1, 1), (version_2 / "a", 2), (version_2, 2)]


@pytest.mark.parametrize(
    ("root", "place", "expected"),
    [
        ("/", "/", [""]),
        ("/", "/a/b", ["a/b", "a", ""]),
        # In a container, the mount begins at its own group, whether there is a namespace or not.
        ("/docker/7", "/docker/7", [""]),
        ("/docker/7", "/docker/7/a", ["a", ""]),
        # Groups beside that one, and above it, do not show.
        ("/docker/7", "/docker/8", []),
        ("/docker/7", "/docker", []),
        # A process that has been moved out of its namespace, or a mount from outside.
        ("/", "/../..", []),
        ("/", "/../a", []),
        ("/../..", "/../../a", ["a", ""]),
        ("/../..", "/../a", [""]),
        ("/../..", "/a", [""]),
        ("/../b", "/a", []),
        ("/../b", "/../b/a", ["a", ""]),
        ("/", "/a/../../b", []),
    ],
)
def test_what_a_mount_shows(system: Path, root: str, place: str, expected: list[str]) -> None:
    (system / "cgroup").write_text(f"0::{place}\n")
    (system / "mountinfo").write_text(mounted(root, "/groups"))
    assert list(groups("cpu")) == [(Path("/groups") / name, 2) for name in expected]


def test_the_names_of_groups_are_bytes(system: Path) -> None:
    (system / "cgroup").write_bytes(b"0::/caf\xe9\n")
    assert next(folder.name for folder, _ in groups("cpu")).encode(errors="surrogateescape") == b"caf\xe9"
    (system / "cgroup").write_text("0::/a\x0bb\u2028c\n", "utf-8")
    assert next(folder.name for folder, _ in groups("cpu")) == "a\x0bb\u2028c"


@pytest.mark.parametrize(
    "own", ["", "\n", "0", "0:", "::", "no colon here\n0::/a\n", "0::\0\n", "0::/" + "a" * 5000, "0::/a/../../..\n"]
)
def test_odd_lines(system: Path, own: str) -> None:
    (system / "cgroup").write_text(own)
    (system / "cpu.max").write_text("100000 100000\n")
    assert group_processors() in (None, 1)


def test_folders_in_the_place_of_files(system: Path) -> None:
    for name in ("mountinfo", "meminfo", "cpu.max", "memory.max"):
        (system / name).mkdir()
    (system / "cgroup").write_text("0::/\n")
    assert (group_processors(), memory()) == (None, (None, None, None))
    (system / "cgroup").unlink()
    (system / "cgroup").mkdir()
    assert list(groups("cpu")) == []


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read is Linux's /proc/self/mem")
def test_a_file_that_cannot_be_read(system: Path) -> None:
    for name in ("mountinfo", "meminfo", "cgroup", "cpu.max"):
        (system / name).symlink_to("/proc/self/mem")  # EIO at its first byte
    assert text_of(system / "cpu.max") == ""
    assert (group_processors(), memory()) == (None, (None, None, None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("12", 12), ("max", None), ("-1", None), ("²", None), ("٣", None), ("1" * 5000, None), ("1e3", None)],
)
def test_numbers(text: str, expected: int | None) -> None:
    assert number_of(text) == expected


ODD = st.one_of(
    st.binary(max_size=60),
    st.text(st.sampled_from("0123456789max -²٣\n:./,"), max_size=30).map(lambda text: text.encode()),
    st.lists(st.integers(-(10**30), 10**30), max_size=3).map(lambda numbers: " ".join(map(str, numbers)).encode()),
)
OWN = st.lists(
    st.tuples(
        st.sampled_from(["0", "", "1"]), st.sampled_from(["", "cpu", "memory", "cpu,memory"]), st.binary(max_size=20)
    ).map(lambda parts: b":".join([parts[0].encode(), parts[1].encode(), b"/" + parts[2]])),
    max_size=4,
).map(b"\n".join)


@given(own=OWN | ODD, mounts=ODD, files=st.lists(ODD, min_size=6, max_size=6))
def test_whatever_is_in_the_files(
    tmp_path_factory: pytest.TempPathFactory, own: bytes, mounts: bytes, files: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("system")
    for name in ("cpu", "memory"):
        (folder / name).mkdir()
    names = [
        *("cpu.max", "memory.max", "meminfo"),
        *("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "memory/memory.limit_in_bytes"),
    ]
    for name, content in zip([*names, "cgroup", "mountinfo"], [*files, own, mounts], strict=True):
        (folder / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        set_up(patched, folder)
        limit = group_processors()
        assert limit is None or 0 < limit < 2**70
        processor_limits.available_processors.cache_clear()
        try:
            assert 1 <= processor_limits.available_processors() <= allowed_processors()
        finally:
            processor_limits.available_processors.cache_clear()
        assert all(size is None or 0 <= size < 2**80 for size in memory())
