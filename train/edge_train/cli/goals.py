"""What `--threshold` asks for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from edge_runtime.contract import shell

if TYPE_CHECKING:
    from edge_train.thresholds import Places, Probabilities

# Thresholds that float32 tells from 0 and 1.
_LOWEST, _HIGHEST = 1e-30, 1 - 2.0**-24


@dataclass(frozen=True)
class Goal:
    """What `--threshold` asks for.

    Attributes:
        kind: a number, the highest balanced accuracy, the highest F1 score of the rarer class, or the lowest costs.
        numbers: the threshold; or what it costs to take a row of the first class for one of the second, and the other
            way round.
    """

    kind: Literal["number", "balanced", "f1", "cost"]
    numbers: tuple[float, ...] = ()

    def threshold(self, answers: Callable[[], "tuple[Probabilities, Places]"]) -> float:
        """The threshold.

        Args:
            answers: gives the answers to rows that were held out, and their classes, see `thresholds`; a number needs
                none.
        """
        if self.kind == "number":
            return self.numbers[0]
        from edge_train.thresholds import balanced_threshold, cost_threshold, f1_threshold

        if self.kind == "cost":
            return cost_threshold(*answers(), *self.numbers)
        return (balanced_threshold if self.kind == "balanced" else f1_threshold)(*answers())


def read_goal(text: str) -> Goal:
    """The goal that stands behind `--threshold`.

    Raises:
        UsageError: it is not a goal.
    """
    if text == "balanced":
        return Goal("balanced")
    if text == "f1":
        return Goal("f1")
    is_cost = text.startswith("cost=")
    words = text.removeprefix("cost=").split(":") if is_cost else [text]
    try:
        numbers = tuple(map(float, words))
    except ValueError:
        numbers = ()
    is_positive = len(numbers) == (2 if is_cost else 1) and min(numbers) > 0
    # Of costs their ratio alone counts, which is a threshold too.
    if is_positive and _LOWEST <= numbers[0] / (sum(numbers) if is_cost else 1) <= _HIGHEST:
        return Goal("cost" if is_cost else "number", numbers)
    raise shell.UsageError(
        f"--threshold {text}: give a number between 0 and 1, balanced, f1, or cost=A:B with two positive numbers, "
        "such as cost=1:10"
    )
