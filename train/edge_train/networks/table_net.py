"""The network for tables: raw columns in, with missing values, categories and dates, and the classes or values out."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.contract.signature import Feature, Input, Signature
from edge_train.networks.category_embedding import CategoryEmbedding
from edge_train.networks.date_columns import DateColumns
from edge_train.networks.members import MemberLinear, MemberNetwork
from edge_train.networks.numeric_columns import NumericColumns

# The name of the output that says how large errors are, and the least that it says, in the target's deviations.
SCALE = "scale"
_LEAST_SCALE = 1e-3
# The arguments of `TableNet.forward`: numbers and booleans, codes of categories, dates.
_ARGUMENTS = ("x", "text", "date")


# One output, or several by their names.
Outputs = Tensor | dict[str, Tensor]


class TableNet(MemberNetwork):
    """Multilayer perceptrons on raw columns: numbers with NaN for missing values, category codes, and dates.

    It has several members, perceptrons of their own that start from other weights and hold out other rows in training,
    and averages what their last layers give (Hansen and Salamon, Neural Network Ensembles, 1990; Breiman, Bagging
    Predictors, 1996). Its output is what the signature says: the probability of `labels[1]`, shape (batch, 1); of each
    label, shape (batch, classes); or the value in the target's unit, shape (batch, 1).

    A regression that is `scaled` also gives `SCALE`, how large errors are likely to be, in the target's unit. Members
    learn it from their errors on the training rows (Lei et al., Distribution-Free Predictive Inference for Regression,
    2018, section 5.2), which does not change what they learn of the values.
    The network holds all preprocessing; `fit` sets it from the training rows.
    """

    prior: Tensor
    target: Tensor | None
    scale: MemberLinear | None

    def __init__(
        self,
        signature: Signature,
        hidden: Sequence[int],
        widths: Sequence[int | None] | None = None,
        smoothing: float = 0.0,
        varies: Tensor | None = None,
        *,
        members: int = 1,
        bins: Tensor | None = None,
        scaled: bool = False,
    ) -> None:
        """Make an untrained network.

        Args:
            signature: its features, labels and task.
            hidden: the widths of the hidden layers; without any it is a linear model.
            widths: the lengths of the vectors of each categorical feature, as a checkpoint has them; by default as
                suits the number of categories.
            smoothing: see `Settings.smoothing`; it applies to training alone.
            varies: what of the dates varies in training, see `date_columns.varying`; by default all of it.
            members: how many perceptrons it has.
            bins: in which bins numbers are encoded, see `piecewise_linear.bin_columns`; by default in none.
            scaled: whether a regression says how large errors are.
        """
        super().__init__(signature)
        self.smoothing, self.members = smoothing, members
        groups: dict[str, list[Feature]] = {name: [] for name in _ARGUMENTS}
        for tensor in signature.inputs:
            groups[_argument(tensor)] += tensor.features
        self.numeric = NumericColumns(groups["x"], bins) if groups["x"] else None
        given = widths or [None] * len(groups["text"])
        embeddings = [
            CategoryEmbedding(feature, members, width) for feature, width in zip(groups["text"], given, strict=True)
        ]
        self.embeddings = nn.ModuleList(embeddings)
        self.dates = DateColumns(groups["date"], varies) if groups["date"] else None
        width = sum(part.width for part in (self.numeric, *embeddings, self.dates) if part is not None)
        sizes = [width, *hidden, len(signature.labels) if self.is_multiclass else 1]
        self.layers = nn.ModuleList(MemberLinear(members, *pair) for pair in itertools.pairwise(sizes))
        self.scale = MemberLinear(members, sizes[-2], 1) if scaled and signature.task == "regression" else None
        # The fraction of the training rows that are of each class, which smoothing alone needs.
        self.register_buffer("prior", torch.full((len(signature.labels),), 1 / max(1, len(signature.labels))), False)
        # The mean and the standard deviation of the values to predict.
        self.register_buffer("target", torch.tensor([0.0, 1.0]) if signature.task == "regression" else None)

    @property
    def is_multiclass(self) -> bool:
        """Whether there are more than two classes."""
        return self.signature.task == "multiclass_classification"

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

    def forward(self, x: Tensor | None = None, text: Tensor | None = None, date: Tensor | None = None) -> Outputs:
        """The output for rows, float32; see the class for its shape. Outputs by name, if `scaled`.

        Args:
            x: numbers, float32 of shape (batch, numeric and boolean features), NaN being a missing value; None if the
                signature has none.
            text: category codes, int64 of shape (batch, categorical features); None if the signature has none.
            date: seconds since 1970-01-01 UTC, int64 of shape (batch, date features), `MISSING_DATE` being a missing
                value; None if the signature has none.
        """
        given = {"x": x, "text": text, "date": date}
        parts = [self._parts(argument, values) for argument, values in given.items() if values is not None]
        return _answers(self, self.hidden(list(itertools.chain(*parts)), ()))

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
        """The cross-entropy in nats, or the squared error in units of the target's variance, summed over the members.

        Each member's loss is learned as if it were alone; see `Network.loss`.
        """
        given = dict(zip(map(_argument, self.signature.inputs), inputs, strict=True))
        parts = [
            self._parts(argument, given[argument]) if self._learns(argument) else [given[argument]]
            for argument in _ARGUMENTS
            if argument in given
        ]
        losses = _losses(self, self.hidden(list(itertools.chain(*parts)), masks), target)
        return (losses if weight is None else losses * weight.t()).mean(-1).sum()

    def _learns(self, argument: str) -> bool:
        """Whether parameters change what the first layer takes of this argument."""
        return argument == "text" and any(True for _ in self.embeddings.parameters())

    def _parts(self, argument: str, values: Tensor) -> list[Tensor]:
        """What the first layer takes of an argument: of shape (batch, width), or (members, batch, width) if learned."""
        if argument == "text":
            return [embedding(values[:, place]) for place, embedding in enumerate(self.embeddings)]
        columns = self.numeric if argument == "x" else self.dates
        assert columns is not None
        return [columns(values)]


def _answers(network: TableNet, hidden: Tensor) -> Outputs:
    """What `TableNet.forward` returns, from what the last layers take."""
    outputs = network.layers[-1](hidden).mean(0)
    if network.is_multiclass:
        return outputs.softmax(1)  # type: ignore[no-any-return]
    if network.target is None:
        return outputs.sigmoid()  # type: ignore[no-any-return]
    values = outputs * network.target[1] + network.target[0]
    if network.scale is None:
        return values  # type: ignore[no-any-return]
    return {network.signature.output: values, SCALE: _scales(network.scale, hidden).mean(0) * network.target[1]}


def _scale_losses(scales: Tensor, square_errors: Tensor) -> Tensor:
    """What teaches the scale: that of a Laplace distribution is the mean distance. It is 0, and its gradient is not."""
    losses = scales.log() + square_errors.sqrt() / scales
    return losses - losses.detach()


def _scales(layer: MemberLinear, hidden: Tensor) -> Tensor:
    """How large the errors of each member are likely to be, in standard deviations of the target."""
    return functional.softplus(layer(hidden)) + _LEAST_SCALE


def _losses(network: TableNet, hidden: Tensor, target: Tensor) -> Tensor:
    """The loss of each member on each row, shape (members, batch), from what the last layers take."""
    outputs: Tensor = network.layers[-1](hidden)
    smoothing = network.smoothing if network.training else 0.0
    if network.is_multiclass:
        logarithms = outputs.log_softmax(2)
        # What another network says of each class.
        if target.ndim == 2:
            return -(target * logarithms).sum(2)
        true = target.expand(network.members, -1)[..., None]
        losses = -logarithms.gather(2, true)[..., 0]
        if smoothing:
            losses = (1 - smoothing) * losses - smoothing * (network.prior * logarithms).sum(2)
        return losses
    if network.target is not None:
        values = target if target.ndim == 1 else target[:, 0]
        losses = (outputs[..., 0] - (values - network.target[0]) / network.target[1]) ** 2
        if network.scale is None or not network.training:
            return losses
        scales = _scales(network.scale, hidden.detach())[..., 0]
        if target.ndim == 2:
            return losses + (scales.log() - (target[:, 1] / network.target[1]).log()) ** 2
        return losses + _scale_losses(scales, losses.detach())
    # Towards the prior: smoothing towards equal classes would overrate a rare one.
    target = target * (1 - smoothing) + smoothing * network.prior[1]
    return functional.binary_cross_entropy_with_logits(
        outputs[..., 0], target.expand(network.members, -1), reduction="none"
    )


def _argument(tensor: Input) -> str:
    """The argument of `TableNet.forward` that takes an input."""
    return "date" if tensor.holds_dates else "text" if tensor.holds_strings else "x"
