"""The answers to rows as JSON: numbers in templates that are made once for a model.

That takes a third of the time of making an object for each row and writing these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from edge_runtime import csv_answers
from edge_runtime.contract.signature import Signature


class RowAnswers:
    """Writes the answers of one model."""

    def __init__(self, signature: Signature) -> None:
        """Write labels and probabilities, or values, as `signature` has them."""
        self._signature = signature
        # Each %b is for a number.
        self._heads = [b'{"label":%b,"probability":%%b,"probabilities":{' % _fixed(one) for one in signature.labels]
        self._each = [_fixed(str(label)) + b":%b" for label in signature.labels]
        self._all = b",".join(self._each)
        # Features have ranges and categories, of which values can be outside.
        self._end, self._open = (b',"unseen":{}}', b',"unseen":%b}') if signature.has_features else (b"}", b"}")

    def written(
        self, outputs: npt.NDArray[Any], top: int | None, unseen: Mapping[int, Mapping[str, str]]
    ) -> list[bytes]:
        """The list of answers, in parts.

        Args:
            outputs: the probability of each label, shape (rows, classes); or values, shape (rows, 1).
            top: how many labels are written, the most probable ones; all if None.
            unseen: what is unlike the training data in rows that have such, by their places.
        """
        if not len(outputs):
            return [b"[]"]
        shown, templates = self._labelled(outputs, top) if self._each else (outputs, [b'{"value":%b'] * len(outputs))
        # As JSON has them: the shortest digits that give the same number again, and null for NaN and infinity.
        numbers = orjson.dumps(np.ascontiguousarray(shown).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
        if not unseen:
            return [b"[", (self._end + b",").join(templates) % tuple(numbers), self._end, b"]"]
        ends = [self._end] * len(outputs)
        for row, reasons in unseen.items():
            ends[row] = self._open % _fixed(reasons)
        text = b",".join([template + end for template, end in zip(templates, ends, strict=True)])
        return [b"[", text % tuple(numbers), b"]"]

    def _labelled(self, outputs: npt.NDArray[Any], top: int | None) -> tuple[npt.NDArray[Any], Sequence[bytes]]:
        """The numbers of each row in the order in which they are written, and its template without the end."""
        places = self._signature.predicted(outputs)
        heads = [self._heads[place] for place in places.tolist()]
        if top is None:
            shown = np.empty((len(outputs), 1 + len(self._each)), outputs.dtype)
            shown[:, 0], shown[:, 1:] = outputs[np.arange(len(outputs)), places], outputs
            rest = self._all + b"}"
            return shown, [head + rest for head in heads]
        order = [csv_answers.most_probable(top, *found) for found in zip(places.tolist(), outputs, strict=True)]
        shown = np.take_along_axis(outputs, np.column_stack([places, np.array(order)]), axis=1)
        return shown, [
            head + b",".join([self._each[place] for place in places]) + b"}"
            for head, places in zip(heads, order, strict=True)
        ]


def _fixed(value: Any) -> bytes:
    """`value` as JSON in a template."""
    return orjson.dumps(value).replace(b"%", b"%%")
