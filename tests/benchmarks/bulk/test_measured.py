"""Commands are timed as they should, and goals are of the right ratios."""

import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.bulk import __main__ as command
from benchmarks.bulk import made, measured
from benchmarks.bulk.measured import Bench, Measured, Skipped, launched, shown
from benchmarks.timing import Quartiles, summary

TASK = made.Task(Path("model.onnx"), ["x"], {"label": "int64"})


def value(number: float) -> Quartiles:
    return summary([number])


def test_commands_know_the_columns_and_may_say_their_seconds(tmp_path: Path) -> None:
    wants = f"import os, pathlib; pathlib.Path({str(tmp_path / 'seen')!r}).write_text(os.environ['COLUMNS'])"
    commands = {"says": [sys.executable, "-c", "print(0.125)"], "wants": [sys.executable, "-c", wants]}
    found = launched(commands, 2, TASK, says=("says",), once=True)
    assert [took for took, _ in found["says"]] == [0.125, 0.125]
    assert all(took > 0 and peak > 2**20 for took, peak in found["wants"])
    assert (tmp_path / "seen").read_text() == '{"read": ["x"], "written": {"label": "int64"}}'


def test_without_ray_its_part_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Skipped, match="ray is not installed"):
        measured.ray(Bench(tmp_path, 1, 0.001))


def test_the_slower_of_two_parts_of_the_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two ways to copy, the faster one counts."""
    ratios = {"copy-parquet-whole": value(2.0), "copy-parquet-streamed": value(3.0), "scoring-alone": value(1.5)}
    monkeypatch.setattr(made, "dense", lambda *_: TASK)
    monkeypatch.setattr(measured, "_parquet", lambda *_: Measured("", 1, {}, {}, ratios))
    found = measured.wide(Bench(tmp_path, 1, 0.001)).ratios
    assert found[measured.SLOWER]["median"] == 1.5
    assert found[measured.FASTER]["median"] == 3.0


def test_goals() -> None:
    ratios = {
        "csv": {"copy-csv-whole": value(1.2), "copy-csv-streamed": value(0.9), "pandas": value(0.1)},
        "memory": {".csv": value(1.1), ".parquet": value(1.4)},
    }
    found = {goal.what: command.outcome(goal, ratios.get(goal.part, {})) for goal in command.GOALS}
    verdicts = [(outcome.verdict, outcome.worst) for outcome in found.values()]
    copy, other, _, pandas, _, _, memory, *_ = verdicts
    assert copy == ("met", ("copy-csv-whole", value(1.2)))
    assert other == ("not measured", None)
    assert pandas[0] == "met"
    assert pandas[1] is not None
    assert pandas[1][1]["median"] == pytest.approx(10)
    assert memory == ("missed in 1 of 2", (".parquet", value(1.4)))


def test_what_is_printed() -> None:
    found: Any = Measured("t", 1000, {"a": value(0.5)}, {"a": value(3 * 2**20)})
    assert shown(found) == [("a", "0.50 s (0.50-0.50)", "2,000", "3 MiB")]
