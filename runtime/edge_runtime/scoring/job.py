"""A run: a source is read, answered and written, in order, in bounded memory, and so that it can be resumed."""

import base64
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from edge_runtime.contract.errors import CannotWrite, InvalidInput
from edge_runtime.contract.version import __version__
from edge_runtime.predictor import Predictor
from edge_runtime.scoring.formats import Format
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.rejects import HEADER, Rejected, rejects_lines
from edge_runtime.scoring.sinks import Sink, State, opened_sink
from edge_runtime.scoring.sources import Opened, stamps
from edge_runtime.scoring.summary import Summary, Tally
from edge_runtime.scoring.target_files import TargetFiles
from edge_runtime.scoring.work import Done, Engine, Work
from edge_runtime.tables.blocks import Place

# Seconds between two commits: the work that is lost at most when a run is killed. One takes as long as the disk needs
# for what was written since the last one.
_BETWEEN_COMMITS = 10.0


@dataclass(frozen=True)
class Stream:
    """Where answers go as they come.

    Attributes:
        write: takes bytes.
        flush: is called where whoever reads them should have all.
    """

    write: Callable[[Any], object]
    flush: Callable[[], object]


class Watcher(Protocol):
    """Is told what happens in a run, in the order of the rows."""

    def rejected(self, row: Rejected) -> None:
        """A row cannot be answered."""

    def advanced(self, rows: int, read: int) -> None:
        """So many rows of the source are done, and so many bytes of its files are read."""


class Silent:
    """A watcher that says nothing."""

    def rejected(self, row: Rejected) -> None:
        """See `Watcher`."""

    def advanced(self, rows: int, read: int) -> None:
        """See `Watcher`."""


class _Writing:
    """What is made of blocks, written in order, so that another run can go on after it.

    Attributes:
        tally: what is done so far.
        is_kept: after an error, whether another run can go on.
    """

    def __init__(
        self, predictor: Predictor, source: Opened, output: Format, options: Options, watcher: Watcher, is_shown: bool
    ) -> None:
        self._predictor, self._source, self._output, self._options = predictor, source, output, options
        self._watcher = watcher
        try:
            names, decimal, may_vary = source.names, source.decimal, source.may_vary
            self._work = Work(predictor, names, decimal, output, options, is_shown, may_vary)
        except InvalidInput as error:
            raise InvalidInput(f"{source.name}: {error}") from error
        self._answers, self._pieces = self._work.answers, self._work.pieces
        self.tally, self.is_kept = Tally(), False
        self._place: Place | None = None
        self._schema: Any = None
        self._sink: Sink | None = None
        self._header_written = False
        self._rejects_size = 0
        self._path: Path | None = None
        self._target: Callable[[Any], object] = lambda content: None

    def _write(self, done: Done, files: TargetFiles) -> None:
        """Write what was made of a block."""
        for row in done.rejected:
            if self._options.strict:
                raise InvalidInput(str(row))
            self._watcher.rejected(row)
        if self._sink is None:
            self._sink = self._opened(done.schema)
        if not self._header_written:
            if self._output.is_text:
                self._sink.write(done.header)
            self._header_written = True
        self._sink.write(done.piece if done.schema is None else self._same_columns(done.piece))
        if files.rejects is not None and (lines := rejects_lines(done.rejected)):
            files.rejects.write(lines)
            self._rejects_size += len(lines)
        self.tally.add(done.tally)
        self._place = done.end
        self._watcher.advanced(done.end.row - 1, done.read)

    def _same_columns(self, batch: Any) -> Any:
        """A batch with the types of the first one: those of JSON may differ from block to block."""
        if batch.schema.equals(self._schema):
            return batch
        try:
            return batch.cast(self._schema)
        except (pa.ArrowException, ValueError) as error:
            kinds = zip(self._schema, batch.schema, strict=True)
            name = next((one.name for one, other in kinds if one.type != other.type), "?")
            raise InvalidInput(
                f"the column {name} has values of several types, which {self._output.kind} does not hold; write CSV or "
                "JSON Lines"
            ) from error

    def _end(self) -> None:
        """Finish the output, also of a source without rows."""
        if self._sink is None:
            if self._path is None and self._output.is_text:
                raise InvalidInput(f"{self._source.name} has no rows")
            empty = self._answers.of_no_rows(self._source.types)
            self._sink = self._opened(None if self._output.is_text else self._pieces.of(empty).schema)
            if self._output.is_text:
                self._sink.write(self._pieces.header(empty))
        self._sink.finish()

    def _opened(self, schema: Any, start: State | None = None) -> Sink:
        self._schema = schema
        return opened_sink(self._output, schema, self._target, start, self._path)

    def _fingerprint(self, files: TargetFiles) -> dict[str, Any]:
        """What the answers depend on."""
        options = asdict(self._options)
        options["keep"] = options["keep"] if options["keep"] == "all" else list(options["keep"])
        return {
            "version": __version__,
            "model": [self._predictor._source.sha256, self._predictor.provider],
            "source": stamps(self._source),
            "options": [options, asdict(self._output), files.rejects is not None],
        }

    def _commit(self, files: TargetFiles) -> None:
        """Let another run go on after this."""
        assert self._sink is not None
        assert self._place is not None
        schema = None if self._schema is None else base64.b64encode(self._schema.serialize().to_pybytes()).decode()
        progress = {"place": asdict(self._place), "tally": self.tally.to_dict(), "schema": schema}
        files.commit(self._sink.commit(), self._rejects_size, progress)

    def _go_on(self, found: dict[str, Any]) -> None:
        """Go on after what a run has done that was ended."""
        try:
            self.tally = Tally.from_dict(found["tally"])
            self._place = Place(**found["place"])
            self._rejects_size = int(found["rejects"])
            text = found["schema"]
            schema = None if text is None else pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
        except (TypeError, ValueError, LookupError, pa.ArrowException) as error:
            raise CannotWrite("the journal is damaged; run without --resume to begin again") from error
        self._sink, self._header_written = self._opened(schema, found["target"]), True


