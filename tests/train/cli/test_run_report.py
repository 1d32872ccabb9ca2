"""The page on a training run beside its other files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_train.cli.command import main

Command = Callable[..., Any]


def test_a_report_of_the_same_run_has_the_same_bytes(command: Command, table: Path) -> None:
    contents = []
    for folder in ("one", "two"):
        arguments = ["--target", "mass", "--epochs", 2, "--output", folder, "--report", f"{folder}/train.html"]
        result = command(main, table, *arguments)
        assert (result.code, result.err) == (0, "")
        assert result.out.endswith(f"wrote {folder}/train.html\n")
        contents.append(Path(folder, "train.html").read_bytes())
    assert contents[0] == contents[1]
    page = contents[0].decode()
    assert "<title>Training on t.csv</title>" in page
    document = json.loads(Path("one/metrics.json").read_text())
    assert f'<td><code>test.rmse</code></td><td class="text">{document["test"]["rmse"]:.6g}</td>' in page


def test_a_report_that_cannot_be_drawn_costs_no_model(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge_train.report import page

    def fail(*_: Any) -> str:
        raise MemoryError

    monkeypatch.setattr(page, "write_report", fail)
    Path("train.html").write_text("earlier")
    assert command(main, "--epochs", 1, "--report", "train.html").code == 1
    assert Path("model.pt").exists()
    assert Path("train.html").read_text() == "earlier"
