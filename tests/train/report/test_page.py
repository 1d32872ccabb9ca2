"""The page on a training run: all that is known of it, on one page that needs nothing else."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from browsers import assert_readable, chromium, watched_page
from pages import Page

from edge_train import (
    Column,
    Dataset,
    TrainingRun,
    find_columns,
    find_target,
    four_blobs,
    measure,
    new_network,
    split,
    table_defaults,
)
from edge_train.cli.summary import described
from edge_train.dataset import TableDescription
from edge_train.importance import permutation_importance
from edge_train.loop.held_out import Trained
from edge_train.report.page import bars, write_report

HOSTILE = "</style><script>hacked = 1</script> & $x^2 \u202e مبيعات " + "long" * 60


def table(rows: int, target: Any, **columns: Any) -> Dataset:
    """Rows with a number, a column that is dropped, and `columns`."""
    random = np.random.default_rng(0)
    cells = {"number": random.normal(size=rows), "always": [7] * rows, **columns}
    found = find_columns(pa.table(cells), "t.csv")
    kept = [column for column in found if isinstance(column, Column)]
    data = split(kept, find_target(pa.table({"y": target}), "y", "t.csv"), 0)
    columns_in_words = tuple(map(described, found))
    return replace(data, description=TableDescription("t.csv", "y", rows + 3, columns_in_words, ("dropped 3 rows",)))


def report(data: Dataset, **more: Any) -> str:
    """The page on a network as it begins, which has a loss all the same."""
    settings = table_defaults(len(data.train))
    network = new_network(data, settings).eval()
    assert data.test is not None
    importance = permutation_importance(network, data.test, 0)
    document = {
        "task": data.signature.task,
        "target_labels": list(data.signature.labels),
        "epochs": {"trained": 3, "taken": 2},
        "test": measure(network, data.test),
        "importance": None if importance is None else asdict(importance),
        **more,
    }
    trained = Trained(network)
    run = TrainingRun(trained, trained, [0.8, 0.7, 0.6], [(0, 0.8), (2, 0.7), (3, 0.71)], 2, validated=True)
    return write_report(data, settings, run, document)


def classes(count: int, rows: int = 400) -> Dataset:
    return table(rows, [f"class {row % count}" for row in range(rows)], flag=[True, None] * (rows // 2))


def test_everything_on_a_table() -> None:
    days = ["31.12.2024", "01.02.2025"] * 250
    zips = [f"0{row % 30:04d}" for row in range(500)]
    data = table(500, ["yes", "no"] * 250, day=days, zip=zips, mixed=["1", "2", *(["x", "y"] * 249)])
    html = report(data, new={"deep": [{"of": 0.5}, {"of": None}], "list": [1, 2]})
    page = Page(html)
    assert page.text.startswith("Training on t.csv")
    assert "Binary classification of y , 2 classes. 400 rows to train, 100 to test" in page.text
    assert "503 rows of 6 columns. Dropped 3 rows." in page.text
    assert "always dropped the same value in every row" in page.text
    assert re.search(r"day date 31.12.2024 \(day first\) none 2024-12-31 to 2025-02-01", page.text)
    assert re.search(r"zip categorical leading zeros none", page.text)
    assert "no 200 50 50.0%" in page.text
    assert (
        "The weights are those after epoch 2 of 3, where the loss on the rows that the members hold out was smallest"
        in page.text
    )
    for setting in ("hidden 64, 32", "members 5", "learning rate 0.001", "balanced no", "seed 0"):
        assert setting in page.text
    for measured in ("accuracy", "balanced accuracy", "ROC AUC", "log loss", "ECE", "F1"):
        assert measured in page.text
    for path in ("epochs.taken 2", "new.deep[0].of 0.5", "new.deep[1].of none", "new.list 1, 2"):
        assert path in page.text
    sections = ["data", "training", "results", "calibration", "importance", "metrics"]
    assert [one for one in page.ids if one in sections] == sections
    # A small picture for each column that is taken, a bar for each importance; target, loss, ROC and calibration.
    features = len(data.signature.features)
    assert page.tags.count("svg") == 2 * features + 4


def test_it_needs_nothing_else() -> None:
    page = Page(report(classes(3)))
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert "@import" not in page.html


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: classes(2), ["true \\ predicted", "recall", "precision"]),
        (lambda: classes(20), ["true \\ predicted"]),
        pytest.param(lambda: classes(34), ["most often taken for"], marks=pytest.mark.slow),
        (lambda: table(200, np.arange(200) / 7), ["predicted value", "RMSE, in the target's unit,", "R²"]),
    ],
)
def test_every_task(make: Callable[[], Dataset], said: list[str]) -> None:
    text = Page(report(make())).text
    for words in said:
        assert words in text


def test_a_table_of_many_columns_says_what_was_not_measured() -> None:
    random = np.random.default_rng(1)
    data = table(200, np.arange(200) / 7, **{f"c{place}": random.normal(size=200) for place in range(59)})
    page = Page(report(data))
    assert "c58 numeric none" in page.text
    assert "30 more columns increased the loss less in a single trial" in page.text


def test_few_test_rows() -> None:
    page = Page(report(table(60, ["a", "b"] * 30)))
    assert "There are too few test rows to say" in page.text


def test_the_example(example_run: TrainingRun) -> None:
    data = four_blobs(0)
    assert data.test is not None
    document = {"test": measure(example_run.model, data.test), "importance": None}
    html = write_report(data, table_defaults(80), example_run, document)
    page = Page(html)
    assert page.text.startswith("Training on the example")
    assert "Decision regions" in page.text
    assert html == write_report(data, table_defaults(80), example_run, document)


def test_what_users_write_stays_text() -> None:
    data = table(200, ["<b>bold</b>", "مرحبا"] * 100, **{HOSTILE: ["1", "<i>", "x", "y"] * 50})
    page = Page(report(data, **{HOSTILE: HOSTILE}))
    assert "script" not in page.tags
    assert "i" not in page.tags
    assert "<b>bold" not in page.html
    assert " ".join(HOSTILE.split()) in page.text


def test_the_bars_of_a_small_picture() -> None:
    assert bars([2, 0, 1]) == "M0 10V0h.9V10zM1 10V10h.9V10zM2 10V5h.9V10z"
    assert bars([10_000, 1]).endswith("V9.6h.9V10z")
    assert (bars([]), bars([0])) == ("", "M0 10V10h.9V10z")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1400), ("dark", 360), ("light", 1400)])
def test_it_fits_and_can_be_read(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    made = {
        "odd names": table(200, ["<b>bold</b>", "مرحبا"] * 100, **{HOSTILE: ["1", "<i>", "x", "y"] * 50}),
        "many classes": classes(34),
        "values": table(200, np.arange(200) / 7),
    }
    for name, data in made.items():
        path = tmp_path / f"{name}.html"
        path.write_text(report(data), "utf-8")
        said: list[str] = []
        asked: list[str] = []
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
        shown = watched_page(context, said, asked)
        shown.goto(path.as_uri())
        assert shown.title() == "Training on t.csv"
        assert_readable(shown, width)
        context.close()
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


def test_the_same_run_gives_the_same_bytes() -> None:
    assert report(classes(3)) == report(classes(3))
