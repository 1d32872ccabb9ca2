"""The rows of a table in parts."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from edge_runtime.contract.category_codes import FIRST_CATEGORY, MISSING, UNKNOWN, encode
from edge_runtime.contract.dates import MISSING_DATE, date_seconds
from edge_runtime.contract.notation import Notation
from edge_runtime.contract.signature import Signature
from edge_train import Dataset, TableError, find_columns, find_target, split
from edge_train.dataset import Part
from edge_train.table import split as split_module
from edge_train.table.columns import Column
from edge_train.table.target import Target


def dataset(table: dict[str, Any], seed: int = 0, kind: Any = None, **options: Any) -> Dataset:
    made = pa.table(table)
    target = find_target(made, "y", "t.csv", kind)
    columns = find_columns(made.drop_columns(["y"]), "t.csv")
    return split([column for column in columns if isinstance(column, Column)], target, seed, **options)


def parts(data: Dataset) -> list[Part]:
    return [part for part in (data.train, data.test) if part is not None]


def test_split_keeps_every_row_once_and_every_class_in_every_part() -> None:
    rows = ["no"] * 60 + ["yes"] * 30 + ["perhaps"] * 3
    data = dataset({"number": [row + 0.5 for row in range(93)], "y": rows})
    found = parts(data)
    assert len(found) == 2
    numbers = np.concatenate([part.inputs["x"][:, 0] for part in found]).tolist()
    assert sorted(numbers) == [row + 0.5 for row in range(93)]
    for part in found:
        names = [rows[int(number)] for number in part.inputs["x"][:, 0]]
        assert [data.signature.labels[place] for place in part.target] == names
        assert set(names) == {"no", "yes", "perhaps"}
    assert np.bincount(found[-1].target).tolist() == [12, 1, 6]


def test_regression_is_split_too() -> None:
    data = dataset({"number": [row + 0.5 for row in range(100)], "y": [row / 7 for row in range(100)]})
    assert [len(part) for part in parts(data)] == [80, 20]
    for part in parts(data):
        np.testing.assert_allclose(part.target, (part.inputs["x"][:, 0] - 0.5) / 7, rtol=1e-6)


def test_without_test_rows() -> None:
    assert dataset({"a": list(range(20)), "y": [0, 1] * 10}, test=False).test is None


def test_another_seed_another_split() -> None:
    table = {"a": list(range(0, 300, 3)), "y": [0, 1] * 50}
    assert dataset(table, 1).training_sha256 == dataset(table, 1).training_sha256
    assert dataset(table, 1).training_sha256 != dataset(table, 2).training_sha256


def test_rows_without_a_target_are_in_no_part() -> None:
    data = dataset({"a": list(range(40)), "y": ["u", None, "v", None] * 10})
    numbers = np.concatenate([part.inputs["x"][:, 0] for part in parts(data)])
    assert sorted(numbers) == list(range(0, 40, 2))
    for part in parts(data):
        assert (part.target == (part.inputs["x"][:, 0] % 4 == 2)).all()


def test_the_signature_knows_the_training_rows_alone() -> None:
    rows = 200
    random = np.random.default_rng(0)
    table: dict[str, Any] = {
        "city": [f"city {number}" for number in random.integers(0, 60, rows)],
        "number": np.arange(rows) + 0.5,
        "sparse": [None if row % 3 else float(row) for row in range(rows)],
        "flag": [True, False, None, False] * (rows // 4),
        "y": [0, 1] * (rows // 2),
    }
    data = dataset(table)
    signature, train = data.signature, data.train
    assert [feature.name for feature in signature.features] == ["city", "number", "sparse", "flag"]
    assert [tensor.name for tensor in signature.inputs] == ["x", "text"]
    city, number, sparse, flag = signature.features
    assert (flag.kind, flag.minimum) == ("boolean", None)
    assert flag.missing == pytest.approx(np.isnan(train.inputs["x"][:, 2]).mean())
    assert (number.minimum, number.maximum) == (train.inputs["x"][:, 0].min(), train.inputs["x"][:, 0].max())
    assert number.missing == 0
    assert sparse.missing == pytest.approx(np.isnan(train.inputs["x"][:, 1]).mean())
    in_training = {table["city"][int(row)] for row in train.inputs["x"][:, 0]}
    assert city.categories == tuple(sorted(in_training))
    assert set(table["city"]) > in_training
    assert data.test is not None
    for part in parts(data):
        cities = np.array([[table["city"][int(row)]] for row in part.inputs["x"][:, 0]], np.object_)
        assert (encode(cities, [city]) == part.inputs["text"]).all()
        assert ((part.inputs["text"] == UNKNOWN) == ~np.isin(cities, city.categories)).all()
    assert (data.test.inputs["text"] == UNKNOWN).any()
    assert max(part.inputs["text"].max() for part in parts(data)) == len(city.categories) + FIRST_CATEGORY - 1


def categories_and_unknown(rows_of_each: list[int], seed: int = 0) -> tuple[int, int, int]:
    """How many categories are learned, and of how many training rows the category is unknown, of how many."""
    names = [f"name {place}" for place, count in enumerate(rows_of_each) for _ in range(count)]
    table = {"name": names, "y": [0, 1] * (len(names) // 2)}
    columns = find_columns(pa.table(table).drop_columns(["y"]), "t.csv", categorical=["name"])
    target = find_target(pa.table(table), "y", "t.csv", None)
    data = split([column for column in columns if isinstance(column, Column)], target, seed, test=False)
    codes = data.train.inputs["text"][:, 0]
    return len(data.signature.features[0].categories), int((codes == UNKNOWN).sum()), len(codes)


def test_categories_of_single_rows_are_unknown_if_there_are_many_of_them() -> None:
    assert categories_and_unknown([2] * 30 + [1] * 16) == (30, 16, 76)
    # A fifth are not many.
    assert categories_and_unknown([2] * 30 + [1] * 14) == (44, 0, 74)
    assert categories_and_unknown([2] * 40 + [1] * 20) == (60, 0, 100)
    # Few categories, and those of a column that the user wants although none repeats, are all learned.
    assert categories_and_unknown([2] * 4 + [1] * 16) == (20, 0, 24)
    assert categories_and_unknown([1] * 40) == (40, 0, 40)


def test_baselines_are_typical_of_the_training_rows() -> None:
    rows = 120
    random = np.random.default_rng(1)
    number = random.normal(size=rows).round(2).tolist()
    table: dict[str, Any] = {
        "number": number,
        "half": [value if row % 5 < 3 else None for row, value in enumerate(number)],
        "few": [value if row % 5 < 1 else None for row, value in enumerate(number)],
        "city": ["rare", "often", "often", "other", None, None] * 20,
        "code": [3, 1, 1, 2, 1, 5] * 20,
        "flag": [True, True, False, None, True, False] * 20,
        "unsaid": [True, None, False, None, None, False] * 20,
        "seen": [f"2025-01-{1 + row % 28:02}" for row in range(rows)],
        "y": [0, 1] * (rows // 2),
    }
    made = pa.table(table)
    columns = find_columns(made.drop_columns(["y"]), "t.csv", categorical=["code"])
    data = split([one for one in columns if isinstance(one, Column)], find_target(made, "y", "t.csv"), 0)
    found = {feature.name: feature.baseline for feature in data.signature.features}
    numbers = data.train.inputs["x"]
    for place, name in enumerate(("number", "half")):
        known = np.sort(numbers[:, place][~np.isnan(numbers[:, place])])
        assert np.float32(found[name]) == known[(len(known) - 1) // 2]
        # The shortest decimal, as in the table.
        assert found[name] in number
    # Most rows have none.
    assert (found["few"], found["unsaid"]) == ("", "")
    assert (found["city"], found["code"]) == ("often", 1)
    dates = np.sort(data.train.inputs["date"][:, 0])
    assert found["seen"] == dates[(len(dates) - 1) // 2]
    assert (type(found["seen"]), type(found["flag"]), found["flag"]) == (int, bool, True)
    assert Signature.from_json(data.signature.to_json()) == data.signature


def test_the_signature_may_know_the_test_rows_too() -> None:
    """The same rows are in the same parts, and those to test have codes for all of their categories."""
    rows = 200
    random = np.random.default_rng(0)
    table: dict[str, Any] = {
        "city": [f"city {number}" for number in random.integers(0, 90, rows)],
        "number": np.arange(rows) + 0.5,
        "sparse": [None if row % 3 else float(row) for row in range(rows)],
        "y": [0, 1] * (rows // 2),
    }
    known, alone = dataset(table, known_from_all=True), dataset(table)
    city, number, sparse = known.signature.features
    assert city.categories == tuple(sorted(set(table["city"])))
    assert set(city.categories) > set(alone.signature.features[0].categories)
    assert (number.minimum, number.maximum) == (0.5, rows - 0.5)
    assert sparse.missing == pytest.approx(133 / 200)
    assert known.test is not None
    for part, other in zip(parts(known), parts(alone), strict=True):
        assert np.array_equal(part.inputs["x"], other.inputs["x"], equal_nan=True)
        assert np.array_equal(part.target, other.target)
        cities = np.array([[table["city"][int(row)]] for row in part.inputs["x"][:, 0]], np.object_)
        assert (encode(cities, [city]) == part.inputs["text"]).all()
        assert not (part.inputs["text"] == UNKNOWN).any()


def test_missing_categories_have_a_code_of_their_own() -> None:
    data = dataset({"c": ["u", None, "v", ""] * 20, "y": [0, 0, 1, 1] * 20})
    (feature,) = data.signature.features
    assert feature.categories == ("u", "v")
    assert feature.missing == (data.train.inputs["text"] == MISSING).mean()
    assert set(data.train.inputs["text"][:, 0]) == {MISSING, FIRST_CATEGORY, FIRST_CATEGORY + 1}


def test_the_signature_has_the_order_of_a_row_if_the_inputs_have_another() -> None:
    numbers, strings, y = list(range(20)), ["u", "v"] * 10, [0, 1] * 10
    assert dataset({"t": strings, "n": numbers, "y": y}).signature.columns == ("t", "n")
    assert dataset({"n": numbers, "t": strings, "y": y}).signature.columns == ()


def test_ranges_are_the_shortest_decimals() -> None:
    data = dataset({"a": [0.1, 0.7] * 20, "y": [0, 1] * 20})
    assert (data.signature.features[0].minimum, data.signature.features[0].maximum) == (0.1, 0.7)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            {"a": [1, 2, 3, 4], "y": ["u", "u", "u", "v"]},
            {},
            "the class v has too few rows; a row to train and one to test",
        ),
        ({"a": [1, 2], "y": [1, 2]}, {}, "y: the class 1 has too few rows"),
        ({"y": [0, 1] * 10}, {}, "no column is left"),
        ({"a": [5] * 20, "y": [0, 1] * 10}, {}, "no column is left"),
    ],
)
def test_too_little(table: Any, options: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        dataset({name: list(values) for name, values in table.items()}, **options)


def test_a_row_to_train_and_one_to_test_are_enough() -> None:
    data = dataset({"a": list(range(8)), "y": ["u", "u", "u", "v"] * 2})
    assert [np.bincount(part.target.astype(int)).tolist() for part in parts(data)] == [[5, 1], [1, 1]]


@pytest.mark.parametrize("rows", [4, 6, 7, 9])
def test_tiny_tables_can_be_split(rows: int) -> None:
    data = dataset({"a": list(range(rows)), "y": [row % 2 for row in range(rows)]})
    for part in parts(data):
        assert set(part.target) == {0.0, 1.0}


def test_rare_classes_are_refused_before_any_class_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a class of its own for each of many rows, splitting each would take minutes."""
    monkeypatch.setattr(split_module, "train_test_split", lambda *_, **__: pytest.fail("split"))
    with pytest.raises(TableError, match="too few rows"):
        dataset({"a": list(range(200)), "y": ["u", "u", *(f"id {row}" for row in range(198))]})


