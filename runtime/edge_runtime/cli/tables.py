"""Tables at the shell: `edge-predict MODEL --input SOURCE`, answered by `edge_runtime.scoring`."""

import csv
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.cli.answers import Asked
from edge_runtime.contract import shell
from edge_runtime.contract.errors import EdgePredictError, InvalidInput
from edge_runtime.contract.progress import Progress
from edge_runtime.contract.terminal import counted, printable
from edge_runtime.contract.values import listed
from edge_runtime.scoring.features import features_of
from edge_runtime.scoring.formats import Format, check_rejects, format_of
from edge_runtime.scoring.options import Keep, Options

if TYPE_CHECKING:
    from edge_runtime.contract.limits import Limits
    from edge_runtime.predictor import Predictor
    from edge_runtime.scoring.job import Job
    from edge_runtime.scoring.rejects import Rejected
    from edge_runtime.scoring.sources import Opened

# So many rows that cannot be answered are shown; how many there are is said in the end.
_SHOWN = 5


@dataclass(frozen=True)
class Bulk:
    """The options of tables, as they are given.

    Attributes:
        output: where the answers are written; stdout if None.
        keep: the names of columns, with commas between them, or all.
        rejects, summary: further files.
        strict, resume, delimiter, decimal, encoding, engine, address: as `edge_runtime.score` takes them.
        workers: how many, of a cluster.
    """

    output: Path | None = None
    keep: str | None = None
    rejects: Path | None = None
    strict: bool = False
    resume: bool = False
    summary: Path | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    engine: str | None = None
    address: str | None = None
    workers: int | None = None

    @property
    def given(self) -> str | None:
        """The first of the options that is given, besides --output."""
        return next((f"--{name}" for name, value in vars(self).items() if name != "output" and value), None)

    def check(self, asked: Asked) -> None:
        """Refuse what is wrong by itself.

        Raises:
            UsageError: the options do not go together.
        """
        if self.output is None and self.resume:
            raise shell.UsageError("--resume goes on with the file of --output")
        if self.engine not in (None, "ray"):
            raise shell.UsageError(f"--engine is ray, found {self.engine!r}")
        if self.engine is None and (self.address is not None or self.workers is not None):
            raise shell.UsageError("--address and --workers are those of a cluster, with --engine ray")
        if self.strict and self.rejects is not None:
            raise shell.UsageError("--strict stops at the first row that --rejects would keep; give one of them")
        if self.rejects is not None:
            try:
                check_rejects(str(self.rejects))
            except InvalidInput as error:
                raise shell.UsageError(f"--rejects {error}") from error
        if self.output is not None:
            if asked.output_format != "text":
                raise shell.UsageError("--format is for stdout; the name of --output says how it is written")
            self._format(asked)
        if self.keep is not None:
            self._keep()

    def _format(self, asked: Asked) -> Format:
        if self.output is None:
            return Format(asked.output_format)
        try:
            return format_of(str(self.output))
        except InvalidInput as error:
            raise shell.UsageError(f"--output {error}") from error

    def _keep(self) -> Keep:
        if self.keep is None:
            return ()
        if self.keep == "all":
            return "all"
        (names,) = csv.reader([self.keep])
        if not names or not all(names):
            raise shell.UsageError("--keep takes the names of columns with commas between them, or all")
        return tuple(names)


