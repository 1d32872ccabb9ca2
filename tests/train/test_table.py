from pathlib import Path

import numpy as np
import pytest

from edge_train import TableError, read_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_reads_a_table(path: Path) -> None:
    path.write_text('\ufeff"a, long",label , b\n1,yes,-2e3\n\n 3.5 , no,0\n', encoding="utf-8")
    table = read_table(path, "label")
    assert table.feature_names == ("a, long", "b")
    np.testing.assert_array_equal(table.rows, np.array([[1, -2000], [3.5, 0]], np.float32))
    assert table.rows.dtype == np.float32
    assert table.target.tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["0", "1"], [0, 1]),
        (["-1", "1"], [-1, 1]),
        (["0.0", "1.0"], [0.0, 1.0]),
        (["0.5", "1.5"], [0.5, 1.5]),
        (["0", "1.0"], ["0", "1.0"]),
        (["01", "1"], ["01", "1"]),
        (["nan", "inf"], ["nan", "inf"]),
        (["True", "False"], ["True", "False"]),
        (["1_0", "2"], ["1_0", "2"]),
        ([str(10**30), "1"], [str(10**30), "1"]),
        (["ja", "für"], ["ja", "für"]),
    ],
)
def test_classes_keep_what_they_are(path: Path, classes: list[str], expected: list[object]) -> None:
    path.write_text("x,c\n" + "".join(f"1,{label}\n" for label in classes), encoding="utf-8")
    found = read_table(path, "c").target.tolist()
    assert found == expected
    assert [type(label) for label in found] == [type(label) for label in expected]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty; a header"),
        (b"x,c\n", "a header but no rows"),
        (b"x,c\n1,a\n2\n", "line 3: 1 values, but the header has 2 columns"),
        (b"x,c\n1,a,9\n", "line 2: 3 values"),
        (b"x,c\none,a\n", "line 2: x: 'one' is no number; remove the column or code it as numbers"),
        (b"x,c\n,a\n", "line 2: x is empty"),
        (b"x,c\n1,\n", "line 2: c is empty"),
        (b"x,c\nnan,a\n", "line 2: x is nan; a finite number"),
        (b"x,c\n1e300,a\n", "line 2: x: 1e300 does not fit float32"),
        (b"x,c\n1e400,a\n", "line 2: x: 1e400 does not fit float32"),
        (b"x,c\n1,a\n,\n", "line 3: c is empty"),
        (b'x,c\n1,"a\nb"\n', "c has a line break"),
        (b"x,c\n1700000000,a\n1700000030,b\n", "x runs from 1700000000 to 1700000030, and float32 cannot tell"),
        (b"x,d\n1,a\n", "has no column 'c'; its columns are x, d"),
        (b"x,x,c\n1,2,a\n", "names x more than once"),
        (b"x,,c\n1,2,a\n", "column 2 has no name"),
        (b"c\na\n", "no column beside the target"),
        (b"x,c\n1,\xff\n", "is not UTF-8 text"),
        (b'x,c\n1,"a\n', "not CSV"),
    ],
)
def test_bad_tables(path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        read_table(path, "c")
