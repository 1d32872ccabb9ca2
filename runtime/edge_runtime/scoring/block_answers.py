"""The answers to one block of a source: what workers do, on threads of this process or elsewhere."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from edge_runtime.arrow_answers import ArrowAnswers, output_batch
from edge_runtime.contract.errors import InvalidInput, NoSignature
from edge_runtime.contract.terminal import one_line, suggestion
from edge_runtime.contract.values import listed
from edge_runtime.intervals import Intervals
from edge_runtime.predictor import Predictor
from edge_runtime.scoring.options import Keep, Options
from edge_runtime.scoring.rejects import Rejected
from edge_runtime.scoring.summary import Tally
from edge_runtime.scoring.wide_inputs import reader_for
from edge_runtime.tables.arrow_arrays import spelled
from edge_runtime.tables.blocks import Block, Fault, Parsed

# The column of what is unlike the training data.
UNSEEN = "unseen"


@dataclass(frozen=True)
class Answered:
    """The answers to a block.

    Attributes:
        batch: the kept columns and the answers, a record batch with a row for each good row of the block.
        unseen: what is unlike the training data, by the row of `batch`; None unless it was asked for.
        rejected: the other rows, in their order.
        tally: the counts of all.
    """

    batch: Any
    unseen: Mapping[int, Mapping[str, str]] | None
    rejected: list[Rejected]
    tally: Tally


class BlockAnswers:
    """Answers blocks with one model. Several threads may use it at the same time.

    Attributes:
        kept: the names of the columns that stand before the answers.
        columns: those that the model needs.
        types: the types of Arrow in which a block gives the columns.
    """

    def __init__(
        self, predictor: Predictor, columns: Sequence[str], options: Options, may_vary: bool = False, decimal: str = "."
    ) -> None:
        """Answer with `predictor` blocks of a source with these columns.

        Args:
            predictor: the model.
            columns: those of the source.
            options: what is asked for.
            may_vary: whether rows may lack columns, as in JSON: those that may be missing need not be there then.
            decimal: the decimal mark of numbers in the source.

        Raises:
            InvalidInput: the source lacks a column of the model or one that is to be kept, or one that is to be kept
                has the name of an answer; or the model cannot be asked by columns.
            NoProbabilities, NoFeatures, NoIntervals, NoSignature: the options ask for what the model does not have.
        """
        self._predictor, self._options, self._decimal = predictor, options, decimal
        self._signature = predictor.signature
        self._answers = self._novelty = self._intervals = None
        if self._signature is not None:
            if options.interval is not None:
                self._intervals = Intervals(predictor.answering, options.interval)
            self._answers = ArrowAnswers(self._signature, options.top, has_interval=self._intervals is not None)
            if self._signature.has_features:
                self._novelty = predictor.answering.novelty
            elif options.flag_unseen:
                predictor.answering.row_reader  # noqa: B018 - it raises NoFeatures
        elif options.top is not None or options.flag_unseen or options.interval is not None:
            raise NoSignature("the model has no edge-predict signature, so the meaning of its outputs is unknown")
        self.kept = kept_columns(options.keep, columns)
        if self._answers is not None:
            self._refuse_kept([*self._answers.names, *([UNSEEN] if options.flag_unseen else [])])
        # What is unlike the training data is shown as strings.
        self._reader = reader_for(predictor, columns, self.kept, may_vary, decimal, may_code=not options.flag_unseen)
        self.columns = self._reader.names
        # Numbers that are never missing.
        self._present: list[str] = []
        if not may_vary and self._signature is not None:
            features = self._signature.features
            self._present = [one.name for one in features if one.kind == "numeric" and one.missing is None]
        self.types: dict[str, Any] = {**self._reader.types, **dict.fromkeys(self.kept, pa.string())}

    def parsed(self, block: Block) -> Answered:
        """The answers to a block."""
        found = block.parse(self.types, self._decimal)
        names = found.batch.schema.names
        if nulls := [name for name in self._present if name in names and found.batch.column(name).null_count]:
            # What of the strings that stand for missing values is not a number is for their own rules to say.
            found = block.parse({**self.types, **dict.fromkeys(nulls, pa.string())}, self._decimal)
        return self.of(block.name, found)

    def of(self, name: str, parsed: Parsed) -> Answered:
        """The answers to a block of the file `name` that has been parsed.

        Raises:
            InferenceFailed: the model failed.
            InvalidInput: a column cannot be kept, as its text is not UTF-8.
        """
        batch = parsed.batch
        read = self._reader.read(batch)
        kept = [_column(batch, name) for name in self.kept]
        if read.good is not None:
            good = pa.array(read.good)
            kept = [column.filter(good) for column in kept]
        for column_name, column in zip(self.kept, kept, strict=True):
            _check_text(column_name, column)
        rows = batch.num_rows - len(read.bad)
        tally = Tally(scored=rows, rejected=len(read.bad) + len(parsed.faults))
        answers, unseen = self._answered(read.feed, rows, tally)
        rejected = [_of_fault(fault) for fault in parsed.faults]
        for place, column, reason in read.bad:
            number = int(parsed.rows[place])
            line = None if parsed.line is None else parsed.line(place)
            rejected.append(Rejected(number, line, column, reason, parsed.record(place), name))
        rejected.sort(key=lambda one: one.row)
        whole = pa.RecordBatch.from_arrays([*kept, *answers.columns], names=[*self.kept, *answers.schema.names])
        return Answered(whole, unseen, rejected, tally)

    def of_no_rows(self, types: Mapping[str, Any] = MappingProxyType({})) -> Answered:
        """The answers to a source that has no rows, whose columns have these types, as far as it says so."""
        own = {**self.types, **{name: types[name] for name in self.kept if name in types}}
        batch = pa.RecordBatch.from_pydict({name: pa.array([], _plain_type(kind)) for name, kind in own.items()})
        return self.of("", Parsed(batch, np.empty(0, np.int64), [], str))

    def _answered(
        self, feed: dict[str, Any], rows: int, tally: Tally
    ) -> tuple[Any, Mapping[int, Mapping[str, str]] | None]:
        if self._answers is None or self._signature is None:
            batch = output_batch(self._run(feed, rows), rows)
            self._refuse_kept(batch.schema.names)
            return batch, None
        intervals = None
        if self._intervals is None:
            outputs = self._predictor.answering.outputs_of(feed)
        else:
            outputs, intervals = self._intervals.of(feed)
        tally.count_outputs(outputs, self._signature)
        unseen = None
        if self._novelty is not None:
            if self._options.flag_unseen:
                unseen = self._novelty.new(feed)
                tally.unseen = Counter(name for reasons in unseen.values() for name in reasons)
            else:
                tally.unseen = self._novelty.counts(feed)
        return self._answers.batch(outputs, intervals=intervals), unseen

    def _run(self, feed: dict[str, Any], rows: int) -> dict[str, Any]:
        """The outputs of a model without a signature."""
        if rows:
            return self._predictor.run(feed)
        # Not every operator takes a batch of no rows.
        tensors = [spec for spec in self._predictor.outputs if spec.dtype is not None]
        sizes = {spec.name: [size if isinstance(size, int) else 1 for size in spec.shape[1:]] for spec in tensors}
        return {spec.name: np.empty((0, *sizes[spec.name]), spec.dtype) for spec in tensors}

    def _refuse_kept(self, answers: Sequence[str]) -> None:
        if twice := [name for name in self.kept if name in answers]:
            raise InvalidInput(
                f"the column {twice[0]} cannot be kept beside the answer of that name; name the columns to keep "
                "without it, or rename it in the table"
            )


def kept_columns(keep: Keep, columns: Sequence[str]) -> list[str]:
    """The columns that are kept, in the order in which they are named.

    Raises:
        InvalidInput: the source has no such column, or several of its name.
    """
    known = Counter(columns)
    names = list(known) if keep == "all" else list(dict.fromkeys(keep))
    if absent := [name for name in names if name not in known]:
        raise InvalidInput(f"there is no column {listed(absent)} to keep{suggestion(absent[0], columns)}")
    if twice := [name for name in names if known[name] > 1]:
        raise InvalidInput(f"there is more than one column {listed(twice)} to keep; rename one of them")
    return names


def _column(batch: Any, name: str) -> Any:
    """A column of a batch, by its values; of JSON, objects may all lack it.

    Blocks have dictionaries of their own, also such with indices of other widths, and few formats hold several of them.
    """
    if name not in batch.schema.names:
        return pa.nulls(batch.num_rows, pa.string())
    column = batch.column(name)
    if pa.types.is_union(column.type):  # JSON with values of different types
        return spelled(column.to_pylist())
    try:
        while pa.types.is_run_end_encoded(column.type):
            column = pc.run_end_decode(column)
        kind = _plain_type(column.type)
        return column if kind == column.type else column.cast(kind)
    except pa.ArrowException as error:
        raise InvalidInput(f"the column {name} cannot be kept: {one_line(error)}") from error


def _check_text(name: str, column: Any) -> None:
    """Raise InvalidInput if text in a column is not UTF-8: that of a stream is as somebody else has made it."""
    if pa.types.is_primitive(column.type):
        return
    try:
        column.validate(full=True)
    except pa.ArrowException as error:
        raise InvalidInput(f"the column {name} cannot be kept: {one_line(error)}") from error


def _plain_type(kind: Any) -> Any:
    """The type of the values of a column of dictionaries, also within lists and structures."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        values = kind.value_field.with_type(_plain_type(kind.value_type))
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(values, kind.list_size)
        return pa.large_list(values) if pa.types.is_large_list(kind) else pa.list_(values)
    if pa.types.is_map(kind):
        items = kind.item_field.with_type(_plain_type(kind.item_type))
        return pa.map_(kind.key_field.with_type(_plain_type(kind.key_type)), items, kind.keys_sorted)
    return kind


def _of_fault(fault: Fault) -> Rejected:
    return Rejected(fault.row, fault.line, "", fault.reason, fault.record, fault.name)
