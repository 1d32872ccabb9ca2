"""`score`: whole tables answered, whatever is in them."""

import csv
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS

import edge_runtime
from edge_runtime import CannotWrite, InvalidInput, NoProbabilities, Predictor, Summary, score

FOUR, PENGUINS, MASS = (Predictor(MODELS / f"{name}.onnx") for name in ("four_blobs", "penguins", "mass"))
GOOD = ["Dream", "40.5", "3000", "true", "2007"]
NAMES = ["island", "bill", "mass", "ringed", "year"]


def read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)
    if path.suffix in (".feather", ".arrow"):
        return pa.feather.read_table(path)
    return pa.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter="\t" if ".tsv" in path.name else ","))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text('id,x1,x2\n007,-1,1\n"a,b",1,1\n9,0.5,-1e3\n')
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.feather", "a.arrow"])
def test_formats(rows: Path, name: str) -> None:
    target = rows.with_name(name)
    summary = score(FOUR, rows, target, keep=["id"])
    assert (summary.rows, summary.scored, summary.rejected) == (3, 3, 0)
    assert sum(summary.labels.values()) == 3 == sum(summary.histogram)
    found = read(target)
    assert found.column_names == ["id", "label", "probability", "probability_0", "probability_1"]
    expected = FOUR.predict_proba([[-1, 1], [1, 1], [0.5, -1000]])
    for place in (0, 1):
        np.testing.assert_array_equal(found[f"probability_{place}"].to_numpy().astype(np.float32), expected[:, place])
    assert found["id"].to_pylist() == ["007", "a,b", "9"]
    assert sorted(path.name for path in rows.parent.iterdir()) == sorted([rows.name, name])


def test_json_lines(rows: Path) -> None:
    target = rows.with_name("a.jsonl")
    score(FOUR, rows, target, keep="all", flag_unseen=True)
    first, _, third = (json.loads(line) for line in target.read_text().splitlines())
    assert list(first) == ["id", "x1", "x2", "label", "probability", "probabilities", "unseen"]
    assert (first["id"], first["label"], first["unseen"]) == ("007", 1, {})
    assert list(first["probabilities"]) == ["0", "1"]
    assert "far below" in third["unseen"]["x2"]


def test_a_stream_in_and_a_file_object_out() -> None:
    table = pa.table({"x1": [-1.0, 1.0], "x2": [1.0, 1.0], "id": [7, 8]})
    target = io.BytesIO()
    summary = score(FOUR, table, target, keep=["id"], output_format="parquet")
    assert summary.scored == 2
    found = pa.parquet.read_table(io.BytesIO(target.getvalue()))
    assert found["id"].to_pylist() == [7, 8]
    assert found["label"].to_pylist() == [1, 0]
    with pytest.raises(InvalidInput, match="output_format"):
        score(FOUR, table, io.BytesIO())
    with pytest.raises(InvalidInput, match="resumed"):
        score(FOUR, table, Path("nowhere.csv"), resume=True)


CELLS = st.sampled_from(["", "NaN", "1", "x", "40.5", "true", "Dream", "1e300", '"a,b"', "2007", "?", "-"])
LINES = st.one_of(
    st.just(",".join(GOOD)), st.lists(CELLS, min_size=1, max_size=7).map(",".join).filter(lambda line: line.strip())
)


