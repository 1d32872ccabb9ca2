"""Tables as spreadsheets write them teach a network as much as the same tables cleaned by hand."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from dirty_tables import american, cleaned, german

from edge_train import Column, Dataset, find_columns, find_target, split, table_defaults, train
from edge_train.metrics import measure

SEEDS = range(4)


def dataset(table: pa.Table, seed: int) -> Dataset:
    found = find_columns(table.drop_columns(["stays"]), "customers.csv")
    columns = [column for column in found if isinstance(column, Column)]
    assert columns == found
    assert not any(column.warning for column in columns)
    return split(columns, find_target(table, "stays", "customers.csv"), seed)


def accuracies(make: Callable[[int], pa.Table]) -> list[float]:
    found = []
    for seed in SEEDS:
        rows = dataset(make(seed), seed)
        assert rows.test is not None
        model = train(rows, table_defaults(len(rows.train))).model
        found.append(measure(model, rows.test)["accuracy"])
    return found


@pytest.mark.parametrize("make", [american, german])
def test_what_a_dirty_table_is_taken_as(make: Callable[[int], pa.Table]) -> None:
    signature = dataset(make(0), 0).signature
    assert {feature.name: feature.kind for feature in signature.features} == {
        "spent": "numeric",
        "rate": "numeric",
        "days": "date",
        "zip": "categorical",
        "member": "boolean",
    }
    assert signature.columns == ("spent", "rate", "days", "zip", "member")


@pytest.mark.slow
def test_a_dirty_table_is_as_good_as_a_cleaned_one() -> None:
    clean = accuracies(cleaned)
    error = np.std(clean, ddof=1) / np.sqrt(len(clean))
    for make in (american, german):
        assert np.mean(accuracies(make)) > np.mean(clean) - error
