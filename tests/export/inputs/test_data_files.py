"""Files of rows: archives of arrays, and tables of features."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from date_module import Dated, example
from layers import layer, rows
from table_module import STRINGS, drawn_rows
from torch import Tensor

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.inputs.data_files import read_data, read_tensors
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.dates import MISSING_DATE
from edge_runtime.contract.errors import InvalidInput
from edge_train import NeuralNet


def weighted(self: object, x: Tensor, weight: Tensor) -> Tensor:
    return x * weight


@pytest.fixture(scope="module")
def two_inputs() -> Program:
    return capture(layer(weighted), (rows(4, 3), rows(4, 1)))


@pytest.fixture(scope="module")
def numbers() -> Program:
    """Its features are x1 and x2."""
    return capture(NeuralNet(2, 3), torch.zeros(2, 2))


# ------------------------------------------------------------------------------------------------------------- archives


def test_an_archive(tmp_path: Path, two_inputs: Program) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, weight=np.ones((6, 1)), x=np.zeros((6, 3)))
    read = read_data(path, two_inputs)
    assert {name: (values.shape, values.dtype.name) for name, values in read.items()} == {
        "x": ((6, 3), "float32"),
        "weight": ((6, 1), "float32"),
    }
    np.savez_compressed(path, x=np.zeros((6, 3)))
    with pytest.raises(ExportError, match=rf"{path} lacks weight; it holds x"):
        read_data(path, two_inputs)


def test_an_archive_of_strings(tmp_path: Path, table: Program) -> None:
    given = drawn_rows(9)
    np.savez(tmp_path / "rows.npz", **given)  # type: ignore[arg-type]
    codes = read_data(tmp_path / "rows.npz", table)["text"]
    np.testing.assert_array_equal(codes, encode(given["text"].astype(object), STRINGS))


def test_dates_in_text_and_archives(tmp_path: Path) -> None:
    program = capture(Dated(), example())
    path = tmp_path / "rows.csv"
    path.write_text("due,sold\n2021-06-01,31.12.2023\n2021-06-01T12:00+01:00,\n")
    expected = [[1703980800, 1622505600], [MISSING_DATE, 1622545200]]
    np.testing.assert_array_equal(read_data(path, program)["date"], expected)
    for dates in (np.array(expected, "datetime64[s]"), np.array(expected, "datetime64[s]").astype("datetime64[ms]")):
        np.savez(tmp_path / "rows.npz", date=dates)
        found = read_data(tmp_path / "rows.npz", program)["date"]
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)


def test_an_archive_of_objects(tmp_path: Path, table: Program) -> None:
    np.savez(tmp_path / "rows.npz", text=np.array([["a"]], object))
    with pytest.raises(ExportError, match=r"cannot be read without running code from it; save strings as numpy\.array"):
        read_data(tmp_path / "rows.npz", table)


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def text(path: Path) -> None:
    path.write_text("1,2\n")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def weights(path: Path) -> None:
    torch.save({"weight": torch.ones(3)}, path)


def other_zip(path: Path) -> None:
    np.savez(path, x=np.zeros(3))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "zeros")


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(path.with_name("ran"))))


def pickled_within(path: Path) -> None:
    np.savez(path, x=np.array([Payload(path.with_name("ran"))]))


def half(path: Path) -> None:
    np.savez(path, x=np.zeros((9, 3)))
    path.write_bytes(path.read_bytes()[:200])


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text, "is not an .npz file; make one with numpy.savez(path, name=array, ...)"),
        (nothing, "is not an .npz file"),
        (weights, "is not an .npz file; make one with numpy.savez(path, name=array, ...)"),
        (other_zip, "is not an .npz file"),
        (half, "is not an .npz file"),
        (pickled, "is not an .npz file"),
        (pickled_within, "cannot be read without running code from it"),
        (one_array, "holds one array without a name; save it with numpy.savez"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (lambda path: None, ": no such file"),
    ],
)
def test_files_that_are_not_archives(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    path = tmp_path / "rows.npz"
    make(path)
    with pytest.raises(ExportError) as raised:
        read_tensors(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ran").exists()


# --------------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "x2,label,x1\n2,yes,1\n-4,no,3e-1\n"),
        ("rows.csv", "1,2\n0.3,-4\n"),
        ("rows.csv", "\ufeffx1,x2\n1,2\n0.3,-4\n"),
        ("rows.tsv", "x1\tx2\n1\t2\n0.3\t-4\n"),
        ("rows.jsonl", '[1, 2]\n{"x2": -4, "x1": 0.3, "label": "no"}\n'),
        ("rows", "1,2\r\n0.3,-4\r\n"),
    ],
)
def test_tables_of_numbers(tmp_path: Path, numbers: Program, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, newline="")
    read = read_data(tmp_path / name, numbers)["x"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.array([[1, 2], [0.3, -4]], dtype=np.float32))


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"x1,x2\n", InvalidInput, r"^rows\.csv has no rows below its header$"),
        (b"", InvalidInput, r"^rows\.csv is empty"),
        (b"x1,x2\n1,2\n1\n", InvalidInput, r"^rows\.csv line 3: 2 values are needed"),
        (b"x1,x2\n1,a\n", InvalidInput, r"^rows\.csv line 2: x2: 'a' is not a number$"),
        (b"x1,x3\n1,2\n", InvalidInput, r"^rows\.csv line 1: 'x1' .*, and as a header the line lacks x2$"),
        (b"x1,x2\n1,1e39\n", InvalidInput, "line 2: x2: 1e39 does not fit float32"),
        (b'{"x1": 1}\n', InvalidInput, r"^rows\.csv line 1: missing x2"),
        (b"x1,x2\n1,\xff\n", ExportError, r"^rows\.csv is not UTF-8 text"),
    ],
)
def test_tables_that_do_not_fit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    numbers: Program,
    content: bytes,
    kind: type[Exception],
    message: str,
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message) as raised:
        read_data(Path("rows.csv"), numbers)
    assert "\n" not in str(raised.value)


def test_a_table_needs_features(tmp_path: Path, two_inputs: Program, numbers: Program) -> None:
    (tmp_path / "rows.csv").write_text("1,2\n")
    with pytest.raises(ExportError, match=r"no named features; give an \.npz file with an array for each input"):
        read_data(tmp_path / "rows.csv", two_inputs)
    with pytest.raises(ExportError, match=r"nowhere\.csv: no such file"):
        read_data(tmp_path / "nowhere.csv", numbers)
    with pytest.raises(ExportError, match="cannot be read: Is a directory"):
        read_data(tmp_path, numbers)


HEADER = "year,island,plain,ringed,kind,depth,mass,smoker,else\n"
EXPECTED_X = np.array([[4.25, 1, 2001, 0, np.nan], [np.nan, np.nan, 1999, 1, -3]], np.float32)
EXPECTED_TEXT = np.array([[2, 4, 3], [1, 0, 0]])  # readers take white space alone for a missing value


def as_json(*values: Any) -> str:
    return json.dumps(dict(zip(HEADER.split(","), values, strict=False)))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", HEADER + '2001,São Tomé,dream,true,12,,4.25,0,?\n1999," ",DREAM,,7,-3,"",True,\n'),
        (
            "rows.jsonl",
            as_json(2001, "São Tomé", "dream", True, 12, None, 4.25, 0)
            + "\n\n"
            + as_json(1999, " ", "DREAM", None, 7, -3, None, True),
        ),
    ],
)
def test_tables_of_every_kind(tmp_path: Path, table: Program, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    read = read_data(tmp_path / name, table)
    np.testing.assert_array_equal(read["x"], EXPECTED_X)
    np.testing.assert_array_equal(read["text"], EXPECTED_TEXT)
    assert [values.dtype.name for values in (read["x"], read["text"])] == ["float32", "int64"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "2001,a,b,true,1,,4,,\n", "line 2: smoker: the value is missing"),
        (HEADER + "2001,a,,true,1,,4,1,\n", "line 2: plain: the value is missing"),
        (HEADER + "2001,a,b,maybe,1,,4,1,\n", "line 2: ringed: 'maybe' is neither true nor false"),
        ("year\n1\n", "line 1: .*, and as a header the line lacks plain, island"),
        ('{"year": }\n', "line 1: not JSON"),
        ("{1}\n", "line 1: not JSON"),
    ],
)
def test_tables_of_every_kind_that_do_not_fit(tmp_path: Path, table: Program, content: str, message: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(InvalidInput, match=message):
        read_data(tmp_path / "rows.csv", table)
