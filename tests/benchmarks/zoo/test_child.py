"""What is kept of an error, and what becomes of an export that fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.zoo.child import Outcome, bare, exported, ours, reason_of
from benchmarks.zoo.network import Arguments, Network, floats
from torch import Tensor, nn

Way = Callable[[Network, nn.Module, Arguments, Path], Outcome]


class Branch(nn.Module):
    """What neither exporter can take: it goes one way or another by the values of a tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("way", [pytest.param(bare, marks=pytest.mark.slow), ours])
def test_a_refusal_is_one_line(way: Way, tmp_path: Path) -> None:
    outcome = exported(Network("branch", Branch, floats(3)), way, tmp_path / "model.onnx")
    assert outcome["verdict"] == "refused"
    assert outcome["reason"].strip()
    assert "\n" not in outcome["reason"]
    assert "size" not in outcome


def test_what_torch_says_of_every_error_is_dropped() -> None:
    message = (
        "Failed.\nNext steps: ...\n## Exception summary\n\n<class 'E'>: no\n\n(Refer to the full stack trace above.)"
    )
    assert reason_of(message) == "<class 'E'>: no"


def test_folders_of_this_machine_are_dropped() -> None:
    assert reason_of(f"it fails (at {Path.cwd()}/networks.py, line 3)") == "it fails (at networks.py, line 3)"


def test_a_long_reason_is_cut() -> None:
    assert reason_of("words " * 200) == f"{'words ' * 66}word ..."
