"""The decision regions of torch and of a file, side by side, on a plane through the space of features."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_hex, to_rgba_array

from edge_export.capture.program import Program
from edge_export.tensors import Array, Tensors
from edge_export.verify.input_distributions import input_distributions
from edge_runtime import Feature, Signature
from edge_runtime.contract.labels import Label
from edge_runtime.contract.values import FLOAT32_MAX
from edge_runtime.verification import distance
from edge_train.drawing import COLORS, add_colorbar, draw_on_plane, draw_probability
from edge_train.pages.figures import powers_of_ten, shortened, svg

_SIDE = 200
_SWEEP = 21
# Multiplications that torch may make for one picture, so that large modules do not take minutes.
_MOST_COST = 2.0**34
_MOST_LABELS = 100
# As pale as probabilities are drawn. Where there are more labels than colours, the rarest ones share the last.
_PALE = tuple(to_hex(tuple(color)) for color in 1 - 0.6 * (1 - to_rgba_array(COLORS)))
_OTHER = "#c0c0c0"


@dataclass(frozen=True)
class Plane:
    """Two features on a grid, the others at their mean.

    Attributes:
        name: the input.
        columns: of the features across and up.
        features: the two.
        mean: a row, shape (features,), float64.
        across: the first feature's values, shape (side,), float64.
        up: the second one's, likewise.
    """

    name: str
    columns: tuple[int, int]
    features: tuple[Feature, Feature]
    mean: Array
    across: Array
    up: Array

    def run(self, run: Callable[[Tensors], Tensors | None], output: str) -> Array | None:
        """What `run` gives for `output` on the grid, shape (side, side, columns), the first axis being the one up.

        None where `run` gives None.
        """
        lines = []
        for height in self.up:
            rows = np.tile(self.mean, (len(self.across), 1))
            rows[:, self.columns[0]], rows[:, self.columns[1]] = self.across, height
            if (outputs := run({self.name: rows.astype(np.float32)})) is None:
                return None
            lines.append(outputs[output])
        return np.stack(lines)


@dataclass(frozen=True)
class Regions:
    """The pictures of one file.

    Attributes:
        figures: torch's regions, the file's, and how far the two are apart where they are.
        flips: at how many points of the grid the label differs.
        points: how many there are.
        largest: the largest difference of a probability where both are numbers.
        legend: the colour of each label, where there are more than two.
    """

    figures: tuple[Markup, ...]
    flips: int
    points: int
    largest: float
    legend: tuple[tuple[str, str], ...]


def plane(program: Program) -> Plane | None:
    """The plane to draw: of the only two features, else of those that move the output most.

    How far one moves it: the range of each of the output's columns as it goes through its own range alone, and the
    largest of these. None where there are no two numbers to choose, where the model takes strings too, or a picture
    would take long.
    """
    signature = program.classifier
    if signature is None or program.table is None or not program.is_batched or len(program.inputs) != 1:
        return None
    spec, features = program.inputs[0], signature.inputs[0].features
    numbers = [column for column, feature in enumerate(features) if feature.kind == "numeric"]
    if len(numbers) < 2:
        return None
    if program.cost * max(_SIDE**2, _SWEEP * len(features)) > _MOST_COST or len(signature.labels) > _MOST_LABELS:
        return None
    known = input_distributions(program, None)[spec.name]
    mean = known.mean.clip(-FLOAT32_MAX, FLOAT32_MAX)
    low, high = _ranges(features, mean, known.standard_deviation)
    first, second = numbers[:2]
    if len(numbers) > 2:
        moved = []
        for column in numbers:
            rows = np.tile(mean, (_SWEEP, 1))
            rows[:, column] = np.linspace(low[column], high[column], _SWEEP)
            outputs = program.try_run({spec.name: rows.astype(np.float32)})
            if outputs is None:
                return None
            moved.append(np.ptp(np.nan_to_num(outputs[signature.output]), axis=0).max())
        first, second = (numbers[place] for place in sorted(np.argsort(moved, kind="stable")[-2:].tolist()))
    return Plane(
        spec.name,
        (first, second),
        (features[first], features[second]),
        mean,
        np.linspace(low[first], high[first], _SIDE),
        np.linspace(low[second], high[second], _SIDE),
    )


def regions(plane: Plane, torch: Array, found: Array, signature: Signature, title: str) -> Regions:
    """The pictures of a file called `title`, from what torch and it give on the grid of `plane`."""
    apart = np.nan_to_num(distance(found, torch), nan=0.0, posinf=0.0).max(axis=2)
    labels, other = (signature.predicted(values.reshape(-1, values.shape[2])) for values in (torch, found))
    titles, sides = ("torch", shortened(title)), (torch, found)
    legend: tuple[tuple[str, str], ...] = ()
    if signature.task == "binary_classification":
        label = signature.labels[1]
        figures = [
            _probability(plane, v[..., 0], signature.threshold, label, t) for t, v in zip(titles, sides, strict=True)
        ]
    else:
        present, counts = np.unique(np.concatenate([labels, other]), return_counts=True)
        common = present[np.argsort(-counts, kind="stable")][: len(_PALE)]
        colors = dict(zip(common.tolist(), _PALE, strict=False))
        legend = tuple((colors.get(index, _OTHER), str(signature.labels[index])) for index in present.tolist())
        palette = to_rgba_array([colors.get(index, _OTHER) for index in range(len(signature.labels))])
        pictures = (palette[indices].reshape(*apart.shape, 4) for indices in (labels, other))
        figures = [_labels(plane, picture, t) for t, picture in zip(titles, pictures, strict=True)]
    if apart.any():
        figures.append(_difference(plane, apart))
    return Regions(tuple(figures), int((labels != other).sum()), labels.size, float(apart.max()), legend)


def _ranges(features: Sequence[Feature], mean: Array, deviation: Array) -> tuple[Array, Array]:
    """The ends of the picture for each feature: a little beyond its range in training, else three deviations away."""
    low, high = (
        (mean - 3 * deviation).clip(-FLOAT32_MAX, FLOAT32_MAX),
        (mean + 3 * deviation).clip(-FLOAT32_MAX, FLOAT32_MAX),
    )
    for column, feature in enumerate(features):
        if feature.minimum is not None and feature.maximum is not None:
            start, end = np.clip([feature.minimum, feature.maximum], -FLOAT32_MAX, FLOAT32_MAX)
            margin = 0.15 * (end - start) if end > start else 1.0
            low[column], high[column] = np.clip([start - margin, end + margin], -FLOAT32_MAX, FLOAT32_MAX)
    return low, high


def _probability(plane: Plane, values: Array, threshold: float, label: Label, title: str) -> Markup:
    def draw(axes: Axes) -> None:
        _name_axes(axes, plane)
        draw_probability(axes, plane.across, plane.up, values, threshold, shortened(label))

    return svg(title, draw)


def _labels(plane: Plane, picture: Array, title: str) -> Markup:
    def draw(axes: Axes) -> None:
        _name_axes(axes, plane)
        draw_on_plane(axes, plane.across, plane.up, picture)

    return svg(title, draw)


def _difference(plane: Plane, apart: Array) -> Markup:
    def draw(axes: Axes) -> None:
        _name_axes(axes, plane)
        high = np.floor(np.log10(apart.max())) + 1
        # A few powers of ten are enough to see where it is large.
        low = max(np.floor(np.log10(apart[apart > 0].min())), high - 6)
        norm = LogNorm(10**low, 10**high)
        image = draw_on_plane(axes, plane.across, plane.up, np.ma.masked_equal(apart, 0), cmap="viridis", norm=norm)
        powers_of_ten(add_colorbar(axes, image, "difference of probability").ax.yaxis)

    return svg("where they differ", draw)


def _name_axes(axes: Axes, plane: Plane) -> None:
    across, up = plane.features
    axes.set(xlabel=shortened(across.name), ylabel=shortened(up.name))
