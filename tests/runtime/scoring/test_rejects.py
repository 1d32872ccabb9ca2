import csv
import io

from edge_runtime.scoring.rejects import HEADER, Rejected, rejects_lines


def test_lines_have_the_row_as_it_is() -> None:
    rows = [Rejected(3, 4, "x", "'a' is not a number", '"a\n",1', "f.csv"), Rejected(5, None, "", "why", "{}", "f")]
    found = list(csv.DictReader(io.StringIO((HEADER + rejects_lines(rows)).decode(), newline="")))
    assert [one["record"] for one in found] == ['"a\n",1', "{}"]
    assert [one["row"] for one in found] == ["3", "5"]
    assert rejects_lines([]) == b""
    assert [str(row) for row in rows] == ["f.csv line 4: x: 'a' is not a number", "f row 5: why"]
