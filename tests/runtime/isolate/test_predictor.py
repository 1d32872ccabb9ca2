"""`IsolatedPredictor`: the answers of `Predictor`, from another process."""

import contextlib
import copy
import functools
import gc
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import penguin_rows
import pytest
import sales
from concurrency import in_threads
from confined import process_of
from hypothesis import given, settings
from hypothesis import strategies as st
from identical import assert_identical
from paths import FOUR_BLOBS, MODELS
from tensor_models import IMAGE

from edge_runtime import (
    DeviceUnavailable,
    EdgePredictError,
    InvalidInput,
    InvalidModel,
    IsolatedPredictor,
    ModelNotFound,
    NoProbabilities,
    Predictor,
    PredictorClosed,
)
from edge_runtime.description import description
from edge_runtime.engine.installation import numbers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")

values = st.floats(width=32) | st.integers(-1000, 1000)
DESCRIPTORS = Path("/dev/fd")
ROWS: dict[str, st.SearchStrategy[Any]] = {
    "four_blobs": st.lists(st.tuples(values, values), max_size=5),
    "three_labels": st.lists(st.lists(values, min_size=2, max_size=2), max_size=5),
    "mass": st.lists(st.lists(values, min_size=2, max_size=2), max_size=5),
    "penguins": st.lists(st.sampled_from(penguin_rows.ROWS), max_size=5),
    "sales": st.lists(st.sampled_from([*sales.WRITTEN, *sales.VALUES]), max_size=5),
    "islands": st.lists(st.fixed_dictionaries({}), max_size=0),
    "images": st.integers(1, 3).map(lambda rows: np.full((rows, *IMAGE), 0.5, np.float32)),
}
FEEDS: dict[str, Any] = {
    "four_blobs": {"x": [[1, 2], [np.nan, 3]]},
    "kinds": {"several": [[1, 2], [3.5]], "any": 5, "x": [1, 2], "weight": [3], "maybe": [4]},
    "maps": {"counts": {"a": 1.5, "b": 2}},
    "half": {"x": [1, 2.5]},
    "quarter": {"x": [1, -7], "y": [0.5]},
    "external": {"x": [[1, 2], [3, 4]]},
    "tensors": {
        **{name: np.ones((2, 2)) for name in ("float16", "float32")},
        **{name: np.ones(2, name if name != "string" else None) for name in ("float64", "int8", "int64", "bool")},
        **{"uint8": [1, 2, 3], "string": ["é", ""], "scalar": 2},
    },
}


@pytest.fixture(scope="module")
def pairs() -> Iterator[Callable[[str], tuple[Predictor, Predictor]]]:
    """A model in isolation, and the same without."""
    opened: dict[str, tuple[Predictor, Predictor]] = {}

    def pair(name: str) -> tuple[Predictor, Predictor]:
        if name not in opened:
            path = MODELS / f"{name}.onnx"
            opened[name] = IsolatedPredictor(path), Predictor(path, device="cpu")
        return opened[name]

    yield pair
    for isolated, _ in opened.values():
        isolated.close()


Pairs = Callable[[str], tuple[Predictor, Predictor]]


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except EdgePredictError as error:
        return [type(error), str(error)]


@pytest.mark.parametrize("name", ROWS)
def test_the_same_answers(pairs: Pairs, name: str) -> None:
    isolated, plain = pairs(name)

    @settings(max_examples=20, deadline=None)
    @given(ROWS[name])
    def same(rows: Any) -> None:
        for ask in ("predict", "predict_proba", "unseen", "predict_one"):
            found, expected = (outcome(functools.partial(getattr(one, ask), rows)) for one in (isolated, plain))
            assert_identical(found, expected)
        for row in rows[:2]:
            assert_identical(isolated.predict_one(row), plain.predict_one(row))

    same()


@pytest.mark.parametrize("name", FEEDS)
def test_the_same_outputs(pairs: Pairs, name: str) -> None:
    if name in ("half", "quarter"):
        pytest.importorskip("ml_dtypes")
    isolated, plain = pairs(name)
    assert_identical(isolated.run(FEEDS[name]), plain.run(FEEDS[name]))
    names = [plain.outputs[-1].name]
    assert_identical(isolated.run(FEEDS[name], names), plain.run(FEEDS[name], names))


@pytest.mark.parametrize("name", ["four_blobs", "penguins", "kinds", "images", "outputs"])
def test_the_same_description(pairs: Pairs, name: str) -> None:
    isolated, plain = pairs(name)
    assert description(isolated) == description(plain)
    assert isolated.has_independent_rows == plain.has_independent_rows
    assert outcome(lambda: isolated.classes_.tolist()) == outcome(lambda: plain.classes_.tolist())


def test_the_same_verification(pairs: Pairs) -> None:
    isolated, plain = pairs("four_blobs")
    steps: list[int] = []
    assert isolated.verify(lambda: steps.append(1)) == plain.verify()
    assert plain.certificate is not None
    assert isolated.certificate is not None
    assert len(steps) == len(plain.certificate.reference)
    assert isolated.certificate.to_json() == plain.certificate.to_json()


