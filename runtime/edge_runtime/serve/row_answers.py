"""The answers to rows as JSON: numbers among parts that are made once for a model.

That takes half the time of making an object for each row and writing these.
"""

from collections.abc import Mapping
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
        self._heads = [b'{"label":%b,"probability":' % orjson.dumps(label) for label in signature.labels]
        self._names = [orjson.dumps(str(label)) + b":" for label in signature.labels]
        # Features have ranges and categories, of which values can be outside.
        self._end, self._open = (b',"unseen":{}}', b',"unseen":%b}') if signature.has_features else (b"}", b"}")
        # The parts of an answer with all probabilities; what differs from row to row is empty.
        names = [b"," + name for name in self._names]
        names[:1] = [b',"probabilities":{' + name for name in self._names[:1]]
        self._answer = [b"", b"", *(part for name in names for part in (name, b"")), b"}" + self._end + b","]

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
        # As JSON has them: the shortest digits that give the same number again, and null for NaN and infinity.
        numbers = orjson.dumps(np.ascontiguousarray(outputs).ravel(), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(
            b","
        )
        if not self._heads:
            parts = [b'{"value":', b"", self._end + b","] * len(outputs)
            parts[1::3] = numbers
        else:
            places = self._signature.predicted(outputs).tolist()
            parts = self._all(numbers, places) if top is None else self._best(numbers, places, outputs, top)
        width = len(parts) // len(outputs)
        for row, reasons in unseen.items():
            last = row * width + width - 1
            parts[last] = parts[last].replace(self._end, self._open % orjson.dumps(reasons))
        parts[-1] = parts[-1][:-1]
        return [b"[", *parts, b"]"]

    def _all(self, numbers: list[bytes], places: list[int]) -> list[bytes]:
        """The parts of answers with the probabilities of all labels; `places` are those of the predicted ones."""
        rows, classes, width = len(places), len(self._heads), len(self._answer)
        parts = self._answer * rows
        parts[::width] = [self._heads[place] for place in places]
        parts[1::width] = [numbers[row * classes + place] for row, place in enumerate(places)]
        if rows < classes:
            for row in range(rows):
                parts[row * width + 3 : (row + 1) * width : 2] = numbers[row * classes : (row + 1) * classes]
        else:
            for place in range(classes):
                parts[3 + 2 * place :: width] = numbers[place::classes]
        return parts

    def _best(self, numbers: list[bytes], places: list[int], outputs: npt.NDArray[Any], top: int) -> list[bytes]:
        """The parts of answers with the probabilities of the `top` most probable labels."""
        parts, classes = [], len(self._heads)
        for row, (place, output) in enumerate(zip(places, outputs, strict=True)):
            ours = numbers[row * classes : (row + 1) * classes]
            best = csv_answers.most_probable(top, place, output)
            shown = b",".join([self._names[one] + ours[one] for one in best])
            parts += [self._heads[place], ours[place], b',"probabilities":{', shown, b"}" + self._end + b","]
        return parts
