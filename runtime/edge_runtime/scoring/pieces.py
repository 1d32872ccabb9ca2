"""From answers to what a sink takes: lines, or record batches."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.contract.signature import Signature
from edge_runtime.contract.terminal import json_string
from edge_runtime.csv_answers import reasons
from edge_runtime.scoring.block_answers import UNSEEN, Answered
from edge_runtime.scoring.formats import Format
from edge_runtime.scoring.lines import CsvLines, JsonLines, TextLines
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.text_columns import json_values

_PROBABILITIES = "probabilities"


class Pieces:
    """Makes pieces of a format of answers. Several threads may use it at the same time."""

    def __init__(
        self,
        output: Format,
        signature: Signature | None,
        kept: Sequence[str],
        options: Options,
        is_shown: bool = False,
    ) -> None:
        """Make them.

        Args:
            output: the format.
            signature: what the answers mean, if the model says it.
            kept: the columns before the answers.
            options: what is asked for.
            is_shown: whether they go to a terminal.
        """
        self.output = output
        self._labels = () if signature is None else signature.labels
        self._kept, self._is_shown = len(kept), is_shown
        self._top, self._flag_unseen, self._coverage = options.top, options.flag_unseen, options.interval

    def header(self, piece_of: Answered) -> bytes:
        """What comes before the first lines."""
        if self.output.kind != "csv":
            return b""
        return bytes(self.output.packed(self._csv(self._whole(piece_of).schema.names).header))

    def of(self, answered: Answered) -> Any:
        """A piece: bytes, or a record batch."""
        if self.output.kind == "json":
            return self.output.packed(self._json(answered))
        whole = self._whole(answered)
        if not self.output.is_text:
            return whole
        if self.output.kind == "text":
            return self._text(whole)
        return self.output.packed(self._csv(whole.schema.names).of(whole))

    def _csv(self, names: Sequence[str]) -> CsvLines:
        either = self._kept + 1 if len(self._labels) == 2 and self._top is None else None
        return CsvLines(names, self.output.delimiter, self._is_shown, either)

    def _whole(self, answered: Answered) -> Any:
        """The answers with the column of what is unseen, if it is asked for."""
        batch = answered.batch
        if not self._flag_unseen:
            return batch
        found = answered.unseen or {}
        texts = [""] * batch.num_rows
        for row, unseen in found.items():
            texts[row] = reasons(unseen)
        return batch.append_column(UNSEEN, pa.array(texts, pa.string()))

    def _json(self, answered: Answered) -> Any:
        """Lines with the probabilities, and what is unseen, as objects."""
        batch, raw = answered.batch, []
        names, columns = list(batch.schema.names), list(batch.columns)
        if self._labels:
            first = self._kept + 2 if self._top is None else self._kept
            end = len(names) - (self._coverage is not None)
            names[self._kept + 2 : end] = [_PROBABILITIES]
            columns[self._kept + 2 : end] = [self._probabilities(columns[first:end])]
            raw.append(_PROBABILITIES)
        if self._flag_unseen:
            found: Mapping[int, Any] = answered.unseen or {}
            texts = ["{}"] * batch.num_rows
            for row, unseen in found.items():
                texts[row] = json_string(dict(unseen))
            names.append(UNSEEN)
            columns.append(pa.array(texts, pa.string()))
            raw.append(UNSEEN)
        return JsonLines(names, raw).of(pa.RecordBatch.from_arrays(columns, names=names))

    def _probabilities(self, columns: Sequence[Any]) -> Any:
        """Objects of JSON, from the columns of all labels, or from those of labels and probabilities in turn."""
        parts: list[Any] = []
        if self._top is None:
            for label, column in zip(self._labels, columns, strict=True):
                parts += [f"{', ' if parts else '{'}{json_values(pa.array([str(label)]))[0]}: ", json_values(column)]
        else:
            for labels, column in zip(columns[::2], columns[1::2], strict=True):
                keys = json_values(_label_texts(labels))
                parts += [", " if parts else "{", keys, ": ", json_values(column)]
        return pc.binary_join_element_wise(*parts, "}", "")

    def _text(self, whole: Any) -> Any:
        """Lines for people."""
        hidden = [] if self._coverage is None else ["set"] if self._labels else ["lower", "upper"]
        others = [name for name in whole.schema.names[self._kept + 2 :] if name not in (UNSEEN, *hidden)]
        if self._labels and self._top is not None:
            columns = [whole[name].to_pylist() for name in others]
            rows = zip(*columns, strict=True)
            texts = [", ".join(f"{label} {value:.4f}" for label, value in _pairs(row)) for row in rows]
            if texts:
                after = whole.schema.get_field_index("probability") + 1
                whole = whole.add_column(after, "next", pa.array(texts, pa.string()))
        if self._coverage is not None:
            kind = "set" if self._labels else "interval"
            texts = list(map(", ".join if self._labels else " to ".join, _texts(whole, hidden)))
            place = whole.num_columns - self._flag_unseen
            whole = whole.add_column(place, f"{100 * self._coverage:g}% {kind}", pa.array(texts, pa.string()))
        return TextLines(whole.schema.names, [*hidden, *(others if self._labels else [])]).of(whole)


def _texts(whole: Any, names: Sequence[str]) -> Iterator[Sequence[str]]:
    """For each row the labels of its set, or the bounds of its interval, as people read them."""
    if len(names) == 1:
        return (list(map(str, labels)) for labels in whole[names[0]].to_pylist())
    return ([f"{bound:.6g}" for bound in row] for row in zip(*(whole[name].to_pylist() for name in names), strict=True))


def _pairs(row: Sequence[Any]) -> list[tuple[Any, float]]:
    return list(zip(row[::2], row[1::2], strict=True))


def _label_texts(labels: Any) -> Any:
    """Labels as strings, as `str` writes them."""
    if pa.types.is_string(labels.type) or pa.types.is_integer(labels.type):
        return labels.cast(pa.string())
    return pa.array([str(label) for label in labels.to_pylist()], pa.string())
