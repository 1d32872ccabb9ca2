"""The network for tables: raw columns in, gaps and categories included, an answer in the target's own terms out."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING
from edge_runtime.contract.signature import Feature, Signature
from edge_train.networks.base import Network

# Up to so many categories have an axis each; more share a space that is learned.
ONE_HOT = 8
_WIDEST = 32
# How far the quartiles of a normal distribution are apart, what is far, and what can be squared: in deviations.
_QUARTILES, _FAR, _SQUARABLE = 1.349, 10.0, 1e6


class Numbers(nn.Module):
    """Standardises numbers, whatever their outliers, puts the mean in gaps, and says beside them where the gaps were.

    What is far out does not press all others together: mean and deviation are those of numbers within ten deviations of
    the median, as the quartiles tell them (winsorized), and standardised numbers end smoothly within (-10, 10), as in
    Holzmüller et al., Better by Default (2024).

    Attributes:
        center: the winsorized mean, shape (features,).
        scale: the winsorized standard deviation, shape (features,); 1 where it is 0.
    """

    center: Tensor
    scale: Tensor
    gaps: Tensor

    def __init__(self, features: Sequence[Feature]) -> None:
        """Do nothing yet to the numbers of `features`: center 0, scale 1."""
        super().__init__()
        self.register_buffer("center", torch.zeros(len(features)))
        self.register_buffer("scale", torch.ones(len(features)))
        # Where training saw no gap, what an indicator means cannot be learned: there a gap is the center and no more.
        indicated = [place for place, feature in enumerate(features) if feature.missing]
        self.register_buffer("gaps", torch.tensor(indicated, dtype=torch.int64), persistent=False)
        self.width = len(features) + len(indicated)

    def fit(self, x: npt.NDArray[np.float32]) -> None:
        """Take center and scale from what `x`, shape (rows, features), has of each feature.

        A feature that is constant, or whose spread float32 cannot hold, keeps scale 1.
        """
        for place, column in enumerate(x.T):
            known = column[~np.isnan(column)].astype(np.float64)
            low, median, high = np.percentile(known, [25, 50, 75])
            # Of numbers of which half are the same, the quartiles tell nothing.
            if reach := _FAR * (high - low) / _QUARTILES:
                known = known.clip(median - reach, median + reach)
            self.center[place] = known.mean()
            scale = known.std()
            if known.min() < known.max() and scale >= np.finfo(np.float32).tiny:
                self.scale[place] = scale

    def forward(self, x: Tensor) -> Tensor:
        """Numbers without gaps, shape (batch, width), for `x`, shape (batch, features)."""
        gaps = x.isnan()
        scaled = torch.where(gaps, 0.0, ((x - self.center) / self.scale).clamp(-_SQUARABLE, _SQUARABLE))
        clipped = scaled / (1 + (scaled / _FAR) ** 2).sqrt()
        if not len(self.gaps):
            return clipped
        return torch.cat([clipped, gaps[:, self.gaps].to(x.dtype)], 1)


class Categories(nn.Module):
    """A point for each category of one column: an axis for each of a few, places that are learned for many.

    An unknown category is at the mean of all points, weighted by how often training saw them, and so is a gap where
    training saw none.

    Attributes:
        weight: the points, shape (categories, width), that of a gap before them where training saw one.
        share: how often training saw each of them, shape (categories,); sums to 1.
    """

    share: Tensor
    weight: Tensor

    def __init__(self, feature: Feature, width: int | None = None) -> None:
        """Points for the categories of `feature`; of `width` dimensions, or as many as suit their number."""
        super().__init__()
        self.sees_gaps = bool(feature.missing)
        points = len(feature.categories) + self.sees_gaps
        self.width = width or (points if points <= ONE_HOT else min(_WIDEST, 4 + round(points**0.5)))
        if self.width == points:
            self.register_buffer("weight", torch.eye(points))
        else:
            self.weight = nn.Parameter(torch.randn(points, self.width) * self.width**-0.5)
        self.register_buffer("share", torch.full((points,), 1 / points))

    def fit(self, codes: npt.NDArray[np.int64]) -> None:
        """Count how often each category is there in `codes`, shape (rows,)."""
        first = MISSING if self.sees_gaps else FIRST_CATEGORY
        counts = np.bincount(codes, minlength=first + len(self.share))[first:]
        self.share.copy_(torch.from_numpy(counts / counts.sum()))

    def forward(self, codes: Tensor) -> Tensor:
        """The points of `codes`, shape (batch,), as shape (batch, width)."""
        unknown = (self.share @ self.weight)[None]
        points = [unknown, self.weight] if self.sees_gaps else [unknown, unknown, self.weight]
        return functional.embedding(codes, torch.cat(points))


class TableNet(Network):
    """A multilayer perceptron on raw columns: numbers with NaN for gaps, codes of texts (`category_codes`).

    What it gives is what its signature says: the probability of `labels[1]`, shape (batch, 1); of each label, shape
    (batch, classes); or the value, shape (batch, 1), in the target's own unit.

    Everything that a row goes through is in here: `fit` takes what it needs from the training rows.
    """

    prior: Tensor
    target: Tensor | None

    def __init__(
        self,
        signature: Signature,
        hidden: Sequence[int],
        widths: Sequence[int | None] | None = None,
        smoothing: float = 0.0,
    ) -> None:
        """Make an untrained network.

        Args:
            signature: its features, labels and task.
            hidden: the widths of the hidden layers; none make a linear model.
            widths: of the points of each categorical feature, as a checkpoint has them; by default as suits how many
                categories there are.
            smoothing: see `Settings.smoothing`; of training alone.
        """
        super().__init__(signature)
        self.smoothing = smoothing
        numbers = [feature for tensor in signature.inputs if not tensor.holds_strings for feature in tensor.features]
        texts = [feature for tensor in signature.inputs if tensor.holds_strings for feature in tensor.features]
        self.numbers = Numbers(numbers) if numbers else None
        self.categories = nn.ModuleList(map(Categories, texts, widths or [None] * len(texts)))
        width = (self.numbers.width if self.numbers else 0) + sum(one.width for one in self.categories)  # type: ignore[misc]
        sizes = [width, *hidden, len(signature.labels) if self.is_multiclass else 1]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in itertools.pairwise(sizes))
        # How often training has each class, for smoothing alone.
        self.register_buffer("prior", torch.full((len(signature.labels),), 1 / max(1, len(signature.labels))), False)
        # Mean and standard deviation of the values to predict.
        self.register_buffer("target", torch.tensor([0.0, 1.0]) if signature.task == "regression" else None)

    @property
    def is_multiclass(self) -> bool:
        """Whether there are more than two classes."""
        return self.signature.task == "multiclass_classification"

    @property
    def dropped(self) -> tuple[int, ...]:
        """The widths of the hidden layers; see `Network.dropped`."""
        return tuple(layer.out_features for layer in self.layers[:-1])  # type: ignore[misc]

    def location(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Center and scale of the numbers that it was fitted to, each of shape (numeric and boolean features,)."""
        assert self.numbers is not None
        return self.numbers.center.double().numpy(), self.numbers.scale.double().numpy()

    def fit(self, inputs: Mapping[str, npt.NDArray[Any]], target: npt.NDArray[Any], balanced: bool = False) -> None:
        """Take from training rows what preprocessing needs: means, spreads, how often each category is there.

        Args:
            inputs: by name, as `Part.inputs`.
            target: shape (rows,), as `Part.target`.
            balanced: whether classes count the same, however many rows they have.
        """
        for tensor in self.signature.inputs:
            values = inputs[tensor.name]
            if not tensor.holds_strings:
                assert self.numbers is not None
                self.numbers.fit(values)
                continue
            for categories, codes in zip(self.categories, values.T, strict=True):
                categories.fit(codes)  # type: ignore[operator]
        if self.target is None and not balanced:
            counts = np.bincount(target.astype(np.int64), minlength=len(self.prior))
            self.prior.copy_(torch.from_numpy(counts / counts.sum()))
        if self.target is not None:
            wide = target.astype(np.float64)
            # Values that are all the same have no spread to divide by.
            self.target.copy_(torch.tensor([wide.mean(), wide.std() if wide.min() < wide.max() else 1.0]))

    def forward(self, x: Tensor | None = None, text: Tensor | None = None) -> Tensor:
        """The answers to rows.

        Args:
            x: numbers, shape (batch, number of numeric and boolean features), float32, NaN being a gap; None if the
                signature has none.
            text: codes, shape (batch, number of categorical features), int64; None if the signature has none.
        """
        outputs = self._outputs(x, text, ())
        if self.is_multiclass:
            return outputs.softmax(1)
        if self.target is not None:
            return outputs * self.target[1] + self.target[0]
        return outputs.sigmoid()

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """The cross-entropy in nats, or the squared error in units of the target's variance; see `Network.loss`."""
        x, text = inputs if len(inputs) == 2 else (*inputs, None) if self.numbers is not None else (None, *inputs)
        outputs = self._outputs(x, text, masks)
        smoothing = self.smoothing if self.training else 0.0
        if self.is_multiclass:
            losses = functional.cross_entropy(outputs, target, reduction="none")
            if smoothing:
                losses = (1 - smoothing) * losses - smoothing * (self.prior * outputs.log_softmax(1)).sum(1)
        elif self.target is not None:
            losses = (outputs[:, 0] - (target - self.target[0]) / self.target[1]) ** 2
        else:
            # Towards the prior: a rare class would be overrated by what goes to all classes alike.
            target = target * (1 - smoothing) + smoothing * self.prior[1]
            losses = functional.binary_cross_entropy_with_logits(outputs[:, 0], target, reduction="none")
        return (losses if weight is None else losses * weight).mean()

    def _outputs(self, x: Tensor | None, text: Tensor | None, masks: tuple[Tensor, ...]) -> Tensor:
        parts = []
        if self.numbers is not None:
            parts.append(self.numbers(x))
        if text is not None:
            parts += [categories(text[:, place]) for place, categories in enumerate(self.categories)]
        values = torch.cat(parts, 1)
        for place, layer in enumerate(self.layers[:-1]):
            values = layer(values).relu()
            if masks:
                values = values * masks[place]
        return self.layers[-1](values)  # type: ignore[no-any-return]
