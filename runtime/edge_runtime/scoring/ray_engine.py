"""Blocks worked on by Ray: on all processors, or GPUs, of a cluster.

Each file of the source is read by one task, which cuts it into blocks; workers, each with the model opened, take them
as they come; and what they make of them comes here in the order of the rows. Ray starts anew what dies, a worker, a
node or a task: blocks are cut the same way again, and each is worked on until it is done.
https://docs.ray.io/en/latest/data/data-internals.html
"""

import functools
import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from edge_runtime.contract.errors import EdgePredictError, InferenceFailed, InvalidInput
from edge_runtime.contract.terminal import one_line, shortened
from edge_runtime.predictor import Predictor
from edge_runtime.reloadable import opener
from edge_runtime.scoring.sources import Opened
from edge_runtime.scoring.work import Done, Work
from edge_runtime.tables.blocks import Block, Place

# Of a processor: workers leave some of each to the tasks that read.
_OF_WORKER, _OF_READER = 0.9, 0.1

# So often a block is begun again whose worker died: more often, and it is the block's fault.
_TRIES = 4

# So long the head of a cluster may take to answer.
_SECONDS = 10

# Ray passes on what is read and made from so many bytes on.
_PASSED_ON = 1 << 20

# Of Parquet, so many rows at least are read by one task.
_ROWS = 1 << 19


class RayEngine:
    """Workers of a Ray cluster."""

    def __init__(self, address: str | None, workers: int | None, device: str) -> None:
        """Take them.

        Args:
            address: of the cluster, such as "auto" or "head:6379"; None for the one that this process is
                connected to or RAY_ADDRESS names, or for one of its own on this machine.
            workers: how many; None for as many as the cluster has processors, or GPUs with device="cuda".
            device: as `Predictor` takes it.
        """
        self._address, self._workers, self._device = address, workers, device

    def done(self, work: Work, source: Opened, start: Place | None) -> Iterator[Done]:
        """See `Engine`.

        Raises:
            InvalidInput: the source is not files.
            InferenceFailed: Ray cannot be reached or gave up.
        """
        if not source.files or source.is_live:
            raise InvalidInput(f"{source.name} is not a file that all nodes see; answer it without --engine ray")
        is_own = not ray.is_initialized()
        try:
            with _quiet():
                self._connect()
                yield from self._each(work, source, start)
        except (ray.exceptions.RayError, ConnectionError) as error:
            # The last line says what, those before it where.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise InferenceFailed(f"Ray: {shortened(one_line(reason))}") from error
        finally:
            if is_own:
                ray.shutdown()

    def _connect(self) -> None:
        if not ray.is_initialized():
            _check_address(self._address)
            # It would report to its makers.
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)

    def _each(self, work: Work, source: Opened, start: Place | None) -> Iterator[Done]:
        on_gpu = self._device.startswith("cuda")
        count = self._workers or max(int(ray.cluster_resources().get("GPU" if on_gpu else "CPU", 1)), 1)
        open_there = opener(work.predictor, self._device, 1)
        if not (parts := _parts(source.files, start)):
            return
        chunks = _Chunks(source, parts, work.columns)
        context = DataContext.get_current().copy()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.target_max_block_size, context.target_min_block_size = _PASSED_ON, 1
        with DataContext.current(context):
            read = ray.data.read_datasource(chunks, num_cpus=_OF_READER, override_num_blocks=max(len(parts), 1))
            # The last option has no name of its own yet, and Ray warns of that.
            made = read.map_batches(
                _Worker,
                fn_constructor_args=(open_there, work.arguments),
                batch_size=1,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=count),
                num_cpus=_OF_WORKER,
                num_gpus=1 if on_gpu else 0,
                max_task_retries=_TRIES,
            )
            batches = made.iter_batches(batch_size=None, batch_format="pyarrow")
            yield from _in_order(batches, source, parts, start)