class Job(_Writing):
    """One run.

    Attributes:
        tally: what is done so far.
        is_kept: after an error, whether another run can go on.
    """

    def __init__(
        self,
        predictor: Predictor,
        source: Opened,
        output: Format,
        options: Options,
        *,
        engine: Engine,
        watcher: Watcher | None = None,
        is_shown: bool = False,
    ) -> None:
        """Prepare a run. Nothing is written yet.

        Args:
            predictor: what answers.
            source: what is scored.
            output: how answers are written.
            options: what is asked for.
            engine: has the blocks worked on.
            watcher: is told what happens.
            is_shown: whether the answers go to a terminal.

        Raises:
            InvalidInput: the source does not have the columns of the model, or those that are to be kept.
            NoProbabilities, NoFeatures, NoSignature: the options ask for what the model does not have.
        """
        super().__init__(predictor, source, output, options, watcher or Silent(), is_shown)
        self._engine = engine

    def run(self, files: TargetFiles, stream: Stream | None = None, resume: bool = False) -> Summary:
        """Score all of the source.

        Args:
            files: what is written: it appears whole or not at all.
            stream: where the answers go as they come, if `files` has no target.
            resume: whether to go on after what a run has done that was ended.

        Raises:
            InvalidInput: the source cannot be read; with `Options.strict`, a row cannot be.
            InferenceFailed: the model failed.
            CannotWrite: a file cannot be written, or the run that was ended had another model, source or options.
            OSError: what writing to `stream` raises.
        """
        with files:
            self._begin(files, stream, resume)
            committed = time.monotonic()
            try:
                for done in self._engine.done(self._work, self._source, self._place):
                    self._write(done, files)
                    if stream is not None:
                        stream.flush()
                    elif time.monotonic() - committed >= _BETWEEN_COMMITS:
                        self._commit(files)
                        committed = time.monotonic()
                self._end()
            except BaseException as error:
                if self._sink is not None:
                    self._sink.abort()
                # Another run would end at the same row.
                files.is_kept = self.is_kept = files.is_kept and not isinstance(error, InvalidInput)
                raise
            if stream is not None:
                stream.flush()
            found = self.tally.summary(self._predictor.signature, self._answers.columns)
            files.finish(found.to_json().encode())
            return found

    def _begin(self, files: TargetFiles, stream: Stream | None, resume: bool) -> None:
        """Open the files, and go on where an earlier run was ended."""
        files.begin(self._fingerprint(files), resume)
        self._target = stream.write if stream is not None else files.write
        self._path = None if stream is not None else files.path
        if files.found is not None:
            self._go_on(files.found)
        elif files.rejects is not None:
            files.rejects.write(HEADER)
            self._rejects_size = len(HEADER)
