"""Each value is read once, whatever is done with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paths import MODELS

from edge_runtime.cli.command import main
from edge_runtime.contract import values
from edge_runtime.rows import csv_rows, json_rows, row_reader, words

PENGUINS = MODELS / "penguins.onnx"
ROW = ["Dream", "40", "3000", "true", "2007"]
HEADER = "island,bill,mass,ringed,year\n"
LINE = ",".join(ROW) + "\n"
OBJECT = json.dumps({"island": "Dream", "bill": 40, "mass": 3000, "ringed": True, "year": 2007}) + "\n"
ARRAY = '["Dream", 40, 3000, true, 2007]\n'

Command = Callable[..., Any]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The features of the values that were read, in the order of the calls."""
    features: list[str] = []
    original = values.read_value

    def counting(value: Any, feature: Any) -> Any:
        features.append(feature.name)
        return original(value, feature)

    for module in (csv_rows, json_rows, row_reader, words):
        monkeypatch.setattr(module, "read_value", counting)
    return features


@pytest.mark.parametrize("flags", [[], ["--flag-unseen"]])
@pytest.mark.parametrize("output_format", ["text", "json", "csv"])
@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (None, 1),
        (HEADER + LINE, 1),
        (LINE, 1),
        (LINE + LINE, 2),
        (LINE.replace(",", "\t"), 1),
        (OBJECT, 1),
        (ARRAY + OBJECT, 2),
    ],
    ids=["words", "header", "no header", "two lines", "tabs", "JSON object", "JSON lines"],
)
def test_five_values_take_five_calls(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    read: list[str],
    content: str | None,
    rows: int,
    output_format: str,
    flags: list[str],
) -> None:
    """Row by row, as it is where pyarrow is not installed."""
    given: list[object] = [*ROW]
    if content is not None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        path = tmp_path / ("rows.tsv" if "\t" in content else "rows")
        path.write_text(content)
        given = ["--input", path]
    assert command(main, PENGUINS, *given, "--format", output_format, *flags).code == 0
    assert read == ["island", "bill", "mass", "ringed", "year"] * rows


@pytest.mark.parametrize(
    "words", [ROW, ["year=2007", "ringed=1", "bill=40", "mass=", "island=Dream"], ["ringed=1", "bill=4", "island="]]
)
def test_words_alone(command: Command, read: list[str], words: list[str]) -> None:
    assert command(main, PENGUINS, *words).code == 0
    assert read == ["island", "bill", "mass", "ringed", "year"]
