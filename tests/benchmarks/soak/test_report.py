from pathlib import Path
from typing import Any

import pytest
from benchmarks.pages import write_between
from benchmarks.soak.report import BEGIN, END, Found, markdown, problems


def found(**changes: Any) -> Found:
    """A run in which all holds, with changes."""
    counts = {"calls": {"predict": 1_000_000}, "wrong": {}, "failed": {}, "refused": {}, "messages": []}
    samples = [[float(second), 50.0, 5, 3] for second in range(200)]
    one: dict[str, Any] = {
        "machine": {"processor": "P", "cores": "2 usable", "python": "3.11", "numpy": "2", "onnxruntime": "1.32.0"},
        "seconds": 900.0,
        "counts": counts,
        "wrk": True,
        "lost": 0,
        "times": {"one": [[2e-6, 3e-6, 4e-6]] * 2, "control": [[1e-6, 1e-6, 1e-6]] * 2},
        "samples": {"threads": samples},
    }
    return {**one, **changes}  # type: ignore[typeddict-item]


def test_all_holds() -> None:
    assert problems(found()) == []
    text = markdown(found())
    assert (
        "In 15.0 minutes, 1,000,000 calls, requests and processes: 0 wrong answers, 0 failures, 0 lost requests."
        in text
    )
    assert "| `predict_one` | 2.0 µs | 3.0 µs | 4.0 µs | 2.0 µs | 3.0 µs | 4.0 µs |" in text


def test_what_had_to_be_refused_is_told() -> None:
    counts = {**found()["counts"], "refused": {"predict": 11_988}}
    assert problems(found(counts=counts)) == []
    assert "| predict | 1,000,000 | 0 | 0 | 11,988 |" in markdown(found(counts=counts))


def test_each_thing_that_does_not_hold_is_said() -> None:
    counts = found()["counts"]
    assert problems(found(counts={**counts, "wrong": {"predict": 1}})) == ["1 wrong answers: predict"]
    failed = {**counts, "failed": {"predict": 1}, "messages": ["predict: why"]}
    assert problems(found(counts=failed)) == ["1 failed: predict", "  predict: why"]
    assert problems(found(lost=1)) == ["1 requests were lost"]
    slow = {"one": [[2e-6] * 3, [4e-6] * 3], "control": [[1e-6] * 3, [1.1e-6] * 3]}
    assert problems(found(times=slow)) == ["predict_one takes 1.8 times as long at the end as at the beginning"]
    # The machine is slower, not the program.
    slow["control"][1] = [2e-6] * 3
    assert problems(found(times=slow)) == []


@pytest.mark.parametrize(("column", "what"), [(1, "MB"), (2, "open files"), (3, "threads")])
def test_growth_is_said(column: int, what: str) -> None:
    samples = found()["samples"]["threads"]
    for one in samples:
        one[column] += one[0]
    (line,) = problems(found(samples={"threads": samples}))
    assert line.startswith("threads: ")
    assert what in line


def test_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write_between(page, BEGIN, END, "new\n")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="has no lines"):
        write_between(page, BEGIN, END, "new")
