"""What is scored, and what tells it from others."""

import os
from pathlib import Path

import pyarrow as pa
import pytest
from paths import MODELS

from edge_runtime import InvalidInput, Limits, Predictor
from edge_runtime.scoring.features import features_of
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.sources import open_source, stamps

FEATURES = features_of(Predictor(MODELS / "four_blobs.onnx"))
LIMITS = Limits()


def test_a_stream_is_read_in_parts() -> None:
    table = pa.table({"a": range(100_000), "b": range(100_000)})
    source = open_source(table, Options(), LIMITS)
    blocks = list(source.blocks(None, ["a"]))
    assert len(blocks) > 2
    assert [block.place.row for block in blocks[1:]] == [block.end.row for block in blocks[:-1]]
    parsed = blocks[1].parse()
    assert parsed.batch.schema.names == ["a"]
    assert parsed.record(0) == f'{{"a": {blocks[1].place.row - 1}}}'
    assert (source.files, stamps(source)) == ((), [])


def test_a_file_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("1,1\n2,3\n")
    source = open_source(path, Options(), LIMITS, FEATURES)
    assert list(source.names) == ["x1", "x2"]
    (block,) = source.blocks(None, ["x1"])
    assert block.parse().batch.num_rows == 2
    path.write_text("x1,y\n1,2\n")
    with pytest.raises(InvalidInput, match="line 1: 'x1' looks like the name of a feature"):
        open_source(path, Options(), LIMITS, FEATURES)


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a\n1\n")
    source = open_source([path], Options(), LIMITS)
    before = stamps(source)
    assert stamps(source) == before
    os.utime(path, ns=(1, 1))
    assert stamps(source) != before
    path.unlink()
    with pytest.raises(InvalidInput, match="cannot be read"):
        stamps(source)
