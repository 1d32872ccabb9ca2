"""The whole way at the shell, from a table to answers, held against torch on every row."""

import atexit
import csv
import functools
import importlib.util
import json
import shutil
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
import torch
from paths import EXAMPLE_TABLES
from tiers import mostly_slow

from edge_export.cli.command import main as edge_export
from edge_runtime import Predictor
from edge_runtime.cli.command import main as edge_predict
from edge_runtime.contract.category_codes import codes_of
from edge_train import Column, DroppedColumn, Network, find_columns, load_checkpoint, read_table
from edge_train.cli.command import main as edge_train
from edge_train.networks.answers import named_outputs


def _example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_tables", EXAMPLE_TABLES)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TABLES = _example()


def from_torch(table: Path, target: str, model: Network) -> npt.NDArray[np.float32]:
    """What torch gives for every row, by the training side's reading and encoding of the table."""
    found = find_columns(read_table(table).drop_columns([target]), table)
    columns = {column.name: column for column in found if not isinstance(column, DroppedColumn)}
    inputs = {}
    for tensor in model.signature.inputs:
        values = []
        for feature in tensor.features:
            column: Column = columns[feature.name]
            if tensor.holds_strings:
                known = codes_of(feature)
                codes = np.array([*(known.get(str(word), 0) for word in column.categories), known[""]])
                values.append(codes[column.values])
            else:
                values.append(column.values)
        inputs[tensor.name] = torch.from_numpy(np.stack(values, 1))
    with torch.inference_mode():
        answers: npt.NDArray[np.float32] = named_outputs(model, inputs)[model.signature.output].numpy()
    return answers


@functools.cache
def trained_on(name: str) -> Path:
    """A folder with a table, a model that was trained on it, and its export; made once in a process."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    table = folder / f"{name}.csv"
    TABLES.write_birds(table) if name == "birds" else TABLES.write_scikit_learn(name, table)
    target = ["--target", TABLES.TARGETS[name]]
    assert edge_train([str(table), *target, "--output", str(folder), "--epochs", "30"]) == 0
    assert edge_export([str(folder / "model.pt"), "--format", "onnx"]) == 0
    return folder


@pytest.mark.parametrize("name", mostly_slow(TABLES.TARGETS, ["birds"]))
def test_from_a_table_to_answers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = trained_on(name)
    table, target, artifact = folder / f"{name}.csv", TABLES.TARGETS[name], folder / "model.onnx"
    assert edge_predict([str(artifact), "--verify"]) == 0
    capsys.readouterr()

    # The table itself goes in, with its header and its target, which is not looked at.
    assert edge_predict([str(artifact), "--input", str(table), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert err == f"{table}: ignored columns: {', '.join(ignored(table, artifact))}\n"
    found = [json.loads(line) for line in out.splitlines()]
    model = load_checkpoint(folder / "model.pt")
    expected = from_torch(table, target, model)
    if model.signature.task == "regression":
        answers = np.array([[answer["value"]] for answer in found])
        np.testing.assert_allclose(answers, expected, rtol=1e-5, atol=1e-4)
        return
    answers = np.array([list(answer["probabilities"].values()) for answer in found])
    if expected.shape[1] == 1:
        expected = np.concatenate([1 - expected, expected], 1)
    np.testing.assert_allclose(answers, expected, rtol=0, atol=2e-6)
    labels = np.array(model.signature.labels)
    predicted = np.array([answer["label"] for answer in found])
    clear = np.sort(expected, 1)[:, -1] - np.sort(expected, 1)[:, -2] > 1e-5
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(predicted[clear], labels[expected.argmax(1)][clear])
    # The first rows by their words too, and by names in another order, as users type them.
    with table.open(encoding="utf-8", newline="") as file:
        for row, answer in zip(list(csv.DictReader(file))[:3], found, strict=False):
            words = [row[feature.name] for feature in model.signature.features]
            named = [f"{feature.name}={row[feature.name]}" for feature in reversed(model.signature.features)]
            for given in (words, named):
                assert edge_predict([str(artifact), *given, "--format", "json"]) == 0
                assert json.loads(capsys.readouterr().out)["label"] == answer["label"]


def ignored(table: Path, artifact: Path) -> list[str]:
    """The columns that the model does not take: the target, and what training dropped."""
    signature = Predictor(artifact, device="cpu").signature
    assert signature is not None
    names = {feature.name for feature in signature.features}
    return [name for name in read_table(table).column_names if name not in names]


def test_frames_of_every_library_are_read_as_the_file_is() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    folder = trained_on("birds")
    table = folder / "birds.csv"
    predictor = Predictor(folder / "model.onnx", device="cpu")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    frame = pandas.read_csv(table)
    expected = from_torch(table, "species", load_checkpoint(folder / "model.pt"))
    for given in (
        frame,
        frame.convert_dtypes(),
        polars.read_csv(table, null_values=["NA"]),
        pa.Table.from_pandas(frame),
        frame.to_dict("records"),
    ):
        np.testing.assert_allclose(predictor.predict_proba(given), expected, rtol=0, atol=2e-6)
    assert predictor.predict_one({name: frame.iloc[0][name] for name in rows[0]}).label == predictor.predict(frame)[0]
