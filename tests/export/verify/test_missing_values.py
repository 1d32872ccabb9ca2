"""Which columns of a row have no value."""

import numpy as np

from edge_export.capture.program import Program
from edge_export.verify.input_distributions import input_distributions
from edge_export.verify.missing_values import columns_with_missing, missing_patterns, with_missing
from edge_runtime.contract.category_codes import MISSING


def test_all_patterns_of_a_few_columns() -> None:
    random = np.random.default_rng(0)
    assert missing_patterns(0, 100, random).shape == (1, 0)
    assert missing_patterns(3, 100, random).sum(axis=1).tolist() == [0, 1, 1, 2, 1, 2, 2, 3]
    assert len(np.unique(missing_patterns(10, 5000, random), axis=0)) == 1024
    few = missing_patterns(10, 7, random)
    assert (len(few), few.all(axis=1).sum(), (~few).all(axis=1).sum()) == (7, 1, 1)


def test_a_sample_of_the_patterns_of_many_columns() -> None:
    random = np.random.default_rng(0)
    many = missing_patterns(40, 5000, random)
    counts = many.sum(axis=1)
    assert len(many) == 1024
    # None and all, each alone, all but one, and others of every density.
    assert (counts[:2].tolist(), set(counts[2:42]), set(counts[42:82])) == ([0, 40], {1}, {39})
    assert (many[2:42] == np.eye(40, dtype=bool)).all()
    assert counts[82:].std() > 8
    assert len(missing_patterns(40, 9, random)) == 9


def test_columns_with_missing_values_and_how_they_are_made(table: Program) -> None:
    known = input_distributions(table, None)
    columns = columns_with_missing(known)
    assert columns == [("x", 0), ("x", 1), ("x", 4), ("text", 0), ("text", 1)]
    rows = {"x": np.ones((2, 5), np.float32), "text": np.full((2, 3), 3)}
    patterns = np.array([[True, False, False, False, True], [False, False, True, True, False]])
    found = with_missing(rows, known, columns, patterns)
    np.testing.assert_array_equal(found["x"], [[np.nan, 1, 1, 1, 1], [1, 1, 1, 1, np.nan]])
    np.testing.assert_array_equal(found["text"], [[3, MISSING, 3], [MISSING, 3, 3]])
    assert np.isfinite(rows["x"]).all()
    assert (rows["text"] == 3).all()
