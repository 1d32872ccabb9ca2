import pytest

from edge_train.loop import torchrun


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "5"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    assert (torchrun.rank(), torchrun.local_rank(), torchrun.world_size()) == (5, 1, 8)


def test_two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    assert (torchrun.rank(), torchrun.local_rank()) == (1, 1)


def test_without_torchrun_a_process_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (torchrun.rank(), torchrun.local_rank(), torchrun.world_size()) == (0, 0, 1)
    # Another program may have set it.
    monkeypatch.setenv("RANK", "5")
    assert torchrun.rank() == 0