def test_a_column_without_a_value_in_the_training_rows_is_dropped() -> None:
    """Seed by seed, the only value is in another part at some time."""
    kept = []
    for seed in range(20):
        data = dataset({"a": list(range(40)), "b": [5.0, *[None] * 39], "y": [0, 1] * 20}, seed)
        kept.append([feature.name for feature in data.signature.features] == ["a", "b"])
        assert kept[-1] == (0 in data.train.inputs["x"][:, 0])
    assert 0 < sum(kept) < 20


def test_a_regression_with_too_few_rows() -> None:
    with pytest.raises(TableError, match=r"^the column y has too few rows; .*: add rows$"):
        split(
            [Column("a", "numeric", np.ones(1, np.float32))],
            Target("y", "regression", np.ones(1, np.float32), np.arange(1), ()),
            0,
        )
    data = dataset({"a": [1, 2], "y": [1.5, 2.5]}, kind="regression")
    assert [len(part) for part in parts(data)] == [1, 1]


def test_dates_are_an_input_of_their_own() -> None:
    days = [f"{day}.1.2025" for day in range(1, 31)]
    made = {
        "sold": ["", *days],
        "word": ["a", "b"] * 15 + ["a"],
        "y": [0, 1] * 15 + [0],
        "price": [f"{row} €" for row in range(31)],
    }
    data = dataset(made)
    assert [(tensor.name, tensor.feature_names) for tensor in data.signature.inputs] == [
        ("x", ("price",)),
        ("text", ("word",)),
        ("date", ("sold",)),
    ]
    assert data.signature.columns == ("sold", "word", "price")
    sold, _, price = data.signature.features
    assert (sold.order, price.notation) == ("dmy", Notation(suffix="€"))
    dates = np.concatenate([part.inputs["date"] for part in parts(data)])
    assert dates.dtype == np.int64
    assert sorted(dates[:, 0].tolist()) == sorted([MISSING_DATE, *(date_seconds(day, "dmy") for day in days)])
    known = data.train.inputs["date"][:, 0]
    known = known[known != MISSING_DATE]
    assert (sold.minimum, sold.maximum) == (float(known.min()), float(known.max()))