def _check_address(address: str | None) -> None:
    """Raise ConnectionError if nothing answers there: Ray itself would ask again for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
        except OSError as error:
            raise ConnectionError(f"there is no cluster at {address}: {error.strerror or error}") from error


@dataclass(frozen=True)
class _Part:
    """What one task reads.

    Attributes:
        file: which of the source's files it is in.
        start: where it begins, if that is not the beginning of the file; its rows are counted from 1.
        stop: the position at which it ends, if that is not the end of the file.
    """

    file: int
    start: Place | None = None
    stop: int | None = None


def _parts(files: Sequence[str], start: Place | None) -> list[_Part]:
    """What tasks read: whole files, and of Parquet some groups of rows each."""
    parts = []
    for number, file in enumerate(files):
        first = 0 if start is None else start.file
        if number < first:
            continue
        begin = None
        if start is not None and number == first:
            begin = Place(0, start.position, 1, start.line)
        with Path(file).open("rb") as opened:
            is_parquet = opened.read(4) == b"PAR1"
        parts += _groups(file, number, begin) if is_parquet else [_Part(number, begin)]
    return parts


def _groups(file: str, number: int, begin: Place | None) -> list[_Part]:
    metadata = pq.read_metadata(file)
    parts, position, row = [], 0 if begin is None else begin.position, 0
    for group in range(metadata.num_row_groups):
        row += metadata.row_group(group).num_rows
        if row - position >= _ROWS or (row > position and group + 1 == metadata.num_row_groups):
            parts.append(_Part(number, Place(0, position), row))
            position = row
    return parts


class _Chunks(Datasource):  # type: ignore[misc]
    """The blocks of files, pickled: a task for each part, which gives them as it reads."""

    def __init__(self, source: Opened, parts: Sequence[_Part], columns: list[str]) -> None:
        self._tasks = []
        for number, part in enumerate(parts):
            # Nodes have other working directories.
            path = Path(source.files[part.file]).absolute()
            self._tasks.append((functools.partial(_read, source.again, path, number, part, columns), str(path)))

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        return [
            ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=[path], exec_stats=None))
            for read, path in self._tasks
        ]


def _read(
    again: Callable[[Sequence[Path]], Opened], path: Path, number: int, part: _Part, columns: list[str]
) -> Iterator[pa.Table]:
    """The blocks of a part, and the error at the end, if it cannot be read."""
    try:
        for block in again([path]).blocks(part.start, columns):
            yield _table(number, block)
            if part.stop is not None and block.end.position >= part.stop:
                break
    except EdgePredictError as error:
        yield _table(number, error)


class _Worker:
    """A worker with the model opened."""

    def __init__(self, open_there: Callable[[], Predictor], arguments: tuple[Any, ...]) -> None:
        self._work = Work(open_there(), *arguments)

    def __call__(self, batch: pa.Table) -> pa.Table:
        made = []
        for number, pickled in zip(*batch.to_pydict().values(), strict=True):
            block: Any = pickle.loads(pickled)
            try:
                made.append(_table(number, block if isinstance(block, EdgePredictError) else self._done(block)))
            except EdgePredictError as error:
                made.append(_table(number, error))
        return pa.concat_tables(made)

    def _done(self, block: Block) -> Done:
        done = self._work(block)
        # Parts of buffers are not pickled.
        return replace(done, piece=bytes(done.piece)) if done.schema is None else done


def _table(number: int, content: Any) -> pa.Table:
    """One row: the number of the file, and what is passed on."""
    pickled = pa.array([pickle.dumps(content, protocol=5)], pa.large_binary())
    return pa.table({"file": pa.array([number], pa.int64()), "content": pickled})


def _in_order(
    batches: Iterator[pa.Table], source: Opened, parts: Sequence[_Part], start: Place | None
) -> Iterator[Done]:
    """What was made, with places in the whole source instead of places in a part."""
    sizes = [Path(file).stat().st_size for file in source.files]
    part, before = 0, 0 if start is None else start.row - 1
    rows = before
    for batch in batches:
        for number, pickled in zip(*batch.to_pydict().values(), strict=True):
            made: Any = pickle.loads(pickled)
            if number != part:
                part, before = number, rows
            file = parts[part].file
            if isinstance(made, EdgePredictError):
                raise made
            rows = made.end.row - 1 + before
            yield replace(
                made,
                end=replace(made.end, file=file, row=rows + 1),
                read=made.read + sum(sizes[:file]),
                rejected=[replace(one, row=one.row + before, name=source.files[file]) for one in made.rejected],
            )


class _quiet:  # noqa: N801 - as in contextlib
    """Ray tells of each step in its log; errors come as exceptions."""

    def __enter__(self) -> None:
        self._loggers = [logging.getLogger(name) for name in ("ray", "ray.data")]
        self._levels = [logger.level for logger in self._loggers]
        for logger in self._loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self._loggers, self._levels, strict=True):
            logger.setLevel(level)