@given(lines=st.lists(LINES, min_size=1, max_size=30))
def test_rows_are_scored_or_rejected(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("bad")
    rows, target, rejects, other = (folder / name for name in ("rows.csv", "a.csv", "rejects.csv", "summary.json"))
    rows.write_text("\n".join([",".join(NAMES), *lines]) + "\n")
    summary = score(PENGUINS, rows, target, keep="all", rejects=rejects, summary=other)
    answers, refused = (list(csv.DictReader(io.StringIO(path.read_text()))) for path in (target, rejects))
    assert summary.rows == len(lines) == len(answers) + len(refused)
    assert (summary.scored, summary.rejected) == (len(answers), len(refused))
    assert json.loads(other.read_text()) == json.loads(summary.to_json())
    # The row itself, in its place.
    assert [lines[int(one["row"]) - 1] for one in refused] == [one["record"] for one in refused]
    good = [line for place, line in enumerate(lines, 1) if str(place) not in {one["row"] for one in refused}]
    kept = [next(csv.reader([line])) for line in good]
    assert [[cell.strip() for cell in row] for row in kept] == [[one[name] for name in NAMES] for one in answers]
    if good:
        expected = PENGUINS.predict_proba([dict(zip(NAMES, row, strict=True)) for row in kept])
        for place, label in enumerate(PENGUINS.classes_):
            np.testing.assert_array_equal(
                np.array([one[f"probability_{label}"] for one in answers], np.float32), expected[:, place]
            )
    # What is refused is refused one by one, too.
    for one in refused:
        cells = next(csv.reader([one["record"]]))
        if len(cells) == len(NAMES):
            with pytest.raises(InvalidInput):
                PENGUINS.predict([dict(zip(NAMES, cells, strict=True))])


def test_strict_leaves_nothing(rows: Path) -> None:
    rows.write_text("x1,x2\n1,1\nx,1\n")
    target = rows.with_name("a.csv")
    target.write_text("old")
    with pytest.raises(InvalidInput, match=r"rows.csv line 3: x1: 'x' is not a number"):
        score(FOUR, rows, target, strict=True)
    assert target.read_text() == "old"
    assert sorted(path.name for path in rows.parent.iterdir()) == ["a.csv", "rows.csv"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "a.xls"}, "its name must end in .csv"),
        ({"target": "a.parquet.gz"}, "compressed inside"),
        ({"target": "rows.csv"}, "it is the source"),
        ({"target": "folder.csv"}, "is a folder"),
        ({"rejects": "a.csv"}, "it is the target too"),
        ({"keep": ["idd"]}, "no column idd to keep; did you mean 'id'?"),
        ({"keep": "id"}, "keep is a list of names"),
        ({"source": "nowhere.csv"}, "no such file"),
        ({"threads": 0}, "threads is a number from 1 on"),
        ({"output_format": "xml"}, "output_format is csv"),
        ({"source": 5}, "a source is a path"),
        ({"source": [5]}, "a source is a path"),
        ({"top": 0}, "top is a number from 1 on, found 0"),
        ({"top": "2"}, "top is a number from 1 on, found '2'"),
        ({"top": True}, "top is a number from 1 on, found True"),
        ({"target": io.StringIO(), "output_format": "csv"}, "file open for writing bytes, found StringIO"),
        ({"rejects": 5}, "rejects is the path of a file, found 5"),
        ({"summary": b"s.json"}, "summary is the path of a file, found b's.json'"),
        ({"rejects": "r.parquet"}, "r.parquet: the rejected rows are written as CSV, so its name must end in .csv"),
    ],
)
def test_what_is_refused(rows: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str) -> None:
    monkeypatch.chdir(rows.parent)
    Path("folder.csv").mkdir()
    before = rows.read_bytes()
    arguments: dict[str, Any] = {"source": "rows.csv", "target": "a.csv", **changes}
    with pytest.raises((InvalidInput, CannotWrite), match=re.escape(message)):
        score(FOUR, **arguments)
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["folder.csv", "rows.csv"]
    assert rows.read_bytes() == before


def test_columns_that_are_missing_or_collide(rows: Path) -> None:
    target = rows.with_name("a.csv")
    with pytest.raises(InvalidInput, match="as a header the line lacks island, bill"):
        score(PENGUINS, rows, target)
    with pytest.raises(InvalidInput, match="the stream: there is no column x2"):
        score(FOUR, pa.table({"x1": [1.0]}), target)
    rows.write_text("label,x1,x2\n1,2,3\n")
    with pytest.raises(InvalidInput, match="label cannot be kept beside the answer"):
        score(FOUR, rows, target, keep="all")
    assert score(FOUR, rows, target, keep=["x1"]).scored == 1
    with pytest.raises(NoProbabilities):
        score(MASS, pa.table({name: [1.0] for name in MASS.required_signature.feature_names}), target, top=1)


def test_a_source_without_rows(rows: Path) -> None:
    rows.write_text("x1,x2\n")
    for name in ("a.csv", "a.parquet"):
        target = rows.with_name(name)
        assert score(FOUR, rows, target).rows == 0
        assert read(target).num_rows == 0 if name.endswith("parquet") else target.read_text().startswith("label,")


@pytest.mark.parametrize("model", [Path, Predictor])
@pytest.mark.parametrize("other", ["rejects", "summary"])
def test_the_model_is_not_overwritten(rows: Path, model: Any, other: str) -> None:
    path = rows.with_name("model")
    path.write_bytes((MODELS / "four_blobs.onnx").read_bytes())
    arguments: dict[str, Any] = {other: path}
    with pytest.raises(CannotWrite, match="it is a file of the model"):
        score(model(path), rows, rows.with_name("a.csv"), **arguments)
    assert path.read_bytes() == (MODELS / "four_blobs.onnx").read_bytes()
    assert not rows.with_name("a.csv").exists()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.feather", "a.arrow"])
@pytest.mark.parametrize("source", ["parquet", "feather"])
def test_kept_categories_are_written_as_their_values(tmp_path: Path, source: str, name: str) -> None:
    for part in (0, 1):
        words = pa.array([f"{part}-{word}" for word in range(100)] + [None])
        codes = words.dictionary_encode()
        kat = pa.DictionaryArray.from_arrays(codes.indices.cast(pa.int8()), codes.dictionary)
        table = pa.table({"x1": [float(part)] * 101, "x2": [1.0] * 101, "kat": kat})
        write = pa.parquet.write_table if source == "parquet" else pa.feather.write_feather
        write(table, tmp_path / f"t-{part}.{source}")
    target = tmp_path / name
    assert score(FOUR, f"{tmp_path}/t-*", target, keep=["kat"]).scored == 202
    if name == "a.jsonl":
        found = [json.loads(line)["kat"] for line in target.read_text().splitlines()]
    else:
        found = [value or None for value in read(target)["kat"].to_pylist()]
    one, other = ([f"{part}-{word}" for word in range(100)] for part in (0, 1))
    assert found == [*one, None, *other, None]


