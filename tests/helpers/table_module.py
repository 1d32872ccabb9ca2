"""The user's own modules for a table: numbers, booleans, categories and missing values, without `edge_train`."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_runtime import Signature
from edge_runtime.contract.signature import Feature, Input, Task

NUMBERS = (
    Feature("mass", minimum=2.5, maximum=6.5, missing=0.1),
    Feature("ringed", "boolean", missing=0.0),
    Feature("year", minimum=1990.0, maximum=2020.0),
    Feature("smoker", "boolean"),
    Feature("depth", missing=0.3),
)
STRINGS = (
    Feature("island", "categorical", missing=0.05, categories=("São Tomé", "a b", " ", "nan", "Ünï", "日本")),
    Feature("kind", "categorical", missing=0.0, categories=(1, 5, 12)),
    Feature("plain", "categorical", categories=("Dream", "dream", "b")),
)
TASKS: tuple[Task, ...] = ("binary_classification", "multiclass_classification", "regression")
_LABELS: dict[Task, tuple[str, ...]] = {TASKS[0]: ("no", "yes"), TASKS[1]: ("low", "middle", "high"), TASKS[2]: ()}


def signature(task: Task = TASKS[0], numbers: bool = True, strings: bool = True) -> Signature:
    inputs = (*[Input("x", NUMBERS)] * numbers, *[Input("text", STRINGS)] * strings)
    columns = ("plain", "year", "island", "mass", "smoker", "kind", "ringed", "depth") if numbers and strings else ()
    output = "value" if task == "regression" else "probability"
    return Signature(inputs, output, _LABELS[task], task, columns=columns)


class _Head(nn.Module):
    def __init__(self, task: Task, width: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.task = task
        self.layers = nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, max(1, len(_LABELS[task]) % 2 * 3)))

    def forward(self, row: Tensor) -> Tensor:
        found: Tensor = self.layers(row)
        if self.task == "regression":
            return found * 250.0 + 1000.0
        return torch.sigmoid(found) if self.task == "binary_classification" else torch.softmax(found, dim=1)


class _Numbers(nn.Module):
    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([4.5, 0.5, 2005.0, 0.3, 0.0]))
        self.register_buffer("scale", torch.tensor([1.0, 0.5, 9.0, 0.5, 3.0]))
        self.may_be_missing = [column for column, feature in enumerate(NUMBERS) if feature.missing is not None]
        self.width = len(NUMBERS) + len(self.may_be_missing)

    def forward(self, x: Tensor) -> Tensor:
        some = x[:, self.may_be_missing]
        missing = torch.isnan(some)
        filled = torch.where(missing, self.mean[self.may_be_missing], some)
        others = [column for column in range(len(NUMBERS)) if column not in self.may_be_missing]
        numbers = torch.cat([filled, x[:, others]], dim=1)
        places = [*self.may_be_missing, *others]
        return torch.cat([(numbers - self.mean[places]) / self.scale[places], missing.float()], dim=1)


class _Strings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.tables = nn.ModuleList(nn.Embedding(len(feature.categories) + 2, 3) for feature in STRINGS)
        self.width = 3 * len(STRINGS)

    def forward(self, text: Tensor) -> Tensor:
        return torch.cat([table(text[:, column]) for column, table in enumerate(self.tables)], dim=1)


class TableModule(nn.Module):
    """What the three below have in common."""

    signature: Signature


class Table(TableModule):
    """Takes numbers and strings."""

    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task)
        self.numbers, self.strings = _Numbers(), _Strings()
        self.head = _Head(task, self.numbers.width + self.strings.width)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        answer: Tensor = self.head(torch.cat([self.numbers(x), self.strings(text)], dim=1))
        return answer

    def mean_and_standard_deviation(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.numbers.mean.numpy(), self.numbers.scale.numpy()


class OnlyStrings(TableModule):
    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task, numbers=False)
        self.strings = _Strings()
        self.head = _Head(task, self.strings.width)

    def forward(self, text: Tensor) -> Tensor:
        answer: Tensor = self.head(self.strings(text))
        return answer


class OnlyNumbers(TableModule):
    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task, strings=False)
        self.numbers = _Numbers()
        self.head = _Head(task, self.numbers.width)

    def forward(self, x: Tensor) -> Tensor:
        answer: Tensor = self.head(self.numbers(x))
        return answer


def example(module: TableModule, rows: int = 3) -> tuple[Tensor, ...]:
    """What its forward is called with, in its order."""
    return tuple(
        torch.zeros(rows, len(tensor.features), dtype=torch.int64 if tensor.holds_strings else torch.float32)
        for tensor in module.signature.inputs
    )


def drawn_rows(count: int = 200) -> dict[str, npt.NDArray[np.generic]]:
    """Rows as users have them: missing values, and strings that are unknown or hard to tell from known ones."""
    random = np.random.default_rng(5)
    x = random.normal([4.5, 0.5, 2005, 0.5, 0], [1, 0.5, 9, 0.5, 3], (count, 5)).astype(np.float32)
    x[:, [1, 3]] = x[:, [1, 3]] > 0.5
    x[random.random(count) < 0.5, 4] = np.nan
    words = [[*map(str, feature.categories), "", "unheard", " b", "Ünï "] for feature in STRINGS]
    return {"x": x, "text": np.array([[random.choice(known) for known in words] for _ in range(count)])}
