"""The answers of a model beside the columns of a Polars LazyFrame."""

import polars as pl
import pyarrow as pa

from edge_runtime import Predictor


def scored(frame: pl.LazyFrame, model: str) -> pl.LazyFrame:
    """`frame` with the columns of the answers; large frames are answered in parts where Polars streams them."""
    predictor = Predictor(model)
    names = predictor.required_signature.feature_names
    (none,) = predictor.stream(pa.RecordBatch.from_pydict({name: [] for name in names}))

    def answered(part: pl.DataFrame) -> pl.DataFrame:
        answers = pa.Table.from_batches(predictor.stream(part), schema=none.schema)
        return pl.concat([part, pl.DataFrame(answers)], how="horizontal")

    schema = pl.Schema({**frame.collect_schema(), **pl.DataFrame(pa.Table.from_batches([none])).schema})
    return frame.map_batches(answered, schema=schema, streamable=True)