def test_kept_columns_of_no_rows_have_their_types(tmp_path: Path) -> None:
    kat = pa.array(["a"]).dictionary_encode()
    table = pa.table({"x1": [1.0], "x2": [1.0], "kat": kat, "id": pa.array([7], pa.int16())})
    pa.parquet.write_table(table[:0], tmp_path / "none.parquet")
    for number, source in enumerate((table, table[:0], tmp_path / "none.parquet")):
        target = tmp_path / f"a{number}.parquet"
        score(FOUR, source, target, keep=["kat", "id"])
        assert read(target).schema.field("kat").type == pa.string()
        assert read(target).schema.field("id").type == pa.int16()


@pytest.mark.parametrize("keep", [["x1"], ["id"], "all", []])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_stream_with_two_columns_of_one_name(keep: Any, rows: int) -> None:
    columns = [pa.array([1.0] * rows)] * 4
    table = pa.Table.from_arrays(columns, names=["x1", "x2", "id", "id"])
    if keep in (["x1"], []):
        assert score(FOUR, table, io.BytesIO(), keep=keep, output_format="parquet").scored == rows
    else:
        with pytest.raises(InvalidInput, match="the stream: there is more than one column id to keep"):
            score(FOUR, table, io.BytesIO(), keep=keep, output_format="parquet")
    twice = pa.Table.from_arrays(columns, names=["x1", "x2", "x1", "id"])
    with pytest.raises(InvalidInput, match="the stream: there is more than one column x1"):
        score(FOUR, twice, io.BytesIO(), keep=keep, output_format="parquet")


def test_text_of_a_stream_that_is_not_utf8(tmp_path: Path) -> None:
    text = pa.StringArray.from_buffers(2, pa.array(["a", "bc"]).buffers()[1], pa.py_buffer(b"a\xffc"))
    bad = pa.table({"x1": ["1", "bad"], "x2": [1.0, 1.0], "id": text})
    rejects = tmp_path / "rejects.csv"
    # The row with it is rejected for another reason.
    assert score(FOUR, bad, tmp_path / "a.parquet", keep=["id"], rejects=rejects).scored == 1
    assert read(tmp_path / "a.parquet")["id"].to_pylist() == ["a"]
    assert "\\xffc" in rejects.read_text()
    good = bad.set_column(0, "x1", pa.array(["1", "2"]))
    for name in ("b.parquet", "b.feather", "b.csv", "b.jsonl"):
        for column in ("id", "nested"):
            nested = good.append_column("nested", pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), text))
            with pytest.raises(InvalidInput, match=f"the column {column} cannot be kept: .*UTF8"):
                score(FOUR, nested, tmp_path / name, keep=[column])
            assert not (tmp_path / name).exists()
    feature = pa.table({"x1": text, "x2": [1.0, 1.0]})
    assert score(FOUR, feature, tmp_path / "c.csv", rejects=rejects).rejected == 2


DATES = [
    (pa.array([2**60, 0], pa.timestamp("us")), str(2**60)),
    (pa.array([2**60, 0], pa.timestamp("us", tz="UTC")), str(2**60)),
    (pa.array([2**31 - 1, 0], pa.int32()).cast(pa.date32()), str(2**31 - 1)),
    (pa.array([-1_000_000, 0], pa.int32()).cast(pa.date32()), "-0768-02-04"),
    (pa.array([[2**60], []], pa.list_(pa.timestamp("us"))), str(2**60)),
]


@pytest.mark.parametrize(("dates", "shown"), DATES)
def test_a_rejected_row_with_a_date_that_python_has_not(tmp_path: Path, dates: Any, shown: str) -> None:
    table = pa.table({"x1": ["bad", "1"], "x2": [1.0, 1.0], "on": dates})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    rejects = tmp_path / "rejects.csv"
    for source in (table, tmp_path / "t.parquet"):
        summary = score(FOUR, source, tmp_path / "a.csv", rejects=rejects, keep=["on"])
        assert (summary.scored, summary.rejected) == (1, 1)
        ((*_, record),) = list(csv.reader(io.StringIO(rejects.read_text())))[1:]
        assert shown in json.loads(record)["on"]


def test_many_files_in_order(tmp_path: Path) -> None:
    for place in range(3):
        (tmp_path / f"part-{place}.csv").write_text("x1,x2\n" + f"{place},1\n" * 1000)
    with gzip.open(tmp_path / "part-3.csv.gz", "wt") as file:
        file.write("x2,x1\n1,3\n")
    target = tmp_path / "out" / "a.csv"
    summary = score(FOUR, f"{tmp_path}/part-*", target, keep=["x1"])
    assert summary.rows == 3001
    assert [row["x1"] for row in csv.DictReader(io.StringIO(target.read_text()))] == [
        *"0" * 1000,
        *"1" * 1000,
        *"2" * 1000,
        "3",
    ]


def test_names() -> None:
    assert edge_runtime.score is score
    assert edge_runtime.Summary is Summary
