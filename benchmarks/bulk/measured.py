"""Whole commands beside each other: our scoring, and what `peers` does instead."""

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

import edge_runtime
from benchmarks.bulk import made
from benchmarks.models import EXAMPLE
from benchmarks.timing import Quartiles, ratio, summary

OURS = "edge-predict"
# Of scoring alone and copying alone; no command that does both is faster than the slower.
SLOWER, FASTER = "the slower", "the faster"
_ALONE = "scoring-alone"
_HERE = Path(__file__).parent
_MIB = 2**20
# How many times as large the large file of the comparison of memory is, and one of memory's and Ray's rows.
_TIMES, _MANY_ROWS = 50, 50_000_000
_TRAINING_ROWS = 10_000_000


@dataclass(frozen=True)
class Bench:
    """How to measure.

    Attributes:
        folder: where tables and answers are, on a disk.
        rounds: how often each command runs.
        scale: a fraction of all numbers of rows.
    """

    folder: Path
    rounds: int
    scale: float

    def rows(self, count: int) -> int:
        """`count` rows at this scale."""
        return max(1000, round(count * self.scale))


@dataclass(frozen=True)
class Measured:
    """What one part gave.

    Attributes:
        title: what was done.
        rows: how many were.
        seconds: of each command, or of a peer that counts them itself.
        memory: the peak of each command, in bytes.
        ratios: by what they are over.
    """

    title: str
    rows: int
    seconds: Mapping[str, Quartiles]
    memory: Mapping[str, Quartiles]
    ratios: Mapping[str, Quartiles] = field(default_factory=dict)


class Skipped(Exception):
    """A part cannot be measured here; its text says why."""


def launched(
    commands: Mapping[str, list[str]], rounds: int, read: made.Task, says: tuple[str, ...] = (), once: bool = False
) -> dict[str, list[tuple[float, int]]]:
    """Wall seconds and peak bytes of each command, in interleaved rounds."""
    columns = json.dumps({"read": read.read, "written": read.written})
    task = {"commands": commands, "rounds": rounds, "seconds": float("inf"), "says": says, "once": once}
    launcher = [sys.executable, "-S", "-E", str(_HERE.parent / "launch.py")]
    environment = {**os.environ, "COLUMNS": columns}
    answer = subprocess.run(
        launcher, input=json.dumps(task), stdout=subprocess.PIPE, text=True, check=True, env=environment
    )
    return {name: [(took, peak) for took, peak in runs] for name, runs in json.loads(answer.stdout).items()}


def csv(bench: Bench) -> Measured:
    """A CSV of two numbers to a CSV of answers; also beside the loop of pandas."""
    task, rows = made.dense(EXAMPLE, 2), bench.rows(5_000_000)
    source = made.write_csv(bench.folder / "two.csv", made.numbers(2, made.piece_of(rows)), rows)
    return _beside(
        bench, "2 columns, CSV", task, source, ".csv", rows, ("copy-csv-whole", "copy-csv-streamed", "pandas")
    )


def parquet(bench: Bench) -> Measured:
    """The same in Parquet."""
    return _parquet(bench, "2 columns, Parquet", made.dense(EXAMPLE, 2), made.numbers(2, _piece(bench)))


def text(bench: Bench) -> Measured:
    """Four columns of text and six of numbers, in Parquet."""
    return _parquet(bench, "4 text and 6 numeric columns", made.mixed(bench.folder), made.mixed_rows(_piece(bench)))


def wide(bench: Bench) -> Measured:
    """Thirty columns through 30-64-64-3, in Parquet; also beside ONNX Runtime alone."""
    task = made.dense("30-64-64-3", 30)
    found = _parquet(bench, "30 columns, 30-64-64-3", task, made.numbers(30, _piece(bench)), (_ALONE,))
    alone = found.ratios[_ALONE]
    copying = max((value for way, value in found.ratios.items() if way != _ALONE), key=lambda value: value["median"])
    slower, faster = sorted([alone, copying], key=lambda value: value["median"])
    return replace(found, ratios={**found.ratios, SLOWER: slower, FASTER: faster})


