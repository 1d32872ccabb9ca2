"""Arrays at the shell: labels for them, and the outputs of any ONNX file."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line, by_reader
from paths import MODELS
from tensor_models import IMAGE

from edge_runtime import Predictor
from edge_runtime.cli.command import main

IMAGES, WORDS, OUTPUTS, TENSORS, FOUR_BLOBS = (
    MODELS / f"{name}.onnx" for name in ("images", "words", "outputs", "tensors", "four_blobs")
)
Command = Callable[..., Any]


@pytest.fixture
def batch() -> Any:
    return np.random.default_rng(0).normal(size=(3, *IMAGE)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path, batch: Any) -> dict[str, Path]:
    """The same images in files of all kinds."""
    found = {ending: tmp_path / f"images{ending}" for ending in (".npz", ".npy", ".json", ".txt")}
    np.savez(found[".npz"], image=batch)
    np.save(found[".npy"], batch)
    found[".json"].write_text(json.dumps({"image": batch.tolist()}))
    found[".txt"].write_text(json.dumps(batch.tolist()))
    return found


def test_labels_from_every_kind_of_file(command: Command, files: dict[str, Path], batch: Any) -> None:
    predictor = Predictor(IMAGES)
    labels, probabilities = predictor.predict(batch), predictor.predict_proba(batch)
    answers = [f"label {label}  probability {row.max():.4f}" for label, row in zip(labels, probabilities, strict=True)]
    for path in files.values():
        assert command(main, IMAGES, "--input", path) == (0, "\n".join([*answers, ""]), "")
    lines = command(main, IMAGES, "--input", files[".npz"], "--format", "json").out.splitlines()
    for line, row in zip(lines, probabilities.tolist(), strict=True):
        assert list(json.loads(line)["probabilities"]) == ["cat", "dog", "fox"]
        assert list(json.loads(line)["probabilities"].values()) == pytest.approx(row)
    header, *rows = csv.reader(command(main, IMAGES, "--input", files[".npy"], "--format", "csv").out.splitlines())
    assert header == ["label", "probability", "probability_cat", "probability_dog", "probability_fox"]
    assert [row[0] for row in rows] == labels.tolist()


def test_one_image(command: Command, tmp_path: Path, batch: Any, files: dict[str, Path]) -> None:
    np.save(tmp_path / "one.npy", batch[0])
    first = command(main, IMAGES, "--input", files[".npy"]).out.splitlines()[0]
    assert command(main, IMAGES, "--input", tmp_path / "one.npy").out.splitlines() == [first]


def test_other_arrays_are_ignored(command: Command, tmp_path: Path, batch: Any) -> None:
    np.savez(tmp_path / "more.npz", target=[1, 2, 3], image=batch)
    found = command(main, IMAGES, "--input", tmp_path / "more.npz")
    assert found.err == f"{tmp_path / 'more.npz'}: ignored arrays: target\n"
    assert len(found.out.splitlines()) == 3


def test_several_inputs(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "words.json"
    path.write_text('{"ids": [[1, 2, 3], [40, 3, 2]], "mask": [[true, true, false], [true, true, true]]}')
    assert (
        command(main, WORDS, "--input", path).out == "label dull  probability 0.7006\nlabel witty  probability 0.6225\n"
    )


@pytest.mark.parametrize("model", [OUTPUTS, FOUR_BLOBS])
@pytest.mark.parametrize("ending", [".npz", ".json"])
def test_raw_outputs(command: Command, tmp_path: Path, model: Path, ending: str) -> None:
    """Of a file without a signature, and of one with: what `Predictor.run` gives, in place of a file or beside it."""
    rows = np.array([[0.1, -2], [3, np.pi]], np.float32)
    np.savez(tmp_path / "rows.npz", x=rows)
    output = tmp_path / "new" / f"out{ending}"
    assert command(main, model, "--input", tmp_path / "rows.npz", "--output", output) == (0, "", "")
    expected = Predictor(model).run({"x": rows})
    found = dict(np.load(output)) if ending == ".npz" else json.loads(output.read_text())
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name], values.dtype), values)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_raw_outputs_on_stdout(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"x": [[1, 2], [NaN, -3]]}')
    for words in ((), ("--format", "json")):
        found = command(main, OUTPUTS, "--input", tmp_path / "x.json", *words)
        assert found.code == 0
        assert json.loads(found.out) == {
            "y": [[2.5, -2.5], [None, 3.75]],
            "largest": [0, 0],
            "positive": [[True, False], [False, True]],
        }


def test_tensors_of_every_type(command: Command, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "float16": np.ones((1, 2), np.float16),
        "float32": [[0.1, float("inf")]],
        "float64": [0.1],
        "int8": [-3],
        "int64": [2**60],
        "uint8": [1, 2, 3],
        "bool": [True],
        "string": ["ä"],
        "scalar": 2,
    }
    np.savez(tmp_path / "values.npz", **values)
    output = tmp_path / "out.npz"
    assert command(main, TENSORS, "--input", tmp_path / "values.npz", "--output", output).code == 0
    found = np.load(output, allow_pickle=False)
    assert {name: found[f"{name}_out"].tolist() for name in values} == {
        name: np.asarray(value, np.float32 if name == "float32" else None).tolist() for name, value in values.items()
    }
    plain = json.loads(command(main, TENSORS, "--input", tmp_path / "values.npz").out)
    assert plain["float32_out"] == [[0.1, None]]
    assert (plain["string_out"], plain["scalar_out"], plain["int64_out"]) == (["ä"], 2, [2**60])


def test_one_output_as_npy(command: Command, files: dict[str, Path], batch: Any, tmp_path: Path) -> None:
    output = tmp_path / "out.npy"
    assert command(main, IMAGES, "--input", files[".npy"], "--output", output).code == 0
    np.testing.assert_array_equal(np.load(output), Predictor(IMAGES).predict_proba(batch))


@pytest.mark.parametrize(
    ("model", "words", "code", "message"),
    [
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--output", "FOLDER/out.npy"], 1, "out.npy can hold one array, and"),
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--output", "FOLDER/out.txt"], 2, "its name must end in .csv"),
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--output", "FOLDER/x.npz"], 2, "would overwrite the input"),
        (
            OUTPUTS,
            ["--input", "FOLDER/x.npz", "--output", "FOLDER/o.npz", "--top", "2"],
            2,
            "--top, --flag-unseen and --interval",
        ),
        (OUTPUTS, ["--output", "FOLDER/out.npz", "--describe"], 2, "--output needs --input FILE"),
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--output", "FOLDER/x.npz/out.npz"], 1, "x.npz is a file, not a folder"),
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--format", "csv"], 2, "does not say what its outputs mean"),
        (OUTPUTS, ["--input", "FOLDER/x.npz", "--top", "2"], 2, "does not say what its outputs mean"),
        (OUTPUTS, ["--input", "FOLDER/y.npz"], 1, "takes x: float32 [batch, 2]: missing x, unknown y"),
        (OUTPUTS, ["--input", "FOLDER/rows.csv"], 1, by_reader("has no rows", "rows.csv needs the package pyarrow")),
        (OUTPUTS, ["--input", "FOLDER/5.json"], 1, "JSON must be an array, or an object"),
        (OUTPUTS, ["--input", "FOLDER/deep.json"], 1, "deeper than 100 levels"),
        (OUTPUTS, ["--input", "FOLDER/nothing.npz"], 1, "no such file"),
        (OUTPUTS, ["--input", "FOLDER/null.json"], 1, "x: float32 is expected, found objects"),
        (OUTPUTS, ["1", "2"], 1, "--input arrays.npz"),
        (IMAGES, ["1", "2"], 2, "give a file of arrays with --input"),
        (IMAGES, ["--input", "FOLDER/x.npz"], 1, "missing image, unknown x"),
        (IMAGES, ["--input", "FOLDER/x.npy"], 1, "takes image: float32 [batch, 2, 3, 4], found shape [1, 2]"),
        (IMAGES, ["--input", "FOLDER/x.npy", "--flag-unseen"], 2, "--flag-unseen is for rows of named features"),
        (WORDS, ["--input", "FOLDER/x.npy"], 1, "give an array for each of them, by its name"),
        (FOUR_BLOBS, ["1", "2", "--output", "FOLDER/out.npz"], 2, "--output needs --input FILE"),
    ],
)
def test_mistakes(command: Command, tmp_path: Path, model: Path, words: list[str], code: int, message: str) -> None:
    np.savez(tmp_path / "x.npz", x=[[1.0, 2]])
    np.savez(tmp_path / "y.npz", y=[[1.0, 2]])
    np.save(tmp_path / "x.npy", [[1.0, 2]])
    texts = {"rows.csv": "1,2\n", "5.json": "5", "deep.json": 100_000 * "[", "null.json": '{"x": [[null, 1]]}'}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    before = sorted(tmp_path.iterdir())
    result = command(main, model, *(word.replace("FOLDER", str(tmp_path)) for word in words))
    assert result.out == ""
    assert_one_line(result, code, message)
    assert sorted(tmp_path.iterdir()) == before
