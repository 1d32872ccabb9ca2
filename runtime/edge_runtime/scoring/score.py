"""`score`: a whole table answered, from a file into a file."""

import os
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.extras import require
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.terminal import suggestion
from edge_runtime.scoring.features import features_of
from edge_runtime.scoring.formats import Format, check_rejects, format_of
from edge_runtime.scoring.options import Keep, Options
from edge_runtime.scoring.summary import Summary

_FORMATS: Mapping[str, Format] = {
    "csv": Format("csv"),
    "json": Format("json"),
    "parquet": Format("parquet"),
    "feather": Format("feather", compression="lz4"),
}

Path_: TypeAlias = str | os.PathLike[str]


def score(
    model: Any,
    source: Any,
    target: Path_ | BinaryIO,
    *,
    keep: Keep = (),
    rejects: Path_ | None = None,
    strict: bool = False,
    resume: bool = False,
    summary: Path_ | None = None,
    output_format: str | None = None,
    top: int | None = None,
    flag_unseen: bool = False,
    delimiter: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    interval: float | None = None,
    device: str = "auto",
    threads: int | None = None,
    engine: str | None = None,
    address: str | None = None,
    limits: Limits | None = None,
) -> Summary:
    """Answer a whole table, of any size in bounded memory, and write the answers in the order of its rows.

    Columns are found by name: the features', or if the model has no named features the names of its inputs. The answers
    have the columns `label`, `probability` and `probability_<label>` for each label, or `value`; or the outputs' names.
    A target that is a path appears whole or not at all.

    Args:
        model: a path, or a `Predictor`.
        source: the path of a file (CSV, TSV, JSON Lines, Parquet, Feather, Arrow; also packed by gzip or zstd), a
            pattern such as "logs/*.parquet", a folder, a list of paths, or "-" for stdin; or a stream of Arrow: what
            has `__arrow_c_stream__`, such as tables and readers of pyarrow, frames of polars and pandas, and results of
            duckdb.
        target: the path of a file that ends in .csv, .tsv, .jsonl, .ndjson, .parquet, .feather or .arrow, those of text
            also with .gz or .zst; or a binary file that is open for writing, which is not closed.
        keep: the columns of the source that stand before each answer, as they are in it; "all" for all.
        rejects: a file (.csv) for the rows that cannot be answered, and why. Without it they are counted only.
        strict: whether such a row raises an error instead.
        resume: whether to go on after what a run with the same arguments has done that was killed.
        summary: a JSON file for what is returned.
        output_format: "csv", "json" (JSON Lines), "parquet" or "feather", if the target's name does not say it.
        top: the most probable labels, so many, in place of the probabilities of all.
        flag_unseen: whether to add a column `unseen` of what is unlike the training data.
        delimiter: the character between the cells of CSV; by default it is found.
        decimal: the decimal mark of its numbers, "." or ","; by default it is found.
        encoding: of text; by default UTF-8, or what a byte order mark says.
        interval: the coverage with which to add `lower` and `upper` around each value, or a `set` of labels.
        device: as `Predictor` takes it, if `model` is a path.
        threads: how many of them, or workers of a cluster, answer blocks of rows; by default one for each processor.
        engine: "ray" for a Ray cluster in place of threads of this process; see docs/scale.md.
        address: of the cluster.
        limits: how much the model and the files may take.

    Returns:
        What was done: counts of rows, labels and probabilities. `scored` and `rejected` are together `rows`.

    Raises:
        InvalidInput: the source cannot be read, lacks a column, or with `strict` has a row that cannot be answered; or
            an argument is not what is taken here.
        CannotWrite: a file cannot be written, or the run that is resumed had another model, source or arguments.
        ExtraNotInstalled: pyarrow or ray is missing; pip install 'edge-predict[tables]', or [ray].
        InferenceFailed, ModelNotFound, InvalidModel, NoIntervals: and what else `Predictor` raises.
    """
    require("pyarrow", "tables", "score")
    from edge_runtime.predictor import Predictor
    from edge_runtime.scoring.engines import engine_of
    from edge_runtime.scoring.job import Job
    from edge_runtime.scoring.sources import open_source
    from edge_runtime.scoring.targets import targets

    kept, shown = _checked_keep(keep), _checked_top(top)
    options = Options(kept, strict, shown, flag_unseen, delimiter, decimal, encoding, interval)
    limits = Limits.checked(limits)
    path = Path(os.fspath(target)) if isinstance(target, str | os.PathLike) else None
    output = _output_format(path, output_format)
    rejects, summary = _path_of("rejects", rejects, check_rejects), _path_of("summary", summary)
    here, workers = engine_of(engine, address, device, threads)
    predictor = model if isinstance(model, Predictor) else Predictor(model, here, threads=1, limits=limits)
    opened = open_source(source, options, limits, features_of(predictor))
    files, stream = targets(predictor, opened, path if path is not None else target, rejects, summary, resume)
    return Job(predictor, opened, output, options, engine=workers).run(files, stream, resume)


def _checked_keep(keep: Any) -> Keep:
    if keep == "all":
        return "all"
    if isinstance(keep, str) or not isinstance(keep, Sequence) or not all(isinstance(name, str) for name in keep):
        raise InvalidInput(f'keep is a list of names of columns, or "all", found {keep!r}')
    return tuple(keep)


def _checked_top(top: Any) -> int | None:
    if top is None:
        return None
    if isinstance(top, bool) or not isinstance(top, Integral) or top < 1:
        raise InvalidInput(f"top is a number from 1 on, found {top!r}")
    return int(top)


def _path_of(argument: str, value: Any, check: Callable[[str], None] = lambda name: None) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise InvalidInput(f"{argument} is the path of a file, found {value!r}")
    check(os.fspath(value))
    return Path(value)


def _output_format(path: Path | None, name: str | None) -> Format:
    if name is not None:
        if name not in _FORMATS:
            raise InvalidInput(f"output_format is {', '.join(_FORMATS)}, found {name!r}{suggestion(name, _FORMATS)}")
        return _FORMATS[name]
    if path is None:
        raise InvalidInput("the format of a target that is not a path is not known; name it by output_format")
    return format_of(str(path))
