"""The answers of a model beside the columns of a Spark DataFrame."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from edge_runtime import Predictor


def scored(frame: DataFrame, model: str) -> DataFrame:
    """`frame` with the columns of the answers: `model` is a path that the executors see."""
    here = Predictor(model)
    names = here.required_signature.feature_names
    (none,) = here.stream(pa.RecordBatch.from_pydict({name: [] for name in names}))

    def answered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        predictor = Predictor(model, threads=1)  # one for each task
        for batch in batches:
            (answers,) = predictor.stream(batch)
            names = [*batch.schema.names, *answers.schema.names]
            yield pa.RecordBatch.from_arrays([*batch.columns, *answers.columns], names=names)

    return frame.mapInArrow(answered, StructType([*frame.schema.fields, *from_arrow_schema(none.schema).fields]))
