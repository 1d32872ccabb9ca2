"""The network for tables: raw columns in, with missing values, categories and dates, and the classes or values out."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING
from edge_runtime.contract.signature import Feature, Input, Signature
from edge_train.networks.base import Network
from edge_train.networks.date_columns import DateColumns
from edge_train.networks.numeric_columns import NumericColumns

# Up to so many categories are one-hot encoded; more are embedded in fewer dimensions, which are learned.
ONE_HOT = 8
_WIDEST = 32
# The arguments of `TableNet.forward`: numbers and booleans, codes of categories, dates.
_ARGUMENTS = ("x", "text", "date")


class CategoryEmbedding(nn.Module):
    """A vector for each category of one column: one-hot for few categories, learned for many.

    An unknown category has the mean of all vectors, weighted by their frequency in training, and so has a missing value
    if there was none in training.

    Attributes:
        weight: the vectors, float32 of shape (categories, width), before them that of a missing value if there were any
            in training.
        frequency: the fraction of the training rows that have each of them, float32 of shape (len(weight),).
        width: the length of a vector.
    """

    frequency: Tensor
    weight: Tensor

    def __init__(self, feature: Feature, width: int | None = None) -> None:
        """Start with vectors for the categories of `feature`, of length `width` or as suits their number."""
        super().__init__()
        self.embeds_missing = bool(feature.missing)
        count = len(feature.categories) + self.embeds_missing
        self.width = width or (count if count <= ONE_HOT else min(_WIDEST, 4 + round(count**0.5)))
        if self.width == count:
            self.register_buffer("weight", torch.eye(count))
        else:
            self.weight = nn.Parameter(torch.randn(count, self.width) * self.width**-0.5)
        self.register_buffer("frequency", torch.full((count,), 1 / count))

    def fit(self, codes: npt.NDArray[np.int64]) -> None:
        """Set the frequencies from the category codes of training rows, shape (rows,)."""
        first = MISSING if self.embeds_missing else FIRST_CATEGORY
        counts = np.bincount(codes, minlength=first + len(self.frequency))[first:]
        self.frequency.copy_(torch.from_numpy(counts / counts.sum()))

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of category codes: int64 of shape (batch,) to float32 of shape (batch, width)."""
        unknown = (self.frequency @ self.weight)[None]
        vectors = [unknown, self.weight] if self.embeds_missing else [unknown, unknown, self.weight]
        return functional.embedding(codes, torch.cat(vectors))


