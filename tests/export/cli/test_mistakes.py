"""Mistakes in the command line and missing files are reported before torch is imported, which takes seconds."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest


class Mistake(NamedTuple):
    arguments: list[str]
    code: int
    message: str


MODULE = ["model.pt", "--module", "a:b", "--example", "rows.npz"]
MISTAKES: Mapping[str, Mistake] = {
    "no MODEL": Mistake([], 2, "MODEL"),
    "MODEL is missing": Mistake(["nowhere.pt"], 1, "nowhere.pt: no such file"),
    "MODEL is a folder": Mistake(["."], 1, ". is a folder, not a file"),
    "--data is missing": Mistake(["model.pt", "--data", "nowhere.csv"], 1, "nowhere.csv: no such file"),
    "--data is a folder": Mistake(["model.pt", "--data", "folder"], 1, "folder is a folder, not a file"),
    "--example is missing": Mistake([*MODULE[:-1], "nowhere.npz"], 1, "nowhere.npz: no such file"),
    "--labels is missing": Mistake(["model.pt", "--labels", "nowhere.txt"], 1, "nowhere.txt: no such file"),
    "--from-logits without --labels": Mistake(["model.pt", "--from-logits"], 2, "is for --labels (labels=...)"),
    "int8 without --data": Mistake(["model.pt", "--precision", "int8"], 2, "int8 is calibrated on rows like those"),
    "TorchScript in a lower precision": Mistake(
        ["model.pt", "--format", "torchscript", "--precision", "float16"], 2, "torchscript is made in float32 only"
    ),
    "an unknown format": Mistake(["model.pt", "--format", "pickle"], 2, "pickle"),
    "an unknown precision": Mistake(["model.pt", "--precision", "int4"], 2, "int4"),
    "an unknown option": Mistake(["model.pt", "--nothing"], 2, "--nothing"),
    "a misspelt option": Mistake(["model.pt", "--formt", "onnx"], 2, "--format"),
    "flips beyond 1": Mistake(["model.pt", "--max-flips", "2"], 2, "--max-flips"),
    "flips that are not a number": Mistake(["model.pt", "--max-flips", "nan"], 2, "max flips is nan; give a fraction"),
    "an infinite change": Mistake(["model.pt", "--max-change", "inf"], 2, "max change is inf; give a number from 0"),
    "--dynamic without --module": Mistake(["model.pt", "--dynamic", "x=batch"], 2, "--dynamic are for --module"),
    "--example without --module": Mistake(["model.pt", "--example", "rows.npz"], 2, "--example and --dynamic are for"),
    "--module without --example": Mistake(["model.pt", "--module", "a:b"], 2, "--module needs --example, an .npz"),
    "--dynamic without axes": Mistake([*MODULE, "--dynamic", "x"], 2, "--dynamic x: write it as name=axis,axis, such"),
    "--dynamic without a name": Mistake([*MODULE, "--dynamic", "=batch"], 2, "write it as name=axis,axis"),
    "--ranges without a range": Mistake(["model.pt", "--ranges", "x"], 2, "--ranges x: write it as name=low:high"),
    "--ranges without a name": Mistake(["model.pt", "--ranges", "=0:1"], 2, "--ranges =0:1: write it as name=low:high"),
    "--ranges with one end": Mistake(["model.pt", "--ranges", "x=0:1,2"], 2, "--ranges x=0:1,2: write it as name=low:"),
    "--ranges of words": Mistake(["model.pt", "--ranges", "x=a:b"], 2, "--ranges x=a:b: write it as name=low:high"),
    "a limit of other commands": Mistake(
        ["model.pt", "--limit", "columns=2"],
        2,
        "columns has no effect here; the limits that have are line_bytes, json_depth, unpacked_bytes, pipe_seconds (",
    ),
    "--sign is missing": Mistake(["model.pt", "--sign", "nowhere.pem"], 1, "sign: nowhere.pem: no such file"),
    "--sign with another file": Mistake(["model.pt", "--sign", "model.pt"], 1, "model.pt is not a private key in PEM"),
    "an artifact for MODEL": Mistake(
        ["model.onnx"], 1, "model.onnx has the name of a file that an export makes; give "
    ),
    "an artifact for weights": Mistake(
        ["model.onnx", *MODULE[1:]], 1, "(edge-predict runs .onnx and .ort files as they are)"
    ),
    "an output over --data": Mistake(["model.pt", "--data", "model.onnx"], 1, "model.onnx would be overwritten by"),
    "a report over an output": Mistake(["model.pt", "--report", "model.onnx"], 1, "model.onnx would be overwritten"),
    "a file for a folder": Mistake(["model.pt", "--output", "model.pt"], 1, "model.pt is a file, not a folder"),
    "a folder that cannot be made": Mistake(["model.pt", "--output", "/proc/new"], 1, "can be written in /proc/new"),
    "a folder for the report": Mistake(["model.pt", "--report", "folder"], 1, "folder is a folder; move it, or"),
}

SCRIPT = """
import contextlib, io, json, sys
from edge_export.cli.command import main

found = {}
for name, arguments in json.loads(sys.argv[1]).items():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    found[name] = [code, out.getvalue(), err.getvalue(), "torch" in sys.modules or "onnx" in sys.modules]
print(json.dumps(found))
"""

Found = tuple[Path, Mapping[str, tuple[int, str, str, bool]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """The folder, and what the command says in it of each mistake, all of them in one fresh interpreter."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "folder").mkdir()
    for name in ("model.pt", "model.onnx", "rows.npz"):
        (folder / name).touch()
    command = [sys.executable, "-c", SCRIPT, json.dumps({name: given.arguments for name, given in MISTAKES.items()})]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    return folder, json.loads(result.stdout)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_torch_is_not_imported(found: Found, name: str) -> None:
    code, out, err, imported = found[1][name]
    assert (code, out) == (MISTAKES[name].code, "")
    assert err.startswith("error: ")
    assert MISTAKES[name].message in err
    assert err.count("\n") == 1
    assert ("(see --help)" in err) == (code == 2)
    assert not imported


def test_no_mistake_leaves_anything_behind(found: Found) -> None:
    assert sorted(path.name for path in found[0].iterdir()) == ["folder", "model.onnx", "model.pt", "rows.npz"]
    assert not (found[0] / "model.onnx").read_bytes()


@pytest.mark.slow
def test_the_exporter_itself_does_import_torch() -> None:
    """So that the check above can fail."""
    script = """
import sys, edge_export, edge_export.options
print("torch" in sys.modules)
edge_export.export
print("torch" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True"]
