"""What is trained once and looked at by several tests."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from paths import EXAMPLE_TABLES

from edge_train import Column, Dataset, Part, TrainingRun, find_columns, find_target, four_blobs, split, train


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """On a busy machine, threads that wait for each other make small computations many times slower."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def example_run() -> TrainingRun:
    """The example as `edge-train` trains it."""
    return train(four_blobs(0))


@pytest.fixture(scope="session")
def breast_cancer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same table as elsewhere, written by this process, which has scikit-learn already."""
    spec = importlib.util.spec_from_file_location("example_tables", EXAMPLE_TABLES)
    assert spec is not None
    assert spec.loader is not None
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    path = tmp_path_factory.mktemp("tables") / "breast_cancer.csv"
    tables.write_scikit_learn("breast_cancer", path)
    return path


@pytest.fixture(scope="session")
def made_table() -> Callable[..., Dataset]:
    """Rows of a number, some of them missing, a city and noise, with a target that depends on the first two."""

    def table(rows: int = 300, seed: int = 0, task: str = "binary", rare: float = 0.4) -> Dataset:
        random = np.random.default_rng(seed)
        number, city = random.normal(size=rows) * 10 + 50, random.integers(0, 12, rows)
        is_missing = random.random(rows) < 0.2
        numbers: list[Any] = [None if gone else value for gone, value in zip(is_missing, number, strict=True)]
        score = (number - 50) / 10 + (city % 3) + random.normal(size=rows) * 0.5
        y = {
            "binary": np.where(score > np.quantile(score, 1 - rare), "yes", "no"),
            "multiclass": np.digitize(score, [0, 2]),
            "regression": score * 100 + 1000,
        }[task]
        cities = [f"city {one}" for one in city]
        made = pa.table({"number": numbers, "city": cities, "noise": random.random(rows), "y": y})
        target = find_target(made, "y", "t.csv")
        columns = find_columns(made.drop_columns(["y"]), "t.csv")
        return split([one for one in columns if isinstance(one, Column)], target, seed)

    return table


@pytest.fixture
def unseen_city(made_table: Callable[..., Dataset]) -> tuple[Dataset, Part, Part]:
    """Rows of which the first 15 test rows alone have a certain city; these, and the same with an unknown city."""
    data = made_table(200)
    assert data.test is not None
    (text,) = [tensor for tensor in data.signature.inputs if tensor.holds_strings]
    last = len(text.features[0].categories) + 1
    for part in (data.train, data.test):
        part.inputs["text"][part.inputs["text"] == last] = last - 1
    data.test.inputs["text"][:15] = last
    seen, unknown = data.test.taken(np.arange(15)), data.test.taken(np.arange(15))
    unknown.inputs["text"][:] = 0
    return data, seen, unknown
