"""What `--distill` prints, measures and writes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pages import Page

from edge_train import load_checkpoint
from edge_train.cli.command import main
from edge_train.loop import distillation

Command = Callable[..., Any]


@pytest.mark.parametrize("target", ["flag", "mass"])
def test_a_distilled_network_is_measured_beside_its_members(
    command: Command, table: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr(distillation, "_STEPS", 160)
    options = ["--target", target, "--epochs", 3, "--members", 3]
    plain = command(main, table, *options, "--output", "plain")
    result = command(main, table, *options, "--output", "small", "--distill", "--report", "small/train.html")
    assert (plain.code, result.code) == (0, 0), result.err
    of_members, document = (json.loads((Path(name) / "metrics.json").read_text()) for name in ("plain", "small"))
    ensemble = document["test"].pop("ensemble")
    assert ensemble.pop("members") == 3
    assert ensemble == {name: of_members["test"][name] for name in ensemble}
    # The members still tell all that needs rows held out.
    assert document["test"].keys() == of_members["test"].keys()
    name, key = ("RMSE", "rmse") if target == "mass" else ("log loss", "log_loss")
    shown = f"{name} {ensemble[key]:.4g} before, {document['test'][key]:.4g} after"
    assert ensemble[key] != document["test"][key]
    assert sum(line.startswith(f"distilled from 3 members: {shown}, ") for line in result.out.splitlines()) == 1
    large, small = (load_checkpoint(Path(name) / "model.pt") for name in ("plain", "small"))
    assert (large.members, small.members) == (3, 1)
    assert small.signature == large.signature
    assert "ensemble" not in of_members["test"]
    page = Page(Path("small/train.html").read_text("utf-8")).text
    assert "The 3 members were then distilled into one network" in page
    assert f"{name} {ensemble[key]:.4g} {document['test'][key]:.4g}" in page
