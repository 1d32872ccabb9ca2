"""Record batches in, record batches of answers out: what `Predictor.stream` does."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from edge_runtime.answering import Answering
from edge_runtime.arrow_answers import ArrowAnswers, output_batch
from edge_runtime.contract.errors import InvalidInput, NoSignature
from edge_runtime.opened_model import OpenedModel
from edge_runtime.rows.arrays import reading
from edge_runtime.rows.record_batches import BatchReader


class BatchAnswering:
    """Answers record batches with one model, as it is now. Several threads may use it at the same time.

    Attributes:
        reader: reads the model's inputs from a batch.
    """

    def __init__(
        self, model: OpenedModel, answering: Answering | None, top: int | None = None, flag_unseen: bool = False
    ) -> None:
        """Answer with `model`.

        Args:
            model: what answers.
            answering: how it answers rows; None if it has no signature.
            top: as `ArrowAnswers` takes it.
            flag_unseen: as `ArrowAnswers` takes it.

        Raises:
            NoProbabilities: the top labels of a regression are asked for.
            NoFeatures: what is unlike the training data is asked for, and the model takes tensors.
            NoSignature: either is asked for, and the model does not say what its outputs mean.
        """
        self._run, self._answering, self._novelty = model.run, answering, None
        signature = None if answering is None else answering.signature
        # What is unlike the training data is told by strings.
        take_codes = None if answering is None or flag_unseen else answering.take_codes
        self.reader = BatchReader(signature, model.inputs, take_codes)
        if answering is None or signature is None:
            if top is not None or flag_unseen:
                raise NoSignature("the model has no edge-predict signature, so the meaning of its outputs is unknown")
            return
        if flag_unseen:
            answering.row_reader  # noqa: B018 - it raises NoFeatures
            self._novelty = answering.novelty
        self._answers = ArrowAnswers(signature, top, flag_unseen)

    def __repr__(self) -> str:
        return f"BatchAnswering({self.reader!r})"

    def answers(self, feed: dict[str, Any], rows: int) -> Any:
        """The answers to `feed`, which `reader` has read from `rows` rows, as a `pyarrow.RecordBatch`.

        Raises:
            InferenceFailed: the model failed, or an output does not have a value for each row.
        """
        if self._answering is None:
            return output_batch(self._run(feed), rows)
        outputs = self._answering.outputs_of(feed)
        return self._answers.batch(outputs, None if self._novelty is None else self._novelty.new(feed))


def answered(answering: BatchAnswering, given: Any) -> Iterator[Any]:
    """See `Predictor.stream`. What cannot be batches is refused at once, and not only where the first is asked for."""
    return _answered(answering, _batches(given))


def _answered(answering: BatchAnswering, batches: Iterator[Any]) -> Iterator[Any]:
    before, known = 0, None
    for batch in batches:
        if batch.schema is not known:
            answering.reader.check_names(batch.schema.names)
            known = batch.schema
        read = answering.reader.read(batch)
        if read.bad:
            row, column, reason = read.bad[0]
            raise InvalidInput(f"row {before + row + 1}: {column}: {reason}")
        yield answering.answers(read.feed, batch.num_rows)
        before += batch.num_rows


@reading
def _batches(given: Any) -> Iterator[Any]:
    """The record batches of what is given."""
    if isinstance(given, pa.RecordBatch):
        return iter([given])
    if hasattr(given, "__arrow_c_stream__"):
        return iter(pa.RecordBatchReader.from_stream(given))
    if hasattr(given, "__arrow_c_array__"):
        return iter([pa.record_batch(given)])
    if hasattr(given, "collect"):
        raise InvalidInput("a lazy frame has not computed its rows yet; collect it first")
    if isinstance(given, str | bytes | dict) or not isinstance(given, Iterable):
        raise InvalidInput(f"record batches are expected, found {type(given).__name__}")
    return _each(iter(given))


def _each(given: Iterator[Any]) -> Iterator[Any]:
    for one in given:
        if isinstance(one, pa.RecordBatch):
            yield one
        elif (
            isinstance(one, Iterable)
            and not hasattr(one, "__arrow_c_stream__")
            and not hasattr(one, "__arrow_c_array__")
        ):
            raise InvalidInput(f"record batches are expected, found {type(one).__name__}")
        else:
            yield from _batches(one)
