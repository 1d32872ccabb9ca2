"""From a table and the options that name its columns to rows."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from terminals import Terminal

from edge_runtime.contract.progress import Progress
from edge_train import TableError, read_table
from edge_train.cli import data
from edge_train.cli.command import main
from edge_train.cli.data import TableOptions, example_dataset, table_dataset

Command = Callable[..., Any]


def kinds(table: Path, target: str = "y", **options: Any) -> dict[str, str]:
    dataset = table_dataset(TableOptions(table, target, **options), seed=0)
    return {feature.name: feature.kind for feature in dataset.signature.features}


def test_what_was_found_is_printed(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = table_dataset(TableOptions(table, "island", drop=["id"]), seed=0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["column", "taken", "as", "missing", "values"]
    assert [line.split()[0] for line in lines[1:8]] == ["code", "flag", "note", "constant", "mass", "y", "target"]
    assert lines[8:] == [
        "dropped 20 rows: island is missing",
        "32 rows to train, 8 to test, 4 features, classes Biscoe and Dream",
    ]
    assert len(dataset.train) == 32


def test_the_decimal_mark_is_that_of_text_in_parquet(tmp_path: Path) -> None:
    table = tmp_path / "rows.parquet"
    values = {"a": ["1,234", "2,345"] * 20, "y": ["1,001", "1,003", "1,002", "1,004"] * 10}
    pq.write_table(pa.table(values), table)
    for decimal, maximum, target in ((None, 2345.0, 1004.0), (",", 2.345, 1.004)):
        dataset = table_dataset(TableOptions(table, "y", task="regression", decimal=decimal), seed=0)
        assert dataset.signature.features[0].maximum == pytest.approx(maximum)
        assert max(dataset.train.target) == pytest.approx(target)


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    dataset = example_dataset(3)
    assert capsys.readouterr().out == "80 rows to train, 20 to test, 2 features, classes 0 and 1\n"
    assert dataset.train.inputs["x"].shape == (80, 2)


def test_other_processes_than_the_first_print_nothing(
    table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    example_dataset(0)
    kinds(table)
    assert capsys.readouterr() == ("", "")


def test_options_say_what_columns_are(table: Path) -> None:
    found = kinds(table, "mass", numeric=["constant"], categorical=["code,note"], drop=["id", "flag, island,"])
    assert found == {"code": "categorical", "note": "categorical", "constant": "numeric", "y": "categorical"}


@pytest.mark.parametrize("rows", [60, 59])
def test_categories_of_all_rows_are_known_if_all_are_learned_from(
    table: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr("edge_train.loop.settings._MOST_ROWS", rows)
    dataset = table_dataset(TableOptions(table, "y", categorical=["id"]), seed=0)
    ident = next(feature for feature in dataset.signature.features if feature.name == "id")
    assert len(ident.categories) == (60 if rows == 60 else len(dataset.train))


def written_table(name: str, *columns: tuple[str, Callable[[int], str]], rows: int = 60) -> Path:
    path = Path(name)
    lines = [";".join((*(cell(row) for _, cell in columns), str(row % 2))) for row in range(rows)]
    path.write_text("\n".join([";".join((*(column for column, _ in columns), "y")), *lines]).replace(";", "\t") + "\n")
    return path


def test_how_columns_are_written_is_printed(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    path = written_table(
        "dirty.tsv",
        ("price", lambda row: f"${row + 995:,}.50"),
        ("rate", lambda row: f"{row / 10}%"),
        ("new", lambda row: ("yes", "no")[row % 2]),
        ("zip", lambda row: f"{row % 7:05}"),
        ("sold", lambda row: f"{row % 28 + 1}.{row % 12 + 1}.2025"),
        ("seen", lambda row: f"{row % 12 + 1:02}/{row // 12 + 1:02}/2025"),
        ("id", lambda row: f"{row:08}"),
    )
    dataset = table_dataset(TableOptions(path, "y"), seed=0)
    shown = capsys.readouterr()
    lines = {line.split()[0]: re.split("  +", line) for line in shown.out.splitlines()}
    assert lines["column"] == ["column", "taken as", "written", "missing", "values"]
    assert lines["price"] == ["price", "numeric", "$1,000.50", "none", "995.5 to 1054.5"]
    assert lines["rate"][:3] == ["rate", "numeric", "0.0%"]
    assert lines["new"] == ["new", "boolean", "no, yes", "none", "50.0% true"]
    assert lines["zip"][1:4] == ["categorical", "leading zeros", "none"]
    assert lines["zip"][4].startswith("00000, 00001, 00002")
    assert lines["sold"] == ["sold", "date", "1.1.2025 (day first)", "none", "2025-01-01 to 2025-12-24"]
    assert lines["id"] == ["id", "dropped", "60 different identifiers with leading zeros, most of them in one row only"]
    ambiguous, identifier = shown.err.splitlines()
    assert ambiguous == (
        "warning: seen is dropped although it looks like dates: nothing in it says whether 01/01/2025 has the day or "
        "the month first; --date-order dmy or --date-order mdy says which, or --categorical seen keeps it as strings"
    )
    assert identifier == (
        "warning: id is dropped although it is digits; --categorical id keeps it as strings, --numeric id takes it as "
        "numbers, without leading zeros"
    )
    assert [tensor.name for tensor in dataset.signature.inputs] == ["x", "text", "date"]
    again = table_dataset(TableOptions(path, "y", date_order="mdy", categorical=["id"]), seed=0)
    assert capsys.readouterr().err == ""
    assert {feature.name: getattr(feature, "order", None) for feature in again.signature.features}["seen"] == "mdy"


def test_dates_that_an_option_names(table: Path) -> None:
    path = written_table("t.tsv", ("day", lambda row: f"{row % 5 + 1}/1/2025"), ("x", str))
    assert kinds(path) == {"day": "categorical", "x": "numeric"}
    assert kinds(path, date=["day"], date_order="dmy") == {"day": "date", "x": "numeric"}
    with pytest.raises(TableError, match="--date-order dmy or --date-order mdy"):
        kinds(path, date=["day"])
    with pytest.raises(TableError, match="--categorical and --date both name day"):
        kinds(path, date=["day"], categorical=["day"])


def versions(path: Path, name: str) -> list[str]:
    """Write a table with a column of many numbers with two decimals; they are returned as they are spelled."""
    spelled = [f"{number / 100:.2f}" for number in range(100, 1300)]
    rows = (f"{version},{'ab'[place % 2]},{place % 3}\n" for place, version in enumerate(spelled * 5))
    path.write_text(f'"{name}",y,w\n' + "".join(rows))
    return spelled


@pytest.mark.parametrize(("name", "words"), [("v", "v"), ("v", "w, v"), ("v,1", "v,1")])
def test_categories_stay_as_they_are_spelled(tmp_path: Path, name: str, words: str) -> None:
    spelled = versions(tmp_path / "t.csv", name)
    dataset = table_dataset(TableOptions(tmp_path / "t.csv", "y", categorical=[words]), seed=0)
    assert dataset.signature.features[0].categories == tuple(sorted(spelled))


def test_classes_stay_as_they_are_spelled(tmp_path: Path) -> None:
    spelled = versions(tmp_path / "t.csv", "v")
    dataset = table_dataset(TableOptions(tmp_path / "t.csv", "v", task="classification"), seed=0)
    assert dataset.signature.labels == tuple(sorted(spelled))


def test_a_cell_that_is_not_a_date_is_shown_as_it_is_spelled(tmp_path: Path) -> None:
    versions(tmp_path / "t.csv", "v")
    with pytest.raises(TableError, match=r"v is '1\.00', not a date"):
        table_dataset(TableOptions(tmp_path / "t.csv", "y", date=["v"]), seed=0)


def test_categories_of_floats_are_spelled_as_the_runtime_does(tmp_path: Path) -> None:
    numbers = [number / 100 for number in range(100, 1700)] * 10
    pq.write_table(pa.table({"v": numbers, "y": ["a", "b"] * 8_000}), tmp_path / "t.parquet")
    dataset = table_dataset(TableOptions(tmp_path / "t.parquet", "y", categorical=["v"]), seed=0)
    assert {"1.1", "1.11", "2"} < set(dataset.signature.features[0].categories)


def test_a_name_with_commas_is_one_name() -> None:
    path = Path("t.csv")
    path.write_text('"a,b",a,b,y\n' + "".join(f"{row},{row},{row},{row % 2}\n" for row in range(20)))
    assert list(kinds(path, drop=["a,b"])) == ["a", "b"]
    assert list(kinds(path, drop=["b,a"])) == ["a,b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "Y"}, "t.csv has no column 'Y'; did you mean 'y'?"),
        (
            {"target": "zebra"},
            "t.csv has no column 'zebra'; its columns are id, code, island, flag, note, constant, mass, y",
        ),
        ({"numeric": ["mas"]}, "t.csv has no column 'mas'; did you mean 'mass'?"),
        ({"categorical": ["code", "iland"]}, "t.csv has no column 'iland'; did you mean 'island'?"),
        ({"drop": ["id,cod,flag"]}, "t.csv has no column 'cod'; did you mean 'code'?"),
        (
            {"drop": ["id", "mass"], "numeric": ["mass"]},
            "--drop and --numeric both name mass; remove it from one of them",
        ),
        ({"categorical": ["mass"], "numeric": ["mass"]}, "--categorical and --numeric both name mass; remove"),
        ({"categorical": ["code"], "drop": ["code"]}, "--categorical and --drop both name code; remove"),
        ({"numeric": ["y"]}, "y is the target, which --numeric cannot name; remove it from --numeric"),
        ({"drop": ["y"]}, "y is the target, which --drop cannot name"),
        ({"target": "mass", "class_weight": "balanced"}, "if mass holds classes, add --task classification"),
        (
            {"target": "mass", "has_threshold": True},
            "--threshold is for two classes, and mass holds values; remove --threshold",
        ),
        ({"has_threshold": True}, "--threshold is for two classes, and y holds 3 classes; remove --threshold"),
    ],
)
def test_options_that_do_not_fit_the_table(table: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError) as raised:
        kinds(table, **options)
    assert str(raised.value).startswith(message) or str(raised.value).endswith(message)


def test_without_a_column_the_reasons_are_given() -> None:
    path = Path("money.csv")
    path.write_text("price,same,y\n" + "".join(f"free {row},5,{row % 2}\n" for row in range(30)))
    with pytest.raises(TableError) as raised:
        kinds(path)
    assert str(raised.value) == (
        "money.csv: no column is left to learn from (price: 30 different strings, most of them in one row only; "
        "same: the same value in every row); take some with --numeric, --categorical or --date"
    )
    with pytest.raises(TableError, match=r"no column is left to learn from$"):
        kinds(path, drop=["price", "same"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv", "--target", "y", "--output", "new"], "error: nowhere.csv: no such file"),
        (["t.csv", "--target", "island\x1b[31m", "--output", "new"], r"has no column 'island\x1b[31m'; did you mean"),
        (["t.csv", "--target", "y", "--numeric", "island"], "t.csv row 1: island is 'Biscoe', not a number"),
    ],
)
def test_a_wrong_table_leaves_everything_as_it_was(
    command: Command, table: Path, arguments: list[str], message: str
) -> None:
    Path("model.pt").write_bytes(b"earlier")
    result = command(main, *arguments)
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert Path("model.pt").read_bytes() == b"earlier"
    assert sorted(path.name for path in Path().iterdir()) == ["model.pt", "t.csv"]


def test_a_table_that_takes_long_to_read_has_a_bar(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()

    def read(path: Path, limits: Any, **given: Any) -> Any:
        terminal.wait_for("reading")
        return read_table(path, limits, **given)

    monkeypatch.setattr(data, "Progress", functools.partial(Progress, delay=0))
    monkeypatch.setattr(data, "read_table", read)
    named = table.rename("t\x07.csv")
    monkeypatch.setattr("sys.stderr", terminal)
    kinds(named)
    assert "reading t\\x07.csv  0:0" in terminal.getvalue()
