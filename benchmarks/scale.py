"""What a billion rows cost, by columns and network: `python -m benchmarks.scale`.

Rows a second are those of one processor, by its own time, from a Parquet file to a Parquet file by `Predictor.stream`.
The rest of the table is arithmetic on them; the assumptions are at the top.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from benchmarks.bulk.made import numbers, write_parquet
from benchmarks.models import prepared
from edge_runtime import Predictor

# Dollars for one processor for one hour: change it to your own price.
PRICE = 0.04

# Of a node: its processors, and what its network carries in bytes a second (25 Gb/s).
PROCESSORS, NETWORK = 32, 25e9 / 8

ROWS = 1_000_000
NETWORKS = ("2-5-1", "30-64-64-3", "784-512-512-10")
_A_DAY = 24 * 3600


@dataclass(frozen=True)
class Measured:
    """What one processor did.

    Attributes:
        name: the network.
        columns: how many it reads.
        in_memory: rows a second from a record batch to one of answers.
        whole: rows a second from file to file.
        moved: bytes of both files, a row.
    """

    name: str
    columns: int
    in_memory: float
    whole: float
    moved: float

    def line(self, price: float) -> str:
        """The measurement and what follows from it, as a row of the table."""
        seconds = 1e9 / self.whole
        cost = seconds / 3600 * price
        until_full = NETWORK / self.moved / self.whole
        nodes = 1e12 / _A_DAY / self.whole / PROCESSORS
        cells = [self.name, self.columns, f"{self.in_memory:,.0f}", f"{self.whole:,.0f}", f"{self.moved:.0f}"]
        cells += [f"${cost:.2f}", f"{until_full:,.0f}", f"{nodes:.1f}"]
        return f"| {' | '.join(map(str, cells))} |"


HEADER = (
    "| network | columns | rows/s in memory | rows/s, Parquet to Parquet | bytes a row, in and out | a billion rows "
    "| processors that fill 25 Gb/s | nodes for a trillion rows a day |\n| --- |" + " ---: |" * 7
)


def measured(name: str, rows: int, folder: Path) -> Measured:
    """Answer `rows` rows in memory, and from file to file, on one thread."""
    (model,) = (one for one in prepared() if one.name == name)
    columns = model.row_shape[0]
    rows = max(rows * 30 // max(columns, 30), 20_000)
    piece = numbers(columns, min(rows, 100_000))
    source, target = write_parquet(folder / "in.parquet", piece, rows), folder / "out.parquet"
    predictor = Predictor(model.onnx, device="cpu", threads=1)
    pa.set_cpu_count(1)
    size = 32 * 1024
    batches = piece.to_batches(max_chunksize=size)
    for _ in predictor.stream(batches):
        pass
    begun = time.process_time()
    for _ in predictor.stream(batches):
        pass
    in_memory = len(piece) / (time.process_time() - begun)
    begun = time.process_time()
    writer = None
    read = parquet.ParquetFile(source).iter_batches(size, use_threads=False)
    for answers in predictor.stream(read):
        writer = writer or parquet.ParquetWriter(target, answers.schema)
        writer.write_batch(answers)
    assert writer is not None
    writer.close()
    whole = rows / (time.process_time() - begun)
    return Measured(name, columns, in_memory, whole, (source.stat().st_size + target.stat().st_size) / rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--price", type=float, default=PRICE, help="dollars for a processor for an hour")
    asked = parser.parse_args()
    print(HEADER)
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            print(measured(name, asked.rows, Path(folder)).line(asked.price), flush=True)


if __name__ == "__main__":
    main()
