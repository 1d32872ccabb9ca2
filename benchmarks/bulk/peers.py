"""What whole commands are timed beside: `python peers.py WAY MODEL SOURCE TARGET`, without anything of this project.

The ways that begin with "copy" read the columns that the model takes, and write the columns that the answers have: as
many rows, the same names, types and settings, filled with what they have read. COLUMNS in the environment says which.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# As the answers are written: rows in a group of Parquet.
GROUP_ROWS = 256 * 1024


def _columns() -> tuple[list[str], dict[str, str]]:
    """The names of the columns to read, and the types of those to write."""
    task = json.loads(os.environ["COLUMNS"])
    return task["read"], task["written"]


def _answers(batch: Any, written: dict[str, str]) -> Any:
    """A record batch or table of the answers' columns, made of the numbers of `batch`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = [column for column in batch.columns if pa.types.is_floating(column.type)]
    made = []
    for place, kind in enumerate(written.values()):
        column = numbers[place % len(numbers)]
        made.append(pc.greater(column, 0).cast(kind) if kind == "int64" else column.cast(kind))
    return type(batch).from_arrays(made, names=list(written))


def copy_csv_whole(model: str, source: str, target: str) -> None:
    """Read everything, on all threads, and write it."""
    from pyarrow import csv

    read, written = _columns()
    table = csv.read_csv(source, convert_options=csv.ConvertOptions(include_columns=read))
    csv.write_csv(_answers(table, written), target)


def copy_csv_streamed(model: str, source: str, target: str) -> None:
    """Read and write one batch after the other."""
    import pyarrow as pa
    from pyarrow import csv

    read, written = _columns()
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in written.items()])
    options = csv.ConvertOptions(include_columns=read)
    with csv.CSVWriter(target, schema) as writer:
        for batch in csv.open_csv(source, convert_options=options):
            writer.write_batch(_answers(batch, written))


def copy_parquet_whole(model: str, source: str, target: str) -> None:
    """Read everything, on all threads, and write it."""
    from pyarrow import parquet

    read, written = _columns()
    table = _answers(parquet.read_table(source, columns=read), written)
    parquet.write_table(table, target, row_group_size=GROUP_ROWS, use_dictionary=["label"])


def copy_parquet_streamed(model: str, source: str, target: str) -> None:
    """Read and write one batch after the other."""
    import pyarrow as pa
    from pyarrow import parquet

    read, written = _columns()
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in written.items()])
    with parquet.ParquetWriter(target, schema, use_dictionary=["label"]) as writer:
        for batch in parquet.ParquetFile(source).iter_batches(GROUP_ROWS, columns=read):
            writer.write_batch(_answers(batch, written))


def pandas_loop(model: str, source: str, target: str) -> None:
    """The script that everybody writes, for a model of two classes."""
    import numpy as np
    import onnxruntime
    import pandas as pd

    read, _ = _columns()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    frame = pd.read_csv(source)
    rows = frame[read].to_numpy(dtype=np.float32)
    probability = session.run(None, {session.get_inputs()[0].name: rows})[0][:, 0]
    label = (probability >= 0.5).astype(int)
    answers = {
        "label": label,
        "probability": np.where(label == 1, probability, 1 - probability),
        "probability_0": 1 - probability,
        "probability_1": probability,
    }
    pd.DataFrame(answers).to_csv(target, index=False)


def scoring_alone(model: str, source: str, target: str) -> None:
    """Print the seconds that ONNX Runtime takes for rows that lie in memory, as the faster of two ways."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import onnxruntime
    from pyarrow import parquet

    read, _ = _columns()
    table = parquet.read_table(source, columns=read)
    rows = np.stack([column.to_numpy() for column in table.columns], 1).astype(np.float32)
    del table
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    seconds = []
    for inside, outside in ((threads, 1), (1, threads)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = inside
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        blocks = np.array_split(rows, max(1, len(rows) // 16_384))
        session.run(None, {name: blocks[0]})
        with ThreadPoolExecutor(outside) as workers:
            start = time.perf_counter()
            for _ in workers.map(lambda block: session.run(None, {name: block}), blocks):  # noqa: B023
                pass
            seconds.append(time.perf_counter() - start)
    print(min(seconds))


WAYS: dict[str, Callable[[str, str, str], None]] = {
    "copy-csv-whole": copy_csv_whole,
    "copy-csv-streamed": copy_csv_streamed,
    "copy-parquet-whole": copy_parquet_whole,
    "copy-parquet-streamed": copy_parquet_streamed,
    "pandas": pandas_loop,
    "scoring-alone": scoring_alone,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](*sys.argv[2:])