class TableNet(Network):
    """A multilayer perceptron on raw columns: numbers with NaN for missing values, category codes, and dates.

    Its output is what the signature says: the probability of `labels[1]`, shape (batch, 1); of each label, shape
    (batch, classes); or the value in the target's unit, shape (batch, 1).

    The network holds all preprocessing; `fit` sets it from the training rows.
    """

    prior: Tensor
    target: Tensor | None

    def __init__(
        self,
        signature: Signature,
        hidden: Sequence[int],
        widths: Sequence[int | None] | None = None,
        smoothing: float = 0.0,
        varies: Tensor | None = None,
    ) -> None:
        """Make an untrained network.

        Args:
            signature: its features, labels and task.
            hidden: the widths of the hidden layers; without any it is a linear model.
            widths: the lengths of the vectors of each categorical feature, as a checkpoint has them; by default as
                suits the number of categories.
            smoothing: see `Settings.smoothing`; it applies to training alone.
            varies: what of the dates varies in training, see `date_columns.varying`; by default all of it.
        """
        super().__init__(signature)
        self.smoothing = smoothing
        groups: dict[str, list[Feature]] = {name: [] for name in _ARGUMENTS}
        for tensor in signature.inputs:
            groups[_argument(tensor)] += tensor.features
        self.numeric = NumericColumns(groups["x"]) if groups["x"] else None
        embeddings = list(map(CategoryEmbedding, groups["text"], widths or [None] * len(groups["text"])))
        self.embeddings = nn.ModuleList(embeddings)
        self.dates = DateColumns(groups["date"], varies) if groups["date"] else None
        width = sum(part.width for part in (self.numeric, *embeddings, self.dates) if part is not None)
        sizes = [width, *hidden, len(signature.labels) if self.is_multiclass else 1]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(sizes))
        # The fraction of the training rows that are of each class, which smoothing alone needs.
        self.register_buffer("prior", torch.full((len(signature.labels),), 1 / max(1, len(signature.labels))), False)
        # The mean and the standard deviation of the values to predict.
        self.register_buffer("target", torch.tensor([0.0, 1.0]) if signature.task == "regression" else None)

    @property
    def is_multiclass(self) -> bool:
        """Whether there are more than two classes."""
        return self.signature.task == "multiclass_classification"

    @property
    def dropout_widths(self) -> tuple[int, ...]:
        """The widths of the hidden layers; see `Network.dropout_widths`."""
        return tuple(cast(nn.Linear, layer).out_features for layer in self.layers[:-1])

    def mean_and_standard_deviation(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Those of the numeric and boolean features in training, each of shape (features,); there must be some."""
        assert self.numeric is not None
        return self.numeric.mean.double().numpy(), self.numeric.standard_deviation.double().numpy()

    def fit(self, inputs: Mapping[str, npt.NDArray[Any]], target: npt.NDArray[Any], balanced: bool = False) -> None:
        """Set the preprocessing from training rows: means, standard deviations and frequencies.

        Args:
            inputs: by name, as `Part.inputs`.
            target: shape (rows,), as `Part.target`.
            balanced: whether all classes count the same, however many rows they have.
        """
        for tensor in self.signature.inputs:
            values = inputs[tensor.name]
            if tensor.holds_dates:
                assert self.dates is not None
                self.dates.fit(values)
            elif tensor.holds_strings:
                for embedding, codes in zip(self.embeddings, values.T, strict=True):
                    cast(CategoryEmbedding, embedding).fit(codes)
            else:
                assert self.numeric is not None
                self.numeric.fit(values)
        if self.target is None and not balanced:
            counts = np.bincount(target.astype(np.int64), minlength=len(self.prior))
            self.prior.copy_(torch.from_numpy(counts / counts.sum()))
        if self.target is not None:
            wide = target.astype(np.float64)
            # Values that are all the same have a standard deviation of 0, which cannot be divided by.
            self.target.copy_(torch.tensor([wide.mean(), wide.std() if wide.min() < wide.max() else 1.0]))

    def forward(self, x: Tensor | None = None, text: Tensor | None = None, date: Tensor | None = None) -> Tensor:
        """The output for rows, float32; see the class for its shape.

        Args:
            x: numbers, float32 of shape (batch, numeric and boolean features), NaN being a missing value; None if the
                signature has none.
            text: category codes, int64 of shape (batch, categorical features); None if the signature has none.
            date: seconds since 1970-01-01 UTC, int64 of shape (batch, date features), `MISSING_DATE` being a missing
                value; None if the signature has none.
        """
        given = {"x": x, "text": text, "date": date}
        parts = [self._parts(argument, values) for argument, values in given.items() if values is not None]
        outputs = self._outputs(torch.cat(list(itertools.chain(*parts)), 1), ())
        if self.is_multiclass:
            return outputs.softmax(1)
        if self.target is not None:
            return outputs * self.target[1] + self.target[0]
        return outputs.sigmoid()

    def prepare(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What the first layer takes of numbers and dates; of categories the codes, if there is a vector to learn."""
        given = zip(map(_argument, self.signature.inputs), inputs, strict=True)
        return tuple(
            values if self._learns(argument) else torch.cat(self._parts(argument, values), 1)
            for argument, values in given
        )

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """The cross-entropy in nats, or the squared error in units of the target's variance; see `Network.loss`."""
        given = dict(zip(map(_argument, self.signature.inputs), inputs, strict=True))
        parts = [
            self._parts(argument, given[argument]) if self._learns(argument) else [given[argument]]
            for argument in _ARGUMENTS
            if argument in given
        ]
        values = list(itertools.chain(*parts))
        outputs = self._outputs(torch.cat(values, 1) if len(values) > 1 else values[0], masks)
        losses = _losses(self, outputs, target, self.smoothing if self.training else 0.0)
        return (losses if weight is None else losses * weight).mean()

    def _learns(self, argument: str) -> bool:
        """Whether parameters change what the first layer takes of this argument."""
        return argument == "text" and any(True for _ in self.embeddings.parameters())

    def _parts(self, argument: str, values: Tensor) -> list[Tensor]:
        """What the first layer takes of an argument, each float32 of shape (batch, some columns)."""
        if argument == "text":
            return [embedding(values[:, place]) for place, embedding in enumerate(self.embeddings)]
        columns = self.numeric if argument == "x" else self.dates
        assert columns is not None
        return [columns(values)]

    def _outputs(self, values: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
        for place, layer in enumerate(self.layers[:-1]):
            values = layer(values).relu()
            if masks:
                values = values * masks[place]
        return self.layers[-1](values)  # type: ignore[no-any-return]


def _losses(network: TableNet, outputs: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """The loss of each row, shape (batch,), from what the last layer gave."""
    if network.is_multiclass:
        losses = functional.cross_entropy(outputs, target, reduction="none")
        if smoothing:
            losses = (1 - smoothing) * losses - smoothing * (network.prior * outputs.log_softmax(1)).sum(1)
        return losses
    if network.target is not None:
        return (outputs[:, 0] - (target - network.target[0]) / network.target[1]) ** 2
    # Towards the prior: smoothing towards equal classes would overrate a rare one.
    target = target * (1 - smoothing) + smoothing * network.prior[1]
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], target, reduction="none")


def _argument(tensor: Input) -> str:
    """The argument of `TableNet.forward` that takes an input."""
    return "date" if tensor.holds_dates else "text" if tensor.holds_strings else "x"
