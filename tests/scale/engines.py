"""The functions of docs/scale.md give what one machine gives, row for row.

    make test-scale

Their engines are installed in an environment of its own, so `make test` does not collect this file.
"""

import importlib
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edge_runtime import Predictor

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "tests/runtime/models/penguins.onnx")
ROWS = 5000


@pytest.fixture(scope="session")
def rows() -> pa.Table:
    """Rows with missing values and unknown categories, in a known order."""
    random = np.random.default_rng(0)

    def some(values: Any) -> Any:
        return pa.array(values, mask=random.random(ROWS) < 0.1)

    return pa.table(
        {
            "id": np.arange(ROWS),
            "island": some(random.choice(["Dream", "Biscoe", "Torgersen", "Foo", 'Ö=1, "ö"'], ROWS)),
            "bill": some(random.uniform(30, 60, ROWS)),
            "mass": some(random.integers(2700, 6300, ROWS)),
            "ringed": random.random(ROWS) < 0.5,
            "year": some(random.choice(["2007", "2008", "1999"], ROWS)),
        }
    )


@pytest.fixture(scope="session")
def path(rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    pq.write_table(rows, path, row_group_size=700)
    return str(path)


@pytest.fixture(scope="session")
def expected(rows: pa.Table) -> pa.Table:
    """The rows and their answers, by one call on this machine."""
    predictor = Predictor(MODEL, device="cpu")
    features = rows.drop(["id"]).to_pandas()
    labels, probabilities = predictor.predict(features), predictor.predict_proba(features)
    answers = {"label": labels.tolist(), "probability": probabilities.max(axis=1)}
    answers |= {f"probability_{label}": probabilities[:, place] for place, label in enumerate(predictor.classes_)}
    return pa.table({**{name: rows[name] for name in rows.column_names}, **answers})


def function(engine: str, name: str) -> Any:
    """A function of examples/scale."""
    sys.path.insert(0, str(ROOT / "examples" / "scale"))
    try:
        return getattr(importlib.import_module(f"{engine}_scores"), name)
    finally:
        sys.path.pop(0)


def assert_same(found: pa.Table, expected: pa.Table) -> None:
    found = found.sort_by("id")
    assert found.column_names == expected.column_names
    for name in expected.column_names:
        assert found[name].to_pylist() == expected[name].to_pylist(), name


def test_spark(path: str, expected: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = pytest.importorskip("pyspark.sql")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "600").getOrCreate()
    try:
        frame = session.read.parquet(path).repartition(3)
        assert_same(pa.Table.from_batches(function("spark", "scored")(frame, MODEL).toArrow().to_batches()), expected)
    finally:
        session.stop()


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask(path: str, expected: pa.Table, scheduler: str) -> None:
    frames = pytest.importorskip("dask.dataframe")
    import dask

    frame = frames.read_parquet(path, split_row_groups=2)
    assert frame.npartitions > 2
    with dask.config.set(scheduler=scheduler):
        found = function("dask", "scored")(frame, MODEL).compute()
    found = pa.Table.from_pandas(found, preserve_index=False)
    assert_same(found.set_column(3, "mass", found["mass"].cast(pa.int64())), expected)


def test_duckdb(path: str, expected: pa.Table) -> None:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    function("duckdb", "add_function")(connection, MODEL)
    query = "SELECT *, unnest(predict(island, bill, mass, ringed, year)) FROM read_parquet(?)"
    found = pa.table(connection.execute(query, [path]).to_arrow_table())
    assert_same(found, expected)


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_polars(path: str, expected: pa.Table, engine: str) -> None:
    polars = pytest.importorskip("polars")
    frame = function("polars", "scored")(polars.scan_parquet(path), MODEL)
    assert_same(frame.collect(engine=engine).to_arrow(), expected)
    none = function("polars", "scored")(polars.scan_parquet(path).filter(polars.col("id") < 0), MODEL).collect()
    assert none.shape == (0, len(expected.column_names))
