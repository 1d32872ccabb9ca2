"""The file of a run's progress."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_train import CannotWrite, Checkpointer, CheckpointError
from edge_train.loop.progress import TrainingProgress


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that are the time now."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def progress(epoch: int, finished: bool = False) -> TrainingProgress:
    weights = {"layer.weight": torch.full((2, 3), float(epoch))}
    return TrainingProgress(epoch, finished, weights, {"state": {}, "param_groups": []}, losses=[0.5] * epoch)


def epoch_in(folder: Path) -> Any:
    return torch.load(folder / "training.pt", weights_only=True)["progress"]["epoch"]


def test_what_is_saved_is_loaded(folder: Path) -> None:
    kept = TrainingProgress(
        3, False, {"w": torch.ones(2)}, {"state": {0: {"step": torch.ones(())}}}, 2, 0.25, {"w": torch.zeros(2)}
    )
    kept.losses, kept.evaluations, kept.annealing = [0.5, 0.4, 0.3], [(0, 0.7), (3, 0.25)], (2, 6)
    Checkpointer(folder, resume=False).save("abc", kept)
    found = Checkpointer(folder, resume=True).load("abc")
    assert found is not None
    assert vars(found).keys() == vars(kept).keys()
    for name in ("epoch", "finished", "best_epoch", "best_loss", "annealing", "losses", "evaluations"):
        assert getattr(found, name) == getattr(kept, name)
    assert found.best_weights is not None
    assert torch.equal(found.weights["w"], torch.ones(2))
    assert torch.equal(found.best_weights["w"], torch.zeros(2))
    assert torch.equal(found.optimizer["state"][0]["step"], torch.ones(()))


def test_it_is_written_once_a_second_and_at_the_end(folder: Path, clock: list[float]) -> None:
    checkpointer = Checkpointer(folder, resume=False)
    for epoch, seconds, written in ((1, 0.0, 1), (2, 0.9, 1), (3, 0.2, 3), (4, 0.5, 3)):
        clock[0] += seconds
        checkpointer.save("abc", progress(epoch))
        assert epoch_in(folder) == written
    checkpointer.save("abc", progress(5, finished=True))
    assert epoch_in(folder) == 5


def test_nothing_is_loaded_without_resume_or_a_file(folder: Path) -> None:
    assert Checkpointer(folder, resume=True).load("abc") is None
    checkpointer = Checkpointer(folder, resume=False)
    checkpointer.save("abc", progress(5, finished=True))
    assert Checkpointer(folder, resume=False).load("abc") is None
    assert Checkpointer(folder, resume=True).load("abc") is not None


def test_another_run_is_refused(folder: Path) -> None:
    Checkpointer(folder, resume=False).save("abc", progress(5))
    with pytest.raises(CheckpointError, match="a run with another table, other options or another version of torch"):
        Checkpointer(folder, resume=True).load("abd")


def test_an_unfinished_run_is_not_begun_anew(folder: Path) -> None:
    Checkpointer(folder, resume=False).save("abc", progress(5))
    with pytest.raises(CheckpointError, match="has not finished; continue it with --resume, or remove the file"):
        Checkpointer(folder, resume=False)
    assert epoch_in(folder) == 5


@pytest.mark.parametrize("resume", [False, True])
def test_a_damaged_file_is_refused_and_left_as_it_is(folder: Path, resume: bool) -> None:
    Checkpointer(folder, resume=False).save("abc", progress(5))
    path = folder / "training.pt"
    content = path.read_bytes()
    others = []
    for other in ({"weights": 1}, {"run": "abc", "progress": {"finished": False, "unknown": 1}}, [1]):
        torch.save(other, path)
        others.append(path.read_bytes())
    for damaged in (b"", b"junk", content[: len(content) // 2], *others):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="is not a training run, or a damaged one; remove the file"):
            Checkpointer(folder, resume).load("abc")
        assert path.read_bytes() == damaged


class Harmful:
    """What runs code if it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("harmed"),)


def test_code_in_a_file_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    folder.mkdir()
    torch.save({"run": "abc", "progress": vars(progress(5)), "more": Harmful()}, folder / "training.pt")
    with pytest.raises(CheckpointError, match="is not a training run, or a damaged one"):
        Checkpointer(folder, resume=True).load("abc")
    assert not Path("harmed").exists()


def test_what_a_killed_run_was_writing_is_removed(folder: Path) -> None:
    folder.mkdir()
    (folder / ".training.pt.0123abcd.tmp").touch()
    (folder / "mine.tmp").touch()
    Checkpointer(folder, resume=False)
    assert [path.name for path in folder.iterdir()] == ["mine.tmp"]


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    folder.touch()
    with pytest.raises(CannotWrite):
        Checkpointer(folder, resume=False)


def test_in_one_line() -> None:
    assert repr(progress(5)) == "TrainingProgress(5 epochs)"
    best = TrainingProgress(1000, True, best_epoch=960, best_weights={"w": torch.ones(1000)})
    assert repr(best) == "TrainingProgress(1,000 epochs, best epoch 960, finished)"
