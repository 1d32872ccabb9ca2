"""`Predictor.stream`: the answers to record batches are those of `predict_proba` to the same rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from paths import MODELS
from penguin_rows import ROWS

from edge_runtime import ExtraNotInstalled, InvalidInput, Predictor

pa = pytest.importorskip("pyarrow")

NAMES = ["label", "probability", "probability_Adelie", "probability_Chinstrap", "probability_Gentoo"]


def batches() -> Iterator[Any]:
    table = pa.Table.from_pylist(ROWS)
    yield from table[:2].to_batches()
    yield from table[2:2].to_batches()
    yield pa.RecordBatch.from_pylist([])
    yield from table[2:].to_batches()


def frames() -> dict[str, Callable[[], Any]]:
    table = pa.Table.from_pylist(ROWS)
    return {
        "table": lambda: table,
        "batch": lambda: table.to_batches()[0],
        "reader": lambda: pa.RecordBatchReader.from_batches(table.schema, table.to_batches()),
        "batches": lambda: iter(table.to_batches(max_chunksize=1)),
        "tables": lambda: [table[:1], table[1:]],
        "chunks": lambda: pa.concat_tables([table[:1], table[1:]]),
        "pandas": lambda: pytest.importorskip("pandas").DataFrame(ROWS),
        "polars": lambda: pytest.importorskip("polars").DataFrame(ROWS),
        "polars frames": lambda: pytest.importorskip("polars").DataFrame(ROWS).iter_slices(2),
    }


@pytest.mark.parametrize("name", frames())
def test_what_holds_record_batches(penguins: Predictor, name: str) -> None:
    found = list(penguins.stream(frames()[name]()))
    answers = pa.Table.from_batches(found)
    assert answers.column_names == NAMES
    assert answers["label"].to_pylist() == penguins.predict(ROWS).tolist()
    probabilities = penguins.predict_proba(ROWS)
    assert answers["probability"].to_pylist() == probabilities.max(axis=1).tolist()
    np.testing.assert_array_equal(np.column_stack([answers[name] for name in NAMES[2:]]), probabilities, strict=True)
    assert {"batches": [1, 1, 1], "tables": [1, 2], "polars frames": [2, 1]}.get(name) in (
        None,
        [batch.num_rows for batch in found],
    ) or name == "chunks"


def test_batches_of_no_rows(penguins: Predictor) -> None:
    schema = pa.Table.from_pylist(ROWS).schema
    (answers,) = penguins.stream(pa.RecordBatch.from_pylist([], schema))
    assert (answers.num_rows, answers.schema.names) == (0, NAMES)
    assert list(penguins.stream([])) == []


def test_a_batch_is_answered_before_the_next_is_asked_for(penguins: Predictor) -> None:
    asked = []

    def given() -> Iterator[Any]:
        for row in ROWS:
            asked.append(row)
            yield pa.RecordBatch.from_pylist([row], pa.Table.from_pylist(ROWS).schema)

    answers = penguins.stream(given())
    for count in range(1, 4):
        next(answers)
        assert len(asked) == count


def test_a_bad_row_ends_the_stream(penguins: Predictor) -> None:
    rows = pa.Table.from_pylist([*ROWS, *ROWS, {**ROWS[0], "year": None}]).to_pylist()
    rows[4]["mass"] = 1e39
    answers = penguins.stream(pa.Table.from_pylist(rows).to_batches(max_chunksize=3))
    assert next(answers).num_rows == 3
    with pytest.raises(InvalidInput, match=r"^row 5: mass: 1e\+39 does not fit float32$"):
        next(answers)


def test_what_is_not_batches(penguins: Predictor) -> None:
    given: Any
    for given in (None, 5, "rows.csv", {"mass": [1]}):
        with pytest.raises(InvalidInput, match=r"^record batches are expected, found"):
            penguins.stream(given)
    for given in ([ROWS[0]], ["rows.csv"], [[1, 2]], [None]):
        with pytest.raises(InvalidInput, match=r"^record batches are expected, found"):
            next(penguins.stream(given))
    with pytest.raises(InvalidInput, match=r"^a lazy frame has not computed its rows yet; collect it first$"):
        penguins.stream(pytest.importorskip("polars").LazyFrame(ROWS))
    with pytest.raises(InvalidInput, match=r"^there is no column island, bill, mass, ringed$"):
        next(penguins.stream(pa.RecordBatch.from_pydict({"year": [2007]})))


def test_regression(mass: Predictor) -> None:
    (answers,) = mass.stream(pa.RecordBatch.from_pydict({"depth": [17, None], "bill": ["44", " 50 "]}))
    expected = mass.predict([[44, 17], [50, None]])
    np.testing.assert_array_equal(answers["value"].to_numpy(), expected, strict=True)
    assert answers.schema.names == ["value"]


def test_a_model_of_tensors() -> None:
    predictor = Predictor(MODELS / "images.onnx", device="cpu")
    images = np.random.default_rng(0).normal(size=(3, 2, 3, 4)).astype(np.float32)
    (answers,) = predictor.stream(pa.RecordBatch.from_pydict({"image": images.tolist()}))
    expected = predictor.predict_proba(images)
    np.testing.assert_array_equal(np.stack([column.to_numpy() for column in answers.columns[2:]], 1), expected)


def test_a_model_without_a_signature() -> None:
    predictor = Predictor(MODELS / "outputs.onnx", device="cpu")
    rows = np.array([[1, 2], [-3, 0.5]], np.float32)
    given = {spec.name: rows.tolist() for spec in predictor.inputs}
    (answers,) = predictor.stream(pa.RecordBatch.from_pydict(given))
    expected = predictor.run(dict.fromkeys(given, rows))
    columns = []
    for name, output in expected.items():
        wide = output.reshape(2, -1)
        columns += [
            (name if wide.shape[1] == 1 else f"{name}_{place}", wide[:, place]) for place in range(wide.shape[1])
        ]
    assert answers.schema.names == [name for name, _ in columns]
    for name, values in columns:
        np.testing.assert_array_equal(answers[name].to_numpy(zero_copy_only=False), values, strict=True)


def test_without_pyarrow(penguins: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(
        ExtraNotInstalled, match=r"^Predictor.stream needs the package pyarrow .*'edge-predict\[tables\]'$"
    ):
        penguins.stream([])


def test_a_closed_predictor() -> None:
    predictor = Predictor(MODELS / "mass.onnx", device="cpu")
    predictor.close()
    with pytest.raises(ValueError, match="closed"):
        list(predictor.stream(pa.RecordBatch.from_pydict({"depth": [17], "bill": [44]})))