def memory(bench: Bench) -> Measured:
    """The peak memory for files of which one is 50 times as large as the other; the ratios are of bytes."""
    task, rows = made.dense(EXAMPLE, 2), bench.rows(_MANY_ROWS)
    piece = made.numbers(2, made.piece_of(rows // _TIMES))
    commands = {}
    for ending, write in ((".csv", made.write_csv), (".parquet", made.write_parquet)):
        for size, count in (("small", rows // _TIMES), ("large", rows)):
            source = write(bench.folder / f"{size}{ending}", piece, count)
            commands[f"{size}{ending}"] = _ours(task, source, bench.folder / f"scores{ending}")
    found = _measured("2 columns, small and large", rows, launched(commands, 1, task, once=True))
    ratios = {
        ending: ratio([found.memory[f"large{ending}"]["median"]], [found.memory[f"small{ending}"]["median"]])
        for ending in (".csv", ".parquet")
    }
    return Measured(found.title, rows, found.seconds, found.memory, ratios)


def ray(bench: Bench) -> Measured:
    """A folder of Parquet files by two workers of Ray and by one; the ratio is of rows a second."""
    if importlib.util.find_spec("ray") is None:
        raise Skipped("ray is not installed")
    score: Any = getattr(edge_runtime, "score", None)
    if score is None or "engine" not in inspect.signature(score).parameters:
        raise Skipped("score takes no engine yet")
    task, rows, files = made.dense(EXAMPLE, 2), bench.rows(_MANY_ROWS), 50
    folder = bench.folder / "many"
    folder.mkdir()
    piece = made.numbers(2, made.piece_of(rows // files))
    for place in range(files):
        made.write_parquet(folder / f"{place:03}.parquet", piece, rows // files)
    program = (
        "import sys, ray, edge_runtime\n"
        "ray.init(num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False)\n"
        "edge_runtime.score(*sys.argv[2:], engine='ray')\n"
    )
    commands = {
        f"{workers} worker{'s' * (workers > 1)}": [
            *(sys.executable, "-c", program, str(workers), str(task.model), str(folder)),
            str(bench.folder / f"scores-{workers}.parquet"),
        ]
        for workers in (2, 1)
    }
    found = launched(commands, max(1, bench.rounds // 2), task, once=True)
    two, one = ([took for took, _ in runs] for runs in found.values())
    measured = _measured("2 columns, Ray", rows, found)
    return Measured(measured.title, rows, measured.seconds, measured.memory, {"one worker": ratio(one, two)})


def loading(bench: Bench) -> Measured:
    """The peak memory of reading a CSV for training, and of training on it, over the size of the file."""
    rows = bench.rows(_TRAINING_ROWS)
    piece = made.mixed_rows(made.piece_of(rows)).select(["country", "city", *(f"n{place + 1}" for place in range(6))])
    piece = piece.append_column("again", piece["n1"]).append_column("y", piece["n2"].is_null().cast("int64"))
    source = made.write_csv(bench.folder / "training.csv", piece, rows)
    programs = Path(sys.executable).parent
    commands = {
        "read_table": [sys.executable, "-c", "import sys, edge_train; edge_train.read_table(sys.argv[1])", str(source)],
        "edge-train": [
            *(str(programs / "edge-train"), str(source), "--target", "y", "--epochs", "1", "--validation", "0"),
            *("--output", str(bench.folder / "trained")),
        ],
    }
    found = _measured("a table to train on", rows, launched(commands, 1, made.dense(EXAMPLE, 2), once=True))
    size = source.stat().st_size
    ratios = {f"{name}, {size / 1e9:.1f} GB": ratio([value["median"]], [size]) for name, value in found.memory.items()}
    return Measured(found.title, rows, found.seconds, found.memory, ratios)


PARTS: dict[str, Callable[[Bench], Measured]] = {
    "csv": csv,
    "parquet": parquet,
    "text": text,
    "wide": wide,
    "memory": memory,
    "ray": ray,
    "loading": loading,
}


def _piece(bench: Bench) -> int:
    return made.piece_of(bench.rows(5_000_000))


def _parquet(bench: Bench, title: str, task: made.Task, piece: pa.Table, others: tuple[str, ...] = ()) -> Measured:
    rows = bench.rows(5_000_000)
    source = made.write_parquet(bench.folder / "table.parquet", piece, rows)
    ways = ("copy-parquet-whole", "copy-parquet-streamed", *others)
    return _beside(bench, title, task, source, ".parquet", rows, ways)


def _beside(
    bench: Bench, title: str, task: made.Task, source: Path, ending: str, rows: int, ways: tuple[str, ...]
) -> Measured:
    """Our command and others, from `source` to files with this ending."""
    commands = {OURS: _ours(task, source, bench.folder / f"scores{ending}")}
    for way in ways:
        target = str(bench.folder / f"{way}{ending}")
        commands[way] = [sys.executable, str(_HERE / "peers.py"), way, str(task.model), str(source), target]
    found = launched(commands, bench.rounds, task, says=(_ALONE,))
    ours = [took for took, _ in found[OURS]]
    ratios = {way: ratio(ours, [took for took, _ in found[way]]) for way in ways}
    measured = _measured(title, rows, found)
    return Measured(title, rows, measured.seconds, measured.memory, ratios)


def _ours(task: made.Task, source: Path, target: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("edge-predict"))
    return [program, str(task.model), "--input", str(source), "--output", str(target)]


def _measured(title: str, rows: int, found: Mapping[str, list[tuple[float, int]]]) -> Measured:
    seconds = {name: summary(took for took, _ in runs) for name, runs in found.items()}
    return Measured(title, rows, seconds, {name: summary(peak for _, peak in runs) for name, runs in found.items()})


def shown(measured: Measured) -> list[tuple[str, str, str, str]]:
    """Rows of a table: command, seconds, rows a second, peak memory."""
    return [
        (
            name,
            f"{value['median']:.2f} s ({value['low']:.2f}-{value['high']:.2f})",
            f"{measured.rows / value['median']:,.0f}",
            f"{measured.memory[name]['median'] / _MIB:,.0f} MiB",
        )
        for name, value in measured.seconds.items()
    ]
