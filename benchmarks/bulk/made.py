"""The tables that are scored, and the models: the same ones every time."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.models import prepared
from edge_runtime import Predictor

# Tables are written in pieces of so many rows, and large ones repeat the first.
_PIECE = 1_000_000
_TEXTS = {"country": 3, "plan": 8, "city": 40, "product": 500}
_NUMBERS = 6


@dataclass(frozen=True)
class Task:
    """A model and what it reads and writes.

    Attributes:
        model: the artifact.
        read: the columns that it takes.
        written: the columns of its answers, each with Arrow's name of its type.
    """

    model: Path
    read: list[str]
    written: dict[str, str]


def dense(name: str, columns: int) -> Task:
    """A network of `benchmarks.models` that takes so many numbers."""
    (model,) = (one.onnx for one in prepared() if one.name == name)
    return task(model, numbers(columns, 2))


def mixed(folder: Path) -> Task:
    """Four columns of text and six of numbers to two classes, trained on a few rows."""
    table = folder / "mixed.parquet"
    rows = mixed_rows(20_000, seed=1)
    score = rows["n1"].to_numpy() + (rows["city"].to_numpy() < "c").astype(float)
    parquet.write_table(rows.append_column("y", pa.array((score > 0.3).astype(np.int64))), table)
    programs = Path(sys.executable).parent
    train = [programs / "edge-train", table, "--target", "y", "--epochs", "2", "--output", folder]
    for command in (train, [programs / "edge-export", folder / "model.pt", "--output", folder]):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return task(folder / "model.onnx", rows)


def task(model: Path, rows: pa.Table) -> Task:
    """Read all columns of `rows`, and write what the artifact answers."""
    schema = next(iter(Predictor(model).stream(rows.slice(0, 2).to_batches()))).schema
    return Task(model, list(rows.column_names), {field.name: str(field.type) for field in schema})


def numbers(columns: int, rows: int, seed: int = 0) -> pa.Table:
    """Columns x1, x2, ... of random numbers, float32."""
    random = np.random.default_rng(seed)
    return pa.table({f"x{place + 1}": random.standard_normal(rows, dtype=np.float32) for place in range(columns)})


def mixed_rows(rows: int, seed: int = 0) -> pa.Table:
    """Columns of text with few and many categories, and of numbers, float64; some values are missing."""
    random = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name, count in _TEXTS.items():
        words = pa.array([f"{'abcdefgh'[place % 8]} {name} {place}" for place in range(count)])
        made[name] = words.take(pa.array(random.integers(0, count, rows)))
    for place in range(_NUMBERS):
        made[f"n{place + 1}"] = pa.array(random.standard_normal(rows), mask=random.random(rows) < 0.02)
    return pa.table(made)


def write_parquet(path: Path, piece: pa.Table, rows: int) -> Path:
    """Write `rows` rows that repeat `piece`; each column is compressed, as pyarrow does by default."""
    with parquet.ParquetWriter(path, piece.schema) as writer:
        for start in range(0, rows, len(piece)):
            writer.write_table(piece.slice(0, rows - start))
    return path


def write_csv(path: Path, piece: pa.Table, rows: int) -> Path:
    """Write `rows` rows that repeat `piece`."""
    with path.open("wb") as file:
        for start in range(0, rows, len(piece)):
            csv.write_csv(piece.slice(0, rows - start), file, csv.WriteOptions(include_header=start == 0))
    return path


def piece_of(rows: int) -> int:
    """How many rows of a table of `rows` rows are different."""
    return min(rows, _PIECE)
