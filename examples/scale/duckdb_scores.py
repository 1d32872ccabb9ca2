"""A model as a function of SQL: SELECT predict(island, bill, mass, ringed, year).label FROM 'rows.parquet'."""

import duckdb
import pyarrow as pa

from edge_runtime import Predictor


def add_function(connection: duckdb.DuckDBPyConnection, model: str, name: str = "predict") -> None:
    """Let SQL call `name` with the model's features, in their order: it returns the answer as a struct."""
    predictor = Predictor(model, threads=1)
    features = predictor.required_signature.features

    def answered(*columns: pa.ChunkedArray) -> pa.Array:
        arrays = [column.combine_chunks() for column in columns]
        (answers,) = predictor.stream(pa.RecordBatch.from_arrays(arrays, names=[one.name for one in features]))
        return answers.to_struct_array()

    (none,) = predictor.stream(pa.RecordBatch.from_pydict({one.name: [] for one in features}))
    sql = {"string": "VARCHAR", "float": "FLOAT", "double": "DOUBLE", "int64": "BIGINT", "bool": "BOOLEAN"}
    returned = ", ".join(f'"{field.name}" {sql[str(field.type)]}' for field in none.schema)
    connection.create_function(
        name, answered, None, duckdb.sqltype(f"STRUCT({returned})"), type="arrow", null_handling="special"
    )
