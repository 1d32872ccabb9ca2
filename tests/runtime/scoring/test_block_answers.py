"""The answers to blocks: kept columns, bad rows, counts."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from paths import MODELS

from edge_runtime import InvalidInput, Limits, NoFeatures, NoSignature, Predictor
from edge_runtime.scoring.block_answers import Answered, BlockAnswers, kept_columns
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.sources import open_source

FOUR, OUTPUTS, IMAGES = (Predictor(MODELS / f"{name}.onnx") for name in ("four_blobs", "outputs", "images"))


def answered(predictor: Predictor, table: pa.Table, options: Options) -> Answered:
    source = open_source(table, options, Limits())
    (block,) = source.blocks(None, list(source.names))
    return BlockAnswers(predictor, source.names, options).parsed(block)


def test_bad_rows_are_named_and_the_others_answered() -> None:
    table = pa.table({"x1": ["1", "a", "900"], "x2": [1.0, 1.0, None], "id": [7, 8, 9]})
    found = answered(FOUR, table, Options(keep=["id"]))
    assert found.batch["id"].to_pylist() == [7]
    assert [(row.row, row.column) for row in found.rejected] == [(2, "x1"), (3, "x2")]
    assert (found.tally.scored, found.tally.rejected) == (1, 2)


def test_what_is_unseen_is_counted_and_told() -> None:
    table = pa.table({"x1": [1.0, 900.0], "x2": [1.0, 1.0]})
    for flag in (False, True):
        found = answered(FOUR, table, Options(flag_unseen=flag))
        assert found.tally.unseen == {"x1": 1}
        assert (found.unseen is not None) == flag


def test_a_model_without_a_signature() -> None:
    found = answered(OUTPUTS, pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]}), Options())
    assert found.batch.schema.names == ["y_0", "y_1", "largest", "positive_0", "positive_1"]
    empty = BlockAnswers(OUTPUTS, ["a", "b"], Options()).of_no_rows()
    assert empty.batch.schema == found.batch.schema
    with pytest.raises(NoSignature):
        BlockAnswers(OUTPUTS, ["a", "b"], Options(top=1))
    with pytest.raises(InvalidInput, match="largest cannot be kept"):
        answered(OUTPUTS, pa.table({"largest": [1.0], "a": [1.0], "b": [3.0]}), Options(keep=["largest"]))


def test_what_the_model_does_not_have() -> None:
    with pytest.raises(NoFeatures):
        BlockAnswers(IMAGES, ["image"], Options(flag_unseen=True))


CODES = pa.array(["a", "b", None]).dictionary_encode()
ENCODED = [
    (CODES, pa.string()),
    (pc.run_end_encode(pa.array(["a", "a", "b"])), pa.string()),
    (pa.StructArray.from_arrays([CODES], ["x"]), pa.struct([("x", pa.string())])),
    (pa.ListArray.from_arrays([0, 2, 2, 3], CODES), pa.list_(pa.string())),
    (pa.LargeListArray.from_arrays([0, 2, 2, 3], CODES), pa.large_list(pa.string())),
    (pa.FixedSizeListArray.from_arrays(CODES, 1), pa.list_(pa.string(), 1)),
    (pa.MapArray.from_arrays([0, 1, 2, 3], pa.array([1, 2, 3]), CODES), pa.map_(pa.int64(), pa.string())),
]


@pytest.mark.parametrize(("column", "kind"), ENCODED)
def test_encoded_columns_are_kept_by_their_values(column: pa.Array, kind: pa.DataType) -> None:
    table = pa.table({"x1": ["1", "bad", "2"], "x2": [1.0] * 3, "kept": column})
    found = answered(FOUR, table, Options(keep=["kept"])).batch["kept"]
    assert found.type == kind
    values = column.to_pylist()
    assert found.to_pylist() == [values[0], values[2]]
    empty = BlockAnswers(FOUR, table.column_names, Options(keep=["kept"])).of_no_rows({"kept": column.type})
    assert empty.batch["kept"].type == kind


def test_kept_columns() -> None:
    assert kept_columns("all", ["b", "a"]) == ["b", "a"]
    assert kept_columns(["a", "b", "a"], ["b", "a"]) == ["a", "b"]
