"""Models of tables, with strings and missing values, against torch on rows that no export has seen."""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table_module import NUMBERS, TASKS, TEXTS, OnlyNumbers, OnlyTexts, Table, example
from torch import nn

from edge_export import export
from edge_runtime import Predictor
from edge_runtime.contract.category_codes import encode
from edge_runtime.contract.signature import Feature, Task

MODULES: dict[str, type[nn.Module]] = {"both": Table, "texts": OnlyTexts, "numbers": OnlyNumbers}
Model = tuple[nn.Module, onnxruntime.InferenceSession]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Task], Model]:
    """Each of our modules for each task, and its file opened without the runtime."""
    made: dict[tuple[str, Task], Model] = {}
    for (name, kind), task in itertools.product(MODULES.items(), TASKS):
        module = kind(task)
        path = Path(tmp_path_factory.mktemp("models"), "model.onnx")
        (one,) = export(module, example(module), path)
        assert Predictor(path, verify=True).signature == module.signature
        made[name, task] = module.eval(), onnxruntime.InferenceSession(one.content, providers=["CPUExecutionProvider"])
    return made


def assert_same(model: Model, rows: Mapping[str, Any]) -> None:
    module, session = model
    inputs = [tensor.name for tensor in module.signature.inputs]
    codes = {**rows, "text": encode(rows["text"], TEXTS)}
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
MAY_LACK = [column for column, feature in enumerate(NUMBERS) if feature.missing is not None]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_fresh_rows(models: dict[tuple[str, Task], Model], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(4, 2, (count, len(NUMBERS))).astype(np.float32)
    for row, column in data.draw(st.sets(st.tuples(st.integers(0, count - 1), st.sampled_from(MAY_LACK)))):
        x[row, column] = np.nan
    cells = [[data.draw(words(feature)) for feature in TEXTS] for _ in range(count)]
    for model in models.values():
        assert_same(model, {"x": x, "text": np.array(cells, object)})


def test_every_pattern_of_missing_values(models: dict[tuple[str, Task], Model]) -> None:
    patterns = np.array(list(itertools.product([False, True], repeat=len(MAY_LACK) + len(TEXTS))))
    x = np.random.default_rng(0).normal(4, 2, (len(patterns), len(NUMBERS))).astype(np.float32)
    text = np.array([[str(feature.categories[-1]) for feature in TEXTS]] * len(patterns), object)
    for place, column in enumerate(MAY_LACK):
        x[patterns[:, place], column] = np.nan
    text[patterns[:, len(MAY_LACK) :]] = ""
    for model in models.values():
        assert_same(model, {"x": x, "text": text})
        for row in range(0, len(patterns), 7):
            assert_same(model, {"x": x[row : row + 1], "text": text[row : row + 1]})
