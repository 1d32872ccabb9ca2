"""Files that are replaced keep their modes, owners, groups and ACLs, and nobody may read more than before."""

import os
import stat
import struct
from pathlib import Path

import pytest
from faults import at_call, in_fork, kill, raising

from edge_runtime.contract.atomic_files import folder_beside, write_files
from edge_runtime.contract.file_modes import keep_access

pytestmark = pytest.mark.skipif(not hasattr(os, "fchown"), reason="modes are POSIX")
needs_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root gives files away")
ACL = "system.posix_acl_access"
NOBODY = 65534


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """As Linux has it in an extended attribute: tag, permissions and id of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# Of the owner, of user 3, of the group, the mask, of others.
USER_3 = acl((1, 6, 2**32 - 1), (2, 6, 3), (4, 0, 2**32 - 1), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1))


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644, 0o666, 0o755, 0o444, 0o000])
def test_the_mode_stays(tmp_path: Path, bits: int) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    for one in (path, other):
        one.write_bytes(b"old")
        one.chmod(bits)
    write_files({path: b"new"})
    write_files({path: b"newer", other: b"newer"})
    assert (mode(path), mode(other)) == (bits, bits)


def test_of_a_finished_file_too(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx.data"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with folder_beside(path) as folder:
        assert mode(folder) == 0o700
        (folder / "data").write_bytes(b"new")
        write_files({path: folder / "data"})
    assert (mode(path), path.read_bytes()) == (0o600, b"new")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_follows_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_files({tmp_path / "one": b""})
        write_files({tmp_path / "two": b"", tmp_path / "three": b""})
    finally:
        os.umask(before)
    assert {mode(path) for path in tmp_path.iterdir()} == {0o666 & ~umask}


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    """Nor is what a killed process leaves of it."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(0o600)

    def write() -> None:
        write_files({tmp_path / "a": b"secret", tmp_path / "b": b"secret"})

    with at_call(None, kill) as counter:
        write()
    for number in range(counter.count):

        def killed(number: int = number) -> None:
            with at_call(number, kill):
                write()

        in_fork(killed)
        assert all(mode(path) & 0o077 == 0 for path in tmp_path.iterdir()), number


@needs_root
def test_the_owner_and_the_group_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 1, 2)
    path.chmod(0o640)
    write_files({path: b"new"})
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (1, 2, 0o640)


@needs_root
def test_a_group_that_cannot_be_kept_gives_no_rights_to_another(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, NOBODY, 2)
    path.chmod(0o664)
    tmp_path.chmod(0o777)

    def write() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        os.chdir(tmp_path)
        write_files({Path("file"): b"new"})

    assert in_fork_there(write, tmp_path) == 0
    assert path.read_bytes() == b"new"
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (NOBODY, NOBODY, 0o644)


def in_fork_there(work: object, folder: Path) -> int:
    """In a fork, which may be another user: the folders above must let that one through."""
    for parent in (folder, *folder.parents):
        if not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    return in_fork(work)  # type: ignore[arg-type]


@needs_root
def test_a_folder_that_gives_its_group_to_files(tmp_path: Path) -> None:
    os.chown(tmp_path, 0, 7)
    tmp_path.chmod(0o2775)
    write_files({tmp_path / "file": b""})
    write_files({tmp_path / "file": b"", tmp_path / "other": b""})
    assert {path.stat().st_gid for path in tmp_path.iterdir()} == {7}


@pytest.fixture
def with_acls(tmp_path: Path) -> Path:
    (tmp_path / "trial").touch()
    try:
        os.setxattr(tmp_path / "trial", ACL, USER_3)
    except (OSError, AttributeError):
        pytest.skip("this file system has no ACLs")
    (tmp_path / "trial").unlink()
    return tmp_path


def test_the_acl_stays(with_acls: Path) -> None:
    path = with_acls / "file"
    path.write_bytes(b"old")
    os.setxattr(path, ACL, USER_3)
    write_files({path: b"new"})
    assert (os.getxattr(path, ACL), mode(path)) == (USER_3, 0o660)


def test_what_the_folder_gives_to_new_files_is_not_given_to_old_ones(with_acls: Path) -> None:
    path = with_acls / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    os.setxattr(with_acls, "system.posix_acl_default", USER_3)
    write_files({path: b"new"})
    assert (mode(path), os.listxattr(path)) == (0o600, [])
    write_files({with_acls / "new": b""})
    assert ACL in os.listxattr(with_acls / "new")


def test_an_acl_that_cannot_be_kept(with_acls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_acls / "file"
    path.write_bytes(b"old")
    os.setxattr(path, ACL, USER_3)  # the group itself may do nothing
    monkeypatch.setattr(os, "setxattr", raising(OSError()))
    write_files({path: b"new"})
    assert mode(path) == 0o600


def test_a_system_without_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    for name in ("fchmod", "fchown"):
        monkeypatch.setattr(os, name, raising(PermissionError()))
    write_files({path: b"new"})
    monkeypatch.delattr(os, "fchown")
    with path.open("rb") as file:
        keep_access(file.fileno(), path, path.stat())
    assert path.read_bytes() == b"new"
