"""Tables that are scored onto disks that are full or fail: one line, and nothing new at the target."""

import errno
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from limited import Ended, command
from paths import FOUR_BLOBS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="calls fail by a library that is preloaded")

Failing = Callable[..., Ended]


@pytest.mark.parametrize(
    "name",
    [
        "a.csv",
        pytest.param("a.parquet", marks=pytest.mark.slow),
        pytest.param("a.feather", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails(failing: Failing, tmp_path: Path, name: str, error: int) -> None:
    rows, folder = tmp_path / "rows.csv", tmp_path / "out"
    rows.write_text("x1,x2\n" + "1,1\nx,1\n" * 500)
    target, rejects, summary = folder / name, folder / "rejects.csv", folder / "summary.json"
    words = [*command("edge-predict"), FOUR_BLOBS, "--input", rows, "--output", target, "--rejects", rejects]
    well = 0
    for after in (0, 2, 4, 8, 12, 16, 24, 32, 200):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        target.write_text("old")
        ended = failing([*words, "--summary", summary], folder, after, error, once=True)
        left = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        if ended.code == 0:
            assert left == sorted([name, "rejects.csv", "summary.json"])
            well += 1
            continue
        assert ended.code == 1, (after, ended)
        assert re.fullmatch(r"error: .*\n", ended.err), (after, ended)
        assert left == [name], (after, left)
        assert target.read_text() == "old", after
    assert 0 < well < 9
