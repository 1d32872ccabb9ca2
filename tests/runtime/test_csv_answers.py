"""Answers as lines of CSV."""

import csv

import numpy as np
import pytest

from edge_runtime import csv_answers

LABELS = ("cat", 'the "dog"', "a, b")
OUTPUT = np.array([0.25, 0.125, 0.625], np.float32)


@pytest.mark.parametrize(
    ("labels", "top", "flag_unseen", "names"),
    [
        (LABELS, None, False, ["label", "probability", "probability_cat", 'probability_the "dog"', "probability_a, b"]),
        (LABELS, 2, True, ["label", "probability", "label_2", "probability_2", "unseen"]),
        (LABELS, 9, False, ["label", "probability", "label_2", "probability_2", "label_3", "probability_3"]),
        ((), None, True, ["value", "unseen"]),
    ],
)
def test_the_header(labels: tuple[str, ...], top: int | None, flag_unseen: bool, names: list[str]) -> None:
    assert csv_answers.header(labels, top, flag_unseen) == names


def test_columns_of_intervals_and_sets() -> None:
    assert csv_answers.header((), None, True, True) == ["value", "lower", "upper", "unseen"]
    assert csv_answers.header(LABELS, 1, True, True) == ["label", "probability", "set", "unseen"]
    bounds = np.array([0.125, 0.375], np.float32)
    assert csv_answers.cells((), None, 0, OUTPUT[:1], {}, bounds) == [0.25, 0.125, 0.375, ""]
    cells = csv_answers.cells(LABELS, 1, 2, OUTPUT, None, ("a, b", 'the "dog"', "Ö"))
    # Labels may hold any character: a set is a list of JSON.
    assert cells == ["a, b", 0.625, '["a, b", "the \\"dog\\"", "Ö"]']


def test_a_row_has_a_cell_for_each_name() -> None:
    unseen = {"a": "is new", "b": "is new too"}
    for labels, output in ((LABELS, OUTPUT), ((), OUTPUT[:1])):
        for top in (None, 1, 2, 9) if labels else (None,):
            for found in (None, {}, unseen):
                cells = csv_answers.cells(labels, top, 2 if labels else 0, output, found)
                assert len(cells) == len(csv_answers.header(labels, top, found is not None))
                assert cells[:2] == (["a, b", 0.625] if labels else cells[:2])
                assert found is None or cells[-1] == ("a: is new; b: is new too" if found else "")


def test_the_predicted_label_comes_first_whatever_its_probability() -> None:
    assert csv_answers.most_probable(3, 1, OUTPUT) == [1, 2, 0]
    assert csv_answers.most_probable(2, 0, np.array([np.nan, np.nan, np.nan])) == [0, 1]


def test_lines_are_csv_that_reads_back() -> None:
    rows = [["a, b", 'the "dog"', 0.1], ["two\nlines", "", np.float32(0.1)]]
    text = csv_answers.csv_lines(rows)
    assert list(csv.reader(text.splitlines(keepends=True))) == [[str(cell) for cell in row] for row in rows]
    assert csv_answers.csv_lines([["a\x1b"]], shown=ascii) == "'a\\x1b'\n"
