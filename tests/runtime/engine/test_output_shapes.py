"""Answers are counted and shaped, on every path that gives some."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_one_line
from wrong_answers import LABELS, WRONG, wrong

from edge_runtime import InferenceFailed, InvalidModel, Predictor, TensorSpec
from edge_runtime.cli.command import main
from edge_runtime.contract.workload import Workload
from edge_runtime.engine.output_shapes import check_shape

SPLIT = Workload(independent=True, cost=1000.0, bytes=40)
ROWS = [[1.0, 2.0], [0.5, -1.0], [3.0, 3.0]]

PATHS: dict[str, Callable[[Predictor], Any]] = {
    "predict": lambda model: model.predict(ROWS),
    "predict of an array": lambda model: model.predict(np.array(ROWS, np.float32)),
    "predict of one row": lambda model: model.predict([ROWS[0]]),
    "predict of many rows": lambda model: model.predict(np.ones((20_000, 2), np.float32)),
    "predict of dicts": lambda model: model.predict([{"a": 1.0, "b": 2.0}] * 3),
    "predict_proba": lambda model: model.predict_proba(ROWS),
    "predict_one": lambda model: model.predict_one(ROWS[0]),
    "predict_one of an array": lambda model: model.predict_one(np.array(ROWS[0], np.float32)),
    "predict_one of a dict": lambda model: model.predict_one({"a": 1.0, "b": 2.0}),
    "score": lambda model: model.score(ROWS, [1.0] * 3),
}
ONE_ROW = ("predict of one row", "predict_one", "predict_one of an array", "predict_one of a dict")


@pytest.mark.parametrize("workload", [None, SPLIT], ids=["whole", "split"])
@pytest.mark.parametrize("batch", ["batch", "others"])
@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_are_none(name: str, task: str, batch: str, workload: Workload | None) -> None:
    try:
        model = Predictor(wrong(name, task, batch, workload), device="cpu")
    except InvalidModel:
        # ONNX Runtime knows it before the call.
        assert "hidden" not in name
        return
    for path, call in PATHS.items():
        is_right = path in ONE_ROW and name in ("one row", "one row of all, hidden")
        if is_right or (path == "predict_proba" and task == "regression"):
            continue
        # The first calls of a path bind buffers, later ones use them.
        for _ in range(3):
            with pytest.raises(InferenceFailed):
                call(model)


def test_the_message_says_what_is_wrong() -> None:
    model = Predictor(wrong("each row twice", "binary", "others"), device="cpu")
    with pytest.raises(InferenceFailed) as raised:
        model.predict(ROWS)
    assert str(raised.value) == "the model returns 6 rows of y for 3"
    model = Predictor(wrong("three axes, hidden", "binary", "others"), device="cpu")
    with pytest.raises(InferenceFailed) as raised:
        model.predict(ROWS)
    assert str(raised.value) == "the model returns an array of shape [3, 1, 1], but declares y: float32 [others, 1]"


def test_run_counts_rows_where_the_model_says_that_they_are_independent() -> None:
    content = wrong("each row twice", "binary")
    assert len(Predictor(content, device="cpu").run({"x": ROWS})["y"]) == 6
    content = wrong("each row twice", "binary", workload=SPLIT)
    for rows in (ROWS, np.ones((20_000, 2), np.float32)):
        with pytest.raises(InferenceFailed, match="rows of y for"):
            Predictor(content, device="cpu").run({"x": rows})


@pytest.mark.parametrize("batch", ["batch", "others"])
@pytest.mark.parametrize("output_format", ["text", "json", "csv"])
def test_the_shell(tmp_path: Path, command: Any, batch: str, output_format: str) -> None:
    (tmp_path / "model.onnx").write_bytes(wrong("each row twice", "binary", batch))
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n3,4\n")
    for words in ((1, 2), ("--input", tmp_path / "rows.csv")):
        result = command(main, tmp_path / "model.onnx", *words, "--format", output_format)
        assert_one_line(result, 1, "")
        assert not result.out


def test_the_shell_writes_no_file_of_wrong_outputs(tmp_path: Path, command: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(wrong("each row twice", "binary", workload=SPLIT))
    (tmp_path / "rows.json").write_text(json.dumps({"x": ROWS}))
    words = ("--input", tmp_path / "rows.json", "--output", tmp_path / "answers.npz")
    assert_one_line(command(main, tmp_path / "model.onnx", *words), 1, "6 rows of y for 3")
    assert not (tmp_path / "answers.npz").exists()


@pytest.mark.parametrize(
    ("output", "rows", "message"),
    [
        (np.ones((3, 2)), 3, None),
        (np.ones((3, 2)), None, None),
        (np.ones((4, 2)), None, None),
        (np.ones((4, 2)), 3, "4 rows of y for 3"),
        (np.ones((0, 2)), 3, "0 rows of y for 3"),
        (np.ones((3, 3)), 3, "an array of shape [3, 3], but declares y: float32 [batch, 2]"),
        (np.ones((3,)), 3, "an array of shape [3], but declares y"),
        (np.ones((3, 2, 1)), None, "an array of shape [3, 2, 1], but declares y"),
        (np.ones(()), 3, "an array of shape [], but declares y"),
        (None, 3, "NoneType, but declares y"),
        ([np.ones((3, 2))], 3, "list, but declares y"),
        ({}, None, "dict, but declares y"),
    ],
)
def test_shapes(output: Any, rows: int | None, message: str | None) -> None:
    spec = TensorSpec("y", "tensor(float)", ("batch", 2))
    if message is None:
        check_shape(output, spec, rows)
        return
    with pytest.raises(InferenceFailed) as raised:
        check_shape(output, spec, rows)
    assert message in str(raised.value)


def test_axes_of_unknown_size_may_have_any() -> None:
    spec = TensorSpec("y", "tensor(float)", ("batch", None, "length", 2))
    check_shape(np.ones((3, 5, 0, 2)), spec, 3)
    with pytest.raises(InferenceFailed):
        check_shape(np.ones((3, 5, 0, 1)), spec, 3)
