"""What the table of the zoo says of a run, and where it is put."""

from pathlib import Path

import pytest
from benchmarks.pages import write_between
from benchmarks.zoo.child import Outcome, Verdict
from benchmarks.zoo.runner import Row, is_failure
from benchmarks.zoo.table import BEGIN, END, line, markdown, summary
from paths import ROOT

MACHINE = {"processor": "a processor", "cores": "2 usable", "torch": "2.13.0", "onnxruntime": "1.32.0"}


def row(name: str, bare: Verdict, ours: Verdict) -> Row:
    return {"name": name, "family": "classical", "weights": "random", "bare": out(bare, 2), "ours": out(ours, 3)}


def out(verdict: Verdict, cpu: float) -> Outcome:
    outcome: Outcome = {"verdict": verdict, "cpu": cpu, "before": 10**8, "peak": 3 * 10**8, "parameters": 12345}
    if verdict in ("right", "wrong"):
        outcome["size"] = 10**6
    if verdict != "right":
        outcome["reason"] = f"a reason for {verdict}"
    return outcome


@pytest.mark.parametrize(
    ("bare", "ours", "failure"),
    [
        ("right", "right", False),
        ("wrong", "right", False),
        ("wrong", "refused", False),
        ("refused", "refused", False),
        ("right", "refused", True),
        ("right", "wrong", True),
        ("wrong", "wrong", True),
        ("refused", "broken", True),
    ],
)
def test_what_falls_short(bare: Verdict, ours: Verdict, failure: bool) -> None:
    one = row("net", bare, ours)
    assert is_failure(one) == failure
    assert line(one).startswith("!" if failure else " ")


def test_the_summary_counts() -> None:
    rows = [
        row("a", "right", "right"),
        row("b", "right", "refused"),
        row("c", "wrong", "right"),
        row("d", "broken", "refused"),
    ]
    text = summary(rows)
    assert text.startswith("Of 4 networks, torch's exporter gets 2 right and 1 wrong, and makes no file of 1.")
    assert "exports 1 of the 2, and 1 of the others; 0 wrong files" in text
    assert "1.5 times the processor seconds" in text


def test_every_network_and_every_reason_is_in_the_table() -> None:
    text = markdown([row("a", "right", "right"), row("b", "wrong", "refused")], MACHINE)
    assert "| classical | a | 12.3 k | right | right | 2.0 | 3.0 | 1.5 |" in text
    assert "- b, wrong by torch's exporter: `a reason for wrong`" in text
    assert "- b, refused by edge-predict: `a reason for refused`" in text


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write_between(page, BEGIN, END, "new\n")
    write_between(page, BEGIN, END, "newer\n")
    assert page.read_text() == f"before\n{BEGIN}\nnewer\n\n{END}after\n"


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="has no lines"):
        write_between(page, BEGIN, END, "new")
    assert page.read_text() == "nothing\n"


def test_the_page_of_modules_has_the_marks() -> None:
    text = (ROOT / "docs" / "modules.md").read_text()
    assert text.index(BEGIN) < text.index(END)
