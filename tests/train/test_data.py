import numpy as np
import pytest

from edge_train import TableError, four_blobs, from_table
from edge_train.table import Table


def table(target: list[object], rows: int | None = None) -> Table:
    count = rows or len(target)
    values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return Table(values, ("a", "b"), np.array(target), "kind")


def test_four_blobs() -> None:
    data = four_blobs(seed=3)
    assert data.x_train.shape == (80, 2)
    assert data.x_test.shape == (20, 2)
    assert {array.dtype for array in (data.x_train, data.y_train, data.x_test, data.y_test)} == {np.dtype("float32")}
    assert data.labels == (0, 1)
    x = np.concatenate([data.x_train, data.x_test])
    y = np.concatenate([data.y_train, data.y_test])
    # Opposite blobs share a label: label 1 where the coordinates differ in sign.
    far = np.abs(x).min(axis=1) > 0.4
    assert ((x.prod(axis=1) < 0) == (y == 1))[far].all()
    corners = np.sign(x)
    for corner in ((1, 1), (-1, -1), (1, -1), (-1, 1)):
        blob = x[(corners == corner).all(axis=1)]
        assert 20 <= len(blob) <= 30
        assert np.abs(blob.mean(axis=0) - corner).max() < 0.25
        assert (np.abs(blob.std(axis=0) - 0.3) < 0.15).all()
    low, high = data.features[0].minimum, data.features[0].maximum
    assert (low, high) == (data.x_train[:, 0].min(), data.x_train[:, 0].max())


def test_same_seed_same_blobs() -> None:
    assert (four_blobs(1).x_train == four_blobs(1).x_train).all()
    assert (four_blobs(1).x_train != four_blobs(2).x_train).any()


def test_split_keeps_every_row_once_and_both_classes_in_both_parts() -> None:
    data = from_table(table(["no"] * 30 + ["yes"] * 10), seed=0)
    rows = np.concatenate([data.x_train, data.x_test])
    assert sorted(rows[:, 0].tolist()) == list(range(0, 80, 2))
    assert len(data.y_test) == 8
    assert data.y_test.sum() == 2
    assert data.labels == ("no", "yes")
    assert ((data.x_train[:, 0] >= 60) == (data.y_train == 1)).all()


@pytest.mark.parametrize("rows", [4, 5, 7])
def test_tiny_tables_can_be_split(rows: int) -> None:
    data = from_table(table([0, 1, *[0, 1, 0, 1, 0][: rows - 2]]), seed=0)
    assert set(data.y_test) == set(data.y_train) == {0.0, 1.0}


@pytest.mark.parametrize("rare", [2, 3, 7])
def test_a_rare_class_is_in_both_parts(rare: int) -> None:
    data = from_table(table([0] * 500 + [1] * rare), seed=0)
    assert data.y_test.sum() >= 1
    assert data.y_train.sum() >= 1
    assert data.y_train.sum() + data.y_test.sum() == rare


@pytest.mark.parametrize("seed", [0, 1])
def test_seed_decides_the_split(seed: int) -> None:
    first, again = (from_table(table([0, 1] * 20), seed) for _ in range(2))
    assert (first.x_test == again.x_test).all()
    assert (from_table(table([0, 1] * 20), seed + 1).x_test != first.x_test).any()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (["a"] * 9, "kind has 1 classes \\(a\\); two are needed"),
        (["a", "b", "c"] * 3, "kind has 3 classes \\(a, b, c\\)"),
        (list(range(100)), "kind has 100 classes \\(0, 1, 2, 3, 4, ...\\)"),
        (["a"] * 9 + ["b"], "class b has a single row"),
    ],
)
def test_targets_that_cannot_be_learned(target: list[object], message: str) -> None:
    with pytest.raises(TableError, match=message):
        from_table(table(target), seed=0)
