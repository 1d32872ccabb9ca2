"""Models of tables, with strings and missing values, against torch on rows that no export has seen."""

import functools
import itertools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from table_module import NUMBERS, STRINGS, TASKS, OnlyNumbers, OnlyStrings, Table, TableModule, example
from tiers import mostly_slow

from edge_export import export
from edge_runtime import Predictor
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.signature import Feature, Task
from edge_runtime.engine.coded_placement import coded_placement

MODULES: dict[str, Callable[[Task], TableModule]] = {"both": Table, "strings": OnlyStrings, "numbers": OnlyNumbers}
Model = tuple[TableModule, onnxruntime.InferenceSession]

# Each kind of inputs and each task, not each with each.
every = pytest.mark.parametrize(
    ("name", "task"),
    mostly_slow(itertools.product(MODULES, TASKS), list(zip(MODULES, (TASKS[1], TASKS[0], TASKS[2]), strict=True))),
)


@functools.cache
def model(name: str, task: Task) -> Model:
    """One of our modules, and its file opened without the runtime."""
    module = MODULES[name](task)
    with tempfile.TemporaryDirectory() as folder:
        (one,) = export(module, example(module), Path(folder) / "model.onnx")
        predictor = Predictor(one.path, device="cpu", verify=True)
        assert predictor.signature == module.signature
        # What it takes for strings where there are many rows, compared on all reference rows.
        assert (coded_placement(predictor._runner.placement, module.signature) is None) == (name == "numbers")
    return module.eval(), onnxruntime.InferenceSession(one.content, providers=["CPUExecutionProvider"])


def assert_same(model: Model, rows: Mapping[str, Any]) -> None:
    module, session = model
    inputs = [tensor.name for tensor in module.signature.inputs]
    codes = {**rows, "text": encode(rows["text"], STRINGS)}
    with torch.no_grad():
        expected = module(*(torch.from_numpy(codes[name]) for name in inputs)).numpy()
    (found,) = session.run(None, {name: rows[name] for name in inputs})
    size = 1000 if module.signature.task == "regression" else 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * size)


def words(feature: Feature) -> st.SearchStrategy[str]:
    known = [str(category) for category in feature.categories]
    bent = st.builds(lambda text, before, after: before + text + after, st.sampled_from(known), SPACES, SPACES)
    return st.one_of(st.sampled_from(["", *known]), bent, st.text(st.characters(exclude_categories=["Cs"]), max_size=9))


SPACES = st.sampled_from(["", " ", "\t", "\n", "\u00a0", "\u200b", "\u0303", "\0", "x"])
MAY_BE_MISSING = [column for column, feature in enumerate(NUMBERS) if feature.missing is not None]


@every
@given(data=st.data())
def test_fresh_rows(name: str, task: Task, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(4, 2, (count, len(NUMBERS))).astype(np.float32)
    for row, column in data.draw(st.sets(st.tuples(st.integers(0, count - 1), st.sampled_from(MAY_BE_MISSING)))):
        x[row, column] = np.nan
    cells = [[data.draw(words(feature)) for feature in STRINGS] for _ in range(count)]
    assert_same(model(name, task), {"x": x, "text": np.array(cells, object)})


@every
def test_every_pattern_of_missing_values(name: str, task: Task) -> None:
    patterns = np.array(list(itertools.product([False, True], repeat=len(MAY_BE_MISSING) + len(STRINGS))))
    x = np.random.default_rng(0).normal(4, 2, (len(patterns), len(NUMBERS))).astype(np.float32)
    text = np.array([[str(feature.categories[-1]) for feature in STRINGS]] * len(patterns), object)
    for place, column in enumerate(MAY_BE_MISSING):
        x[patterns[:, place], column] = np.nan
    text[patterns[:, len(MAY_BE_MISSING) :]] = ""
    assert_same(model(name, task), {"x": x, "text": text})
    for row in range(0, len(patterns), 7):
        assert_same(model(name, task), {"x": x[row : row + 1], "text": text[row : row + 1]})
