"""A module for a table as a user may have it, without `edge_train`: numbers, booleans, strings and missing values."""

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
TEXTS = (
    Feature("island", "categorical", missing=0.05, categories=("São Tomé", "a b", " ", "nan", "Ünï", "日本")),
    Feature("kind", "categorical", missing=0.0, categories=(1, 5, 12)),
    Feature("plain", "categorical", categories=("Dream", "dream", "b")),
)
TASKS: tuple[Task, ...] = ("binary_classification", "multiclass_classification", "regression")
_LABELS: dict[Task, tuple[str, ...]] = {TASKS[0]: ("no", "yes"), TASKS[1]: ("low", "middle", "high"), TASKS[2]: ()}


def signature(task: Task = TASKS[0], numbers: bool = True, texts: bool = True) -> Signature:
    inputs = (*[Input("x", NUMBERS)] * numbers, *[Input("text", TEXTS)] * texts)
    columns = ("plain", "year", "island", "mass", "smoker", "kind", "ringed", "depth") if numbers and texts else ()
    output = "value" if task == "regression" else "probability"
    return Signature(inputs, output, _LABELS[task], task, columns=columns)


class _Head(nn.Module):
    def __init__(self, task: Task, width: int) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.task = task
        self.layers = nn.Sequential(nn.Linear(width, 16), nn.ReLU(), nn.Linear(16, max(1, len(_LABELS[task]) % 2 * 3)))

    def forward(self, row: Tensor) -> Tensor:
        found = self.layers(row)
        if self.task == "regression":
            return found * 250.0 + 1000.0
        return torch.sigmoid(found) if self.task == "binary_classification" else torch.softmax(found, dim=1)


class _Numbers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([4.5, 0.5, 2005.0, 0.3, 0.0]))
        self.register_buffer("scale", torch.tensor([1.0, 0.5, 9.0, 0.5, 3.0]))
        self.may_lack = [column for column, feature in enumerate(NUMBERS) if feature.missing is not None]

    def forward(self, x: Tensor) -> Tensor:
        some = x[:, self.may_lack]
        missing = torch.isnan(some)
        filled = torch.where(missing, self.mean[self.may_lack], some)
        order = [column for column in range(len(NUMBERS)) if column not in self.may_lack]
        numbers = torch.cat([filled, x[:, order]], dim=1)
        places = [*self.may_lack, *order]
        return torch.cat([(numbers - self.mean[places]) / self.scale[places], missing.float()], dim=1)

    @property
    def width(self) -> int:
        return len(NUMBERS) + len(self.may_lack)


class _Texts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.tables = nn.ModuleList(nn.Embedding(len(feature.categories) + 2, 3) for feature in TEXTS)
        self.width = 3 * len(TEXTS)

    def forward(self, text: Tensor) -> Tensor:
        return torch.cat([table(text[:, column]) for column, table in enumerate(self.tables)], dim=1)


class Table(nn.Module):
    """Takes both."""

    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task)
        self.numbers, self.texts = _Numbers(), _Texts()
        self.head = _Head(task, self.numbers.width + self.texts.width)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        return self.head(torch.cat([self.numbers(x), self.texts(text)], dim=1))

    def mean_and_standard_deviation(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.numbers.mean.numpy(), self.numbers.scale.numpy()


class OnlyTexts(nn.Module):
    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task, numbers=False)
        self.texts = _Texts()
        self.head = _Head(task, self.texts.width)

    def forward(self, text: Tensor) -> Tensor:
        return self.head(self.texts(text))


class OnlyNumbers(nn.Module):
    def __init__(self, task: Task = TASKS[0]) -> None:
        super().__init__()
        self.signature = signature(task, texts=False)
        self.numbers = _Numbers()
        self.head = _Head(task, self.numbers.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.numbers(x))


def example(module: nn.Module, rows: int = 3) -> tuple[Tensor, ...]:
    """What its forward is called with, in its order."""
    return tuple(
        torch.zeros(rows, len(tensor.features), dtype=torch.int64 if tensor.holds_strings else torch.float32)
        for tensor in module.signature.inputs
    )
