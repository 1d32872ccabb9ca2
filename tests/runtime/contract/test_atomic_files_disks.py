"""Writing where it fails: full disks, folders that are closed, removed, or in another file system."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import in_fork

from edge_runtime import CannotWrite
from edge_runtime.contract.atomic_files import prepare_file, write_files


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_full(small_disk: Path) -> None:
    model, metrics = small_disk / "model.pt", small_disk / "metrics.json"
    write_files({model: b"old" * 100_000, metrics: b"old"})
    filler = small_disk / "filler"
    # The old and the new model fit, or not; the measures fit, or not; the journal fits, or not.
    for room in range(0, 600_000, 4096):
        filler.write_bytes(bytes(720_000 - room))
        try:
            write_files({model: b"new" * 100_000, metrics: b"new" * 2000})
        except CannotWrite as error:
            said = str(error)
            assert model.read_bytes() == b"old" * 100_000
            assert metrics.read_bytes() == b"old"
            assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "metrics.json", "model.pt"]
        else:
            break
    assert said.endswith("cannot be written: No space left on device")
    assert (model.read_bytes(), metrics.read_bytes()) == (b"new" * 100_000, b"new" * 2000)
    assert 200_000 < room < 500_000


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_a_folder_that_one_may_not_write_in(tmp_path: Path) -> None:
    """Of a user without root's rights; and the other folder of a set, where some files are moved already."""
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"old")
    (tmp_path / "open").chmod(0o777)

    def write() -> None:
        os.setresuid(65534, 65534, 65534)
        os.chdir(tmp_path)
        for path in ("closed/file", "closed/new"):
            with pytest.raises(CannotWrite, match=f"{path} cannot be written: Permission denied"):
                write_files({Path("open/file"): b"new", Path(path): b"new"})
        with pytest.raises(CannotWrite, match="no file can be written in closed: Permission denied"):
            prepare_file(Path("closed/file"))

    for parent in (tmp_path, *tmp_path.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    assert in_fork(write) == 0
    assert {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == {b"old"}
    assert len(list(tmp_path.rglob("*"))) == 4


def test_a_folder_that_is_removed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "model.pt").write_bytes(b"old")
    (tmp_path / "plots" / "roc.png").write_bytes(b"old")
    replace = Path.replace

    def replacing(beside: Path, target: Path) -> Path:
        shutil.rmtree(tmp_path / "plots", ignore_errors=True)
        return replace(beside, target)

    monkeypatch.setattr(Path, "replace", replacing)
    with pytest.raises(CannotWrite, match=r"roc\.png cannot be written: No such file or directory"):
        write_files({tmp_path / "model.pt": b"new", tmp_path / "plots" / "roc.png": b"new"})
    assert (tmp_path / "model.pt").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


def test_a_file_system_where_nothing_can_be_moved_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another one: a finished file is copied."""
    (tmp_path / "finished").write_bytes(b"large" * 1_000_000)

    def rename(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", rename)
    write_files({tmp_path / "file": tmp_path / "finished"})
    assert (tmp_path / "file").read_bytes() == b"large" * 1_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
