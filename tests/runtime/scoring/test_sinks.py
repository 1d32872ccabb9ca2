"""Files of answers that are ended in the middle, and gone on with."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.scoring import sinks
from edge_runtime.scoring.formats import format_of
from edge_runtime.scoring.sinks import opened_sink

BATCHES = [
    pa.record_batch({"id": [f"r{batch}-{row}" for row in range(9)], "p": np.arange(9, dtype=np.float32) + batch})
    for batch in range(8)
]
TABLE = pa.Table.from_batches(BATCHES)


def written(path: Path, commits: set[int]) -> Any:
    """Write all batches; after those at `commits` the process is killed, when it has written more."""
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDWR)
    try:
        output = format_of(path.name)

        def write(content: Any) -> None:
            os.write(descriptor, content)

        sink = opened_sink(output, TABLE.schema, write, None, path)
        for place, batch in enumerate(BATCHES):
            sink.write(batch)
            if place in commits:
                state = sink.commit()
                for other in BATCHES[:3]:
                    sink.write(other)
                sink.commit()
                sink.abort()
                os.truncate(path, state["bytes"])
                os.lseek(descriptor, 0, os.SEEK_END)
                sink = opened_sink(output, TABLE.schema, write, state, path)
        sink.finish()
    finally:
        os.close(descriptor)
    return pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.feather.read_table(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather", "a.arrow"])
@given(commits=st.sets(st.integers(0, len(BATCHES) - 1), max_size=4))
def test_a_table_is_the_same_wherever_it_was_ended(
    tmp_path_factory: pytest.TempPathFactory, name: str, commits: set[int]
) -> None:
    path = tmp_path_factory.mktemp("sinks") / name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sinks, "_GROUP_ROWS", 25)
        assert written(path, commits).equals(TABLE)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_a_table_without_rows(tmp_path: Path, name: str) -> None:
    pieces: list[bytes] = []
    sink = opened_sink(format_of(name), TABLE.schema, lambda content: pieces.append(bytes(content)), None)
    sink.finish()
    path = tmp_path / name
    path.write_bytes(b"".join(pieces))
    read = pa.parquet.read_table(path) if name.endswith("parquet") else pa.feather.read_table(path)
    assert read.equals(TABLE.slice(0, 0))
