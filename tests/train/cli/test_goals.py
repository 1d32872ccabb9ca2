"""What stands behind --threshold, and what is refused."""

import numpy as np
import pytest

from edge_runtime.contract.shell import UsageError
from edge_train.cli.goals import Goal, read_goal
from edge_train.thresholds import balanced_threshold, cost_threshold, f1_threshold


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("0.2", Goal("number", (0.2,))),
        ("1e-30", Goal("number", (1e-30,))),
        (".99999994", Goal("number", (0.99999994,))),
        ("balanced", Goal("balanced")),
        ("f1", Goal("f1")),
        ("cost=1:10", Goal("cost", (1.0, 10.0))),
        ("cost=0.5:1e3", Goal("cost", (0.5, 1000.0))),
    ],
)
def test_goals(text: str, goal: Goal) -> None:
    assert read_goal(text) == goal


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "1",
        "-0.2",
        "1.5",
        "nan",
        "inf",
        "1e-50",
        "0.99999999",
        "half",
        "F1",
        "f2",
        "1:10",
        "0.2:0.3",
        "cost",
        "cost=",
        "cost=1",
        "cost=1:",
        "cost=1:2:3",
        "cost=0:1",
        "cost=1:0",
        "cost=-1:-1",
        "cost=a:b",
        "cost=nan:1",
        "cost=1:inf",
        "cost=inf:1",
        "cost=1e300:1e-300",
        "cost=1e308:1e308",
    ],
)
def test_what_is_not_a_goal(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_goal(text)
    assert str(raised.value) == (
        f"--threshold {text}: give a number between 0 and 1, balanced, f1, or cost=A:B with two positive numbers, "
        "such as cost=1:10"
    )


def test_each_goal_has_its_threshold() -> None:
    random = np.random.default_rng(0)
    found = random.beta(1, 5, 400)
    places = (random.random(400) < found).astype(np.int64)
    expected = {
        "balanced": balanced_threshold(found, places),
        "f1": f1_threshold(found, places),
        "cost=1:10": cost_threshold(found, places, 1, 10),
    }
    assert {text: read_goal(text).threshold(lambda: (found, places)) for text in expected} == expected
    assert len(set(expected.values())) == 3


def test_a_number_needs_no_rows() -> None:
    assert read_goal("0.2").threshold(lambda: pytest.fail("asked for rows")) == 0.2
