"""The answers of a model beside the columns of a Dask DataFrame."""

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa

from edge_runtime import Predictor


def scored(frame: dd.DataFrame, model: str) -> dd.DataFrame:
    """`frame` with the columns of the answers: `model` is a path that the workers see."""
    predictor = Predictor(model, threads=1)  # pickled as its path, and opened again where it arrives

    names = predictor.required_signature.feature_names
    (none,) = predictor.stream(pa.RecordBatch.from_pydict({name: [] for name in names}))

    def answered(part: pd.DataFrame) -> pd.DataFrame:
        answers = pa.Table.from_batches(predictor.stream(part), schema=none.schema)
        return part.join(answers.to_pandas().set_index(part.index))

    return frame.map_partitions(answered, meta=answered(frame._meta))
