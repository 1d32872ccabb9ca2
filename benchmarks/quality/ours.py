"""`edge-train` as a user gets it: a CSV file, the command with default flags, and the exported artifact on raw rows."""

import csv
import functools
import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.quality.real_tables import RealTable
from benchmarks.quality.scores import coverage
from edge_runtime import Predictor, __version__
from edge_runtime.contract.errors import EdgePredictError

Array = npt.NDArray[Any]

OURS, SINGLE, DISTILLED = "edge-train", "edge-train, 1 member", "edge-train, distilled"
# The options of the command. Smaller networks are there to be compared with ours, and are not ranked.
OPTIONS = {OURS: (), SINGLE: ("--members", "1"), DISTILLED: ("--distill",)}
SMALLER = (SINGLE, DISTILLED)
LEVELS = (0.5, 0.8, 0.9, 0.95)
_SOURCES = ("runtime/edge_runtime", "train/edge_train", "export/edge_export")


@functools.cache
def version() -> str:
    """The version, torch's, and what the code is, so that figures of other code do not count."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted(Path(folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"edge-predict {__version__}, code {digest.hexdigest()[:12]}, torch {importlib.metadata.version('torch')}"


@functools.cache
def options_help() -> str:
    """What `edge-train --help` prints: an earlier version may lack an option that is to be measured."""
    return _run("-m", "edge_train", "--help")


def answers(
    table: RealTable, rows: Array, held: Array, options: tuple[str, ...], artifact: Path
) -> tuple[Array, float, dict[str, float]]:
    """Train on `rows` of `table` and answer `held` by the exported artifact, which is kept.

    Args:
        table: to learn from.
        rows: places of the rows to learn from.
        held: places of the rows to answer.
        options: of `edge-train`, besides the table and its target.
        artifact: the ONNX file to write.

    Returns:
        As `scores` takes answers; the seconds that the command took, starting, reading and testing included; and in
        regression the fraction of the values inside the intervals of each level for which the artifact has some.

    Raises:
        RuntimeError: a command fails, or finds other classes.
    """
    with tempfile.TemporaryDirectory() as folder:
        train, rest, model = (Path(folder) / name for name in ("train.csv", "held.csv", "model.pt"))
        features = table.features
        features.assign(**{str(table.target.name): table.target}).iloc[rows].to_csv(train, index=False)
        features.iloc[held].to_csv(rest, index=False)
        start = time.perf_counter()
        _run("-m", "edge_train", str(train), "--target", str(table.target.name), "--output", folder, *options)
        seconds = time.perf_counter() - start
        _run("-m", "edge_export", str(model), "--format", "onnx")
        artifact.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_bytes(model.with_suffix(".onnx").read_bytes())
        with rest.open(newline="") as lines:
            raw = list(csv.DictReader(lines))
    with Predictor(artifact) as predictor:
        if table.values:
            return predictor.predict(raw), seconds, dict(_coverages(predictor, raw, table.actual[held]))
        return _in_order(predictor, raw, table.classes), seconds, {}


def _in_order(predictor: Predictor, raw: list[dict[str, str]], classes: tuple[str, ...]) -> Array:
    """The probabilities in the order of `classes`."""
    labels = [str(label) for label in predictor.classes_]
    if sorted(labels) != list(classes):
        raise RuntimeError(f"edge-train has the classes {labels}, not {list(classes)}")
    found: Array = predictor.predict_proba(raw)[:, [labels.index(name) for name in classes]]
    return found


def _coverages(predictor: Any, raw: list[dict[str, str]], actual: Array) -> Iterator[tuple[str, float]]:
    """Of the levels for which training held out enough rows."""
    for level in LEVELS if hasattr(predictor, "predict_interval") else ():
        try:
            yield f"{level:g}", coverage(actual, predictor.predict_interval(raw, coverage=level))
        except EdgePredictError:
            continue


def one_row(table: RealTable, fold: int) -> dict[str, Any]:
    """A held-out row with values of Python's own types, as a program has it."""
    row: dict[str, Any] = table.features.iloc[[table.folds[fold][1][0]]].to_dict("records")[0]
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}


def _run(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])}: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return done.stdout
