"""Artifacts by runtimes, as text."""

from pathlib import Path

import pytest
from tests.everywhere.runtimes import Runtime, Verdict
from tests.everywhere.table import Column, is_in_order, table

PATHS = [Path("a.onnx"), Path("b.onnx")]
OLD = Runtime(("Python", "1.17.0", "1.26.0"), lambda paths: [], frozenset({"b"}))


def test_the_table() -> None:
    columns = [
        Column(OLD, [Verdict(None, 0.126), Verdict("b is nan")]),
        Column(Runtime(("Node", "", ""), None, absent="node is not installed"), None),
    ]
    assert list(table(PATHS, columns)) == [
        "               Python     Node",
        "ONNX Runtime   1.17.0         ",
        "numpy          1.26.0         ",
        "a.onnx            13%        -",
        "b.onnx        refused        -",
        "pass           1 of 2  not run",
        "Python 1.17.0 1.26.0: b.onnx (known): b is nan",
        "Node: not run here: node is not installed",
    ]


@pytest.mark.parametrize(
    ("problems", "is_right"),
    [((None, "nan"), True), ((None, None), False), (("nan", "nan"), False), (("nan", None), False)],
)
def test_known_faults_must_show_and_no_other(problems: tuple[str | None, ...], is_right: bool) -> None:
    assert is_in_order(PATHS, Column(OLD, [Verdict(problem) for problem in problems])) is is_right


def test_what_cannot_run_does_not_fail() -> None:
    assert is_in_order(PATHS, Column(Runtime(("Node", "", ""), None, absent="no node"), None))