def answer_table(
    predictor: "Predictor", input_file: str, bulk: Bulk, asked: Asked, limits: "Limits", device: str = "auto"
) -> int:
    """Answer a table, and return the exit code: 1 if there are rows that were not answered, and no file for them.

    Args:
        predictor: the model.
        input_file: the source.
        bulk: the options.
        asked: how answers are wanted.
        limits: how much the files may take.
        device: on which the workers of a cluster open the model.
    """
    import pyarrow as pa

    from edge_runtime.scoring.engines import engine_of
    from edge_runtime.scoring.job import Job
    from edge_runtime.scoring.sources import open_source
    from edge_runtime.scoring.targets import targets

    if sys.platform == "linux":
        # Memory that blocks have taken goes back to the system, and is not kept for more of them.
        pa.set_memory_pool(pa.system_memory_pool())
    _, engine = engine_of(bulk.engine, bulk.address, device, bulk.workers)
    options = Options(
        bulk._keep(),
        bulk.strict,
        asked.top,
        asked.flag_unseen,
        bulk.delimiter,
        bulk.decimal,
        bulk.encoding,
        asked.interval,
    )
    source = open_source(input_file, options, limits, features_of(predictor), shell.note)
    tell_ignored(source, predictor, options)
    files, stream = targets(predictor, source, bulk.output or _Stdout(), bulk.rejects, bulk.summary, bulk.resume)
    is_shown = bulk.output is None and sys.stdout.isatty()
    # Answers on the terminal show the progress themselves.
    total = 0 if is_shown else source.size or 0
    with Progress(f"answering {printable(source.name)}", total) as progress:
        watcher = _Watcher(progress, source, has_file=bulk.rejects is not None)
        job = Job(
            predictor,
            source,
            bulk._format(asked),
            options,
            engine=engine,
            watcher=watcher,
            is_shown=is_shown,
        )
        try:
            summary = job.run(files, stream, bulk.resume)
        except (KeyboardInterrupt, EdgePredictError) as error:
            _tell_what_is_kept(job, bulk, progress, error)
            raise
    if bulk.output is not None and sys.stderr is not None:
        sys.stderr.write(summary.to_text())
    return watcher.tell_rejected(summary.rejected, summary.rows)


def tell_ignored(source: "Opened", predictor: "Predictor", options: Options) -> None:
    """Say which columns of the source are neither read nor kept."""
    features = {feature.name for feature in features_of(predictor)}
    kept = source.names if options.keep == "all" else options.keep
    if features and (ignored := [name for name in source.names if name not in features and name not in kept]):
        shell.note(f"{source.name}: ignored columns: {listed(ignored)}")


class _Stdout:
    """Standard output as a file for bytes; a terminal, and an encoding other than UTF-8, get characters."""

    def __init__(self) -> None:
        stream = sys.stdout
        self._binary = getattr(stream, "buffer", None)
        if stream.isatty() or (getattr(stream, "encoding", None) or "").lower().replace("-", "") != "utf8":
            self._binary = None

    def write(self, content: Any) -> int:
        if self._binary is None:
            sys.stdout.write(bytes(content).decode())
        else:
            self._binary.write(content)
        return len(content)

    def flush(self) -> None:
        sys.stdout.flush()


class _Watcher:
    """Shows how far it is, and the first rows that are not answered."""

    def __init__(self, progress: Progress, source: "Opened", has_file: bool) -> None:
        self._progress, self._has_file, self._is_live = progress, has_file, source.is_live
        self._first: list[str] = []
        self._begun, self._before = time.monotonic(), 0

    def rejected(self, row: "Rejected") -> None:
        """Show it, if it is one of the first; see `scoring.job.Watcher`."""
        if self._has_file or len(self._first) == _SHOWN:
            return
        self._first.append(str(row))
        if self._is_live:
            self._note(str(row))

    def advanced(self, rows: int, read: int) -> None:
        """See `scoring.job.Watcher`."""
        progress = self._progress
        if not progress.total:
            return
        seconds = max(time.monotonic() - self._begun, 1e-9)
        rate = (read - self._before) / seconds
        left = int((progress.total - read) / rate) if rate > 0 else 0
        progress.more = f"{rows:,} rows ({rows / seconds:,.0f}/s)  {left // 60}:{left % 60:02} left"
        progress.advance(read - progress.done)

    def tell_rejected(self, rejected: int, rows: int) -> int:
        """Say how many rows were not answered, and return the exit code."""
        if self._has_file or not rejected:
            return 0
        if rejected == 1 and not self._is_live and self._first:
            raise InvalidInput(self._first[0])
        for line in [] if self._is_live else self._first:
            shell.note(line)
        raise InvalidInput(
            f"{counted(rejected, 'row')} of {rows:,} {'was' if rejected == 1 else 'were'} not answered; "
            "--rejects FILE keeps them"
        )

    def _note(self, line: str) -> None:
        with self._progress.above():
            shell.note(line)


def _tell_what_is_kept(job: "Job", bulk: Bulk, progress: Progress, error: BaseException) -> None:
    if not job.is_kept:
        return
    advice = f"what is done for {bulk.output} is kept; the same command with --resume goes on"
    if isinstance(error, EdgePredictError):
        raise type(error)(f"{error}; {advice}") from error
    with progress.above():
        shell.note(advice)
