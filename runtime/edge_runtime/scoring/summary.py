"""What a run did: counts that are made for each part, added up, and shown in the end."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.terminal import aligned, printable

# Bars of the histogram of probabilities.
_BINS = 10
_BAR = 40  # characters
# So many labels and columns are shown; all are in the JSON.
_SHOWN = 20


@dataclass(frozen=True)
class Summary:
    """What `edge_runtime.score` did.

    Attributes:
        rows: how many rows the source has: those that were scored and those that were rejected.
        scored: how many were answered.
        rejected: how many could not be read as rows of the model.
        labels: how many rows got each label; empty for a regression and for a model without a signature.
        histogram: how many rows have a probability in each tenth from 0 to 1, ten counts: of two labels the probability
            of the second one, of more that of the predicted one. Empty where there are no labels.
        value_minimum, value_mean, value_maximum: of the finite values of a regression; None where there are none.
        unseen: by column, in how many scored rows its value is unlike everything in the training data
            (`Predictor.unseen`); columns without such values are excluded.
    """

    rows: int
    scored: int
    rejected: int
    labels: Mapping[Label, int]
    histogram: tuple[int, ...]
    value_minimum: float | None
    value_mean: float | None
    value_maximum: float | None
    unseen: Mapping[str, int]

    def to_json(self) -> str:
        """It as JSON in one line, with the labels as strings."""
        plain = {**vars(self), "labels": {str(label): count for label, count in self.labels.items()}}
        return f"{json.dumps(plain, ensure_ascii=False)}\n"

    def to_text(self) -> str:
        """It as lines for people."""
        lines = [f"{self.rows:,} rows: {self.scored:,} scored, {self.rejected:,} rejected"]
        if self.labels and self.scored:
            ranked = sorted(self.labels.items(), key=lambda one: -one[1])
            rows = [(f"label {label}", f"{count:,}", f"{count / self.scored:.1%}") for label, count in ranked[:_SHOWN]]
            lines += aligned(rows, right=(1, 2))
            if len(ranked) > _SHOWN:
                lines.append(f"and {len(ranked) - _SHOWN:,} labels more")
            most = max(self.histogram)
            of = "the second label" if len(self.labels) == 2 else "the answer"
            lines.append(f"probability of {of}:")
            for place, count in enumerate(self.histogram):
                bar = "#" * round(_BAR * count / most)
                lines.append(f"{place / _BINS:.1f}-{(place + 1) / _BINS:.1f}  {bar:{_BAR}}  {count:,}".rstrip())
        if self.value_mean is not None:
            lines.append(
                f"values from {self.value_minimum:.6g} to {self.value_maximum:.6g}, mean {self.value_mean:.6g}"
            )
        if self.unseen:
            ranked_columns = sorted(self.unseen.items(), key=lambda one: -one[1])[:_SHOWN]
            lines.append("rows with values unlike the training data:")
            lines += aligned([(name, f"{count:,}") for name, count in ranked_columns], right=(1,))
        return "".join(f"{printable(line)}\n" for line in lines)


@dataclass
class Tally:
    """Counts of some rows, which `add` sums up in the order of the rows.

    Attributes:
        scored, rejected: how many rows.
        labels: by the place of the label.
        histogram: see `Summary`.
        values: of a regression: how many are finite, their sum, the smallest and the largest.
        unseen: by column.
    """

    scored: int = 0
    rejected: int = 0
    labels: list[int] = field(default_factory=list)
    histogram: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)

    def count_outputs(self, outputs: npt.NDArray[Any], signature: Signature) -> None:
        """Count answers, shape (rows, classes), or (rows, 1) of a regression."""
        if not signature.labels:
            finite = outputs[np.isfinite(outputs)].astype(np.float64)
            if finite.size:
                self.values = [finite.size, float(finite.sum()), float(finite.min()), float(finite.max())]
            return
        places = signature.predicted(outputs)
        self.labels = np.bincount(places, minlength=len(signature.labels)).tolist()
        is_binary = len(signature.labels) == 2
        probabilities = outputs[:, 1] if is_binary else outputs[np.arange(len(outputs)), places]
        # Faster than numpy.histogram, and NaN is in none.
        with np.errstate(invalid="ignore"):
            tenths = np.clip(probabilities * _BINS, 0, _BINS - 1).astype(np.int8)
        if len(probabilities) and probabilities.max() != probabilities.max():
            tenths = tenths[~np.isnan(probabilities)]
        self.histogram = np.bincount(tenths, minlength=_BINS).tolist()

    def add(self, other: "Tally") -> None:
        """Add the counts of the rows that follow."""
        self.scored += other.scored
        self.rejected += other.rejected
        self.labels = _added(self.labels, other.labels)
        self.histogram = _added(self.histogram, other.histogram)
        if self.values and other.values:
            (count, total, least, most), (more, further, low, high) = self.values, other.values
            self.values = [count + more, total + further, min(least, low), max(most, high)]
        else:
            self.values = self.values or other.values
        self.unseen += other.unseen

    def to_dict(self) -> dict[str, Any]:
        """They as JSON takes them."""
        return {**vars(self), "unseen": dict(self.unseen)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Tally":
        """What `to_dict` gave.

        Raises:
            TypeError, LookupError: it is not that.
        """
        return cls(**{**plain, "unseen": Counter(plain["unseen"])})

    def summary(self, signature: Signature | None, names: tuple[str, ...] = ()) -> Summary:
        """What is told of them in the end, with the columns in the order of `names`."""
        labels = () if signature is None else signature.labels
        counts = self.labels or [0] * len(labels)
        count, total, least, most = self.values or (0, 0.0, None, None)
        return Summary(
            rows=self.scored + self.rejected,
            scored=self.scored,
            rejected=self.rejected,
            labels=dict(zip(labels, counts, strict=True)),
            histogram=tuple(self.histogram or ([0] * _BINS if labels else [])),
            value_minimum=least,
            value_mean=total / count if count else None,
            value_maximum=most,
            unseen={name: self.unseen[name] for name in names if self.unseen[name]},
        )


def _added(one: list[int], other: list[int]) -> list[int]:
    if not one or not other:
        return one or other
    return [first + second for first, second in zip(one, other, strict=True)]
