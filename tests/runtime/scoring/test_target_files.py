"""Files that appear whole, and runs that go on."""

import json
from pathlib import Path

import pytest

from edge_runtime import CannotWrite
from edge_runtime.scoring.target_files import TargetFiles, is_replaced

FINGERPRINT = {"model": "a", "options": [1]}


def ended(target: Path, rejects: Path | None = None) -> None:
    """A run that is ended after a commit and some more."""
    with TargetFiles(target, rejects) as files:
        files.begin(FINGERPRINT, resume=False)
        files.write(b"done")
        files.commit({"bytes": 4}, 0, {"place": 7})
        files.write(b" and more")


def test_a_run_goes_on(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    ended(target)
    assert target.read_text() == "old"
    with TargetFiles(target, None, tmp_path / "s.json") as files:
        files.begin(FINGERPRINT, resume=True)
        assert files.found is not None
        assert files.found["place"] == 7
        files.write(b"!")
        files.finish(b"{}")
    assert target.read_text() == "done!"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "s.json"]


def test_a_run_begins_anew(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    for resume in (True, False):
        if not resume:
            ended(target)
        with TargetFiles(target) as files:
            files.begin(FINGERPRINT, resume)
            assert files.found is None
            files.write(b"new")
            files.finish(b"")
        assert target.read_text() == "new"
        assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    ended(target)
    for _ in range(2):
        with pytest.raises(CannotWrite, match="had another model; run without --resume"), TargetFiles(target) as files:
            files.begin({**FINGERPRINT, "model": "b"}, resume=True)


@pytest.mark.parametrize("damage", ["journal", "partial"])
def test_what_is_damaged_is_begun_anew(tmp_path: Path, damage: str) -> None:
    target = tmp_path / "a.csv"
    ended(target)
    (tmp_path / f".a.csv.{damage}").write_text("x")
    with TargetFiles(target) as files:
        files.begin(FINGERPRINT, resume=True)
        assert files.found is None


def test_two_runs_at_once(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with TargetFiles(target) as files:
        files.begin(FINGERPRINT, resume=False)
        with pytest.raises(CannotWrite, match="another run"), TargetFiles(target):
            pass
    assert not list(tmp_path.iterdir())


def test_somebody_elses_files(tmp_path: Path) -> None:
    target, other = tmp_path / "a.csv", tmp_path / "other"
    other.write_text("mine")
    (tmp_path / ".a.csv.partial").hardlink_to(other)
    with pytest.raises(CannotWrite, match="somebody else's"), TargetFiles(target) as files:
        files.begin(FINGERPRINT, resume=False)
    assert other.read_text() == "mine"


def test_what_is_replaced(tmp_path: Path) -> None:
    assert is_replaced(tmp_path / "a.csv")
    assert not is_replaced(Path("/dev/null"))
    with pytest.raises(CannotWrite, match="is a folder"):
        is_replaced(tmp_path)


def test_the_journal_says_what_counts(tmp_path: Path) -> None:
    ended(tmp_path / "a.csv", tmp_path / "r.csv")
    journal = json.loads((tmp_path / ".a.csv.journal").read_bytes())
    assert (journal["target"], journal["rejects"], journal["fingerprint"]) == ({"bytes": 4}, 0, FINGERPRINT)
