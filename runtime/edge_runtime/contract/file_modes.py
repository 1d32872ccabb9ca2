"""Who may read and write a file that takes the place of another: whoever might before."""

import contextlib
import os
import stat

_ACL = "system.posix_acl_access"


def keep_access(descriptor: int, path: str | os.PathLike[str], old: os.stat_result) -> None:
    """Give the file of `descriptor` the owner, the group, the mode and the ACL of the file at `path`.

    What cannot be kept lets nobody do more than before: without the group, the group may do what everybody may.

    Args:
        descriptor: of the new file.
        path: the file that it will replace.
        old: the status of that.
    """
    if not hasattr(os, "fchown"):  # Windows
        return
    mode = stat.S_IMODE(old.st_mode) & 0o777
    acl = _acl(path)
    if not _keep_group(descriptor, old):
        mode, acl = mode & 0o707 | (mode & 0o007) << 3 & mode, None
    if acl is not None:
        try:
            os.setxattr(descriptor, _ACL, acl)
        except OSError:
            mode &= 0o707  # of a file with an ACL, these three bits are not the group's
    elif hasattr(os, "removexattr"):
        with contextlib.suppress(OSError):  # what the folder gives to new files, if it does
            os.removexattr(descriptor, _ACL)
    with contextlib.suppress(OSError):  # not every file system has modes
        os.fchmod(descriptor, mode)


def _acl(path: str | os.PathLike[str]) -> bytes | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(path, _ACL)
    except OSError:
        return None


def _keep_group(descriptor: int, old: os.stat_result) -> bool:
    """Whether the file has the group that it had, and if possible the owner."""
    for owner in (old.st_uid, -1):
        try:
            os.fchown(descriptor, owner, old.st_gid)
        except OSError:
            continue
        return True
    return os.fstat(descriptor).st_gid == old.st_gid