@pytest.mark.parametrize("rows", [[[1, 2, 3]], [["a", 1]], object(), [[1], [1, 2]]])
def test_the_same_errors(pairs: Pairs, rows: Any) -> None:
    isolated, plain = pairs("four_blobs")
    found, expected = (outcome(functools.partial(one.predict, rows)) for one in (isolated, plain))
    assert found == expected
    assert found[0] is InvalidInput
    assert outcome(lambda: isolated.run({"y": 1})) == outcome(lambda: plain.run({"y": 1}))
    with pytest.raises(NoProbabilities):
        pairs("mass")[0].predict_proba([[1, 2]])


@pytest.mark.parametrize("content", [b"not a model", b""])
def test_what_cannot_be_opened(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for given_as in (path, content):
        with pytest.raises(InvalidModel) as found:
            IsolatedPredictor(given_as)
        with pytest.raises(InvalidModel) as expected:
            Predictor(given_as, device="cpu")
        assert str(found.value) == str(expected.value)
    with pytest.raises(ModelNotFound):
        IsolatedPredictor(tmp_path / "nothing.onnx")


CPU = "CPUExecutionProvider"


@pytest.mark.parametrize(
    "where", [{"device": "cpu"}, {"device": CPU}, {"providers": [CPU]}, {"providers": [(CPU, {})]}]
)
def test_whatever_names_the_cpu(where: dict[str, Any]) -> None:
    with IsolatedPredictor(FOUR_BLOBS, **where) as predictor:
        assert predictor.predict([[-1, 1]]).tolist() == [1]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"device": "cuda"}, "device 'cuda' cannot"),
        ({"device": "CUDAExecutionProvider"}, "device 'CUDAExecutionProvider' cannot"),
        ({"providers": ["CUDAExecutionProvider"]}, "providers CUDAExecutionProvider cannot"),
        ({"providers": [CPU, ("CUDAExecutionProvider", {})]}, f"providers {CPU}, CUDAExecutionProvider cannot"),
    ],
)
def test_where_it_does_not_run(where: dict[str, Any], said: str) -> None:
    with pytest.raises(DeviceUnavailable, match=re.escape(said)) as found:
        IsolatedPredictor(FOUR_BLOBS, **where)
    assert "runs on the CPU alone; leave it out, or open a model that you trust without isolation" in str(found.value)


def test_content_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(FOUR_BLOBS.read_bytes())
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "model.onnx").open("rb") as file:
        for model in (FOUR_BLOBS.read_bytes(), "model.onnx", file):
            with IsolatedPredictor(model, verify=True, threads=1) as predictor:
                assert predictor.predict([[-1, 1]]).tolist() == [1]


@pytest.mark.skipif(numbers(onnxruntime.__version__) < (1, 21), reason="this ONNX Runtime takes no folder")
def test_a_content_with_weights_in_other_files() -> None:
    content, feed = (MODELS / "external.onnx").read_bytes(), FEEDS["external"]
    isolated, plain = (kind(content, data_folder=MODELS) for kind in (IsolatedPredictor, Predictor))
    assert_identical(isolated.run(feed), plain.run(feed))


def test_closing_ends_the_process() -> None:
    predictor = IsolatedPredictor(FOUR_BLOBS)
    process = process_of(predictor)
    predictor.close()
    assert process.returncode is not None
    with pytest.raises(PredictorClosed):
        predictor.predict([[1, 1]])


def test_the_last_one_that_is_closed_ends_the_process() -> None:
    predictor = IsolatedPredictor(FOUR_BLOBS)
    process, same = process_of(predictor), predictor.current()
    predictor.close()
    predictor.close()
    assert same.predict([[-1, 1]]).tolist() == [1]
    same.close()
    assert process.returncode is not None


def test_nothing_is_left_of_many() -> None:
    gc.collect()
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(10):
        IsolatedPredictor(FOUR_BLOBS).predict_one([1, 1])
    with pytest.raises(InvalidModel):
        IsolatedPredictor(b"nothing")
    assert len(list(DESCRIPTORS.iterdir())) == before
    with contextlib.suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)


def test_a_pickle_and_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FOUR_BLOBS.read_bytes())
    predictor = IsolatedPredictor(path)
    process = process_of(predictor)
    for again in (pickle.loads(pickle.dumps(predictor)), copy.copy(predictor)):
        assert type(again) is IsolatedPredictor
        assert process_of(again) is not process
        assert again.predict_one([-1, 1]) == predictor.predict_one([-1, 1])
    assert not predictor.reload()
    other = tmp_path / "other.onnx"
    other.write_bytes((MODELS / "mass.onnx").read_bytes())
    other.replace(path)
    assert predictor.reload()
    assert process.returncode is not None
    assert isinstance(predictor.predict_one([1, 2]), float)


def test_threads() -> None:
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        expected = Predictor(FOUR_BLOBS, device="cpu").predict_proba([[-1, 1], [1, 1]])

        def ask() -> None:
            for _ in range(50):
                assert_identical(predictor.predict_proba([[-1, 1], [1, 1]]), expected)

        in_threads(ask, 8)
