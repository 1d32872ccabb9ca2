"""Any calls in any order, with any rows, on several models, also from threads: answers are those of ONNX Runtime alone.

Nothing that was called before changes an answer, an array that was given is as it was, and so is an answer later on.
"""

import contextlib
import copy
import io
import pickle
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from concurrency import in_threads
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from row_forms import LAYOUTS, Feed, content_of, feeds_of, forms_for, rows_of, tensors_of

from edge_runtime import EdgePredictError, NoCertificate, Predictor, PredictorClosed

TABLES = ("four_blobs", "three_labels", "mass", "penguins", "islands", "sales", "two_inputs")
TENSORS = ("images", "words", "outputs")
# What no model takes, or what a model may refuse.
ODD: tuple[Any, ...] = (
    *(None, 5, "text", b"bytes", object(), {}, {1: 2}, [{}], [[]], [[[1]]], [[1, 2, 3, 4, 5, 6]], [None, None]),
    *(np.zeros((0, 9)), np.zeros((2, 2, 2, 2)), np.array(5.0), np.array([["a"]]), np.full((1, 2), 1 + 2j)),
    *(np.ma.masked_array([[1.0, 2.0]], [[True, False]]), np.array([[1, 2]], "m8[s]"), [[1e300, 1]], [["\ud800", 2007]]),
)


@cache
def plain_session(name: str) -> Any:
    """ONNX Runtime's own session of a model."""
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4
    return onnxruntime.InferenceSession(content_of(name), settings, providers=["CPUExecutionProvider"])


def expected(name: str, feed: Feed) -> dict[str, npt.NDArray[Any]]:
    session = plain_session(name)
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feed)), strict=True))


def assert_near(found: Any, wanted: npt.NDArray[Any]) -> None:
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    # For one row and for many, ONNX Runtime sums in another order.
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


class Opened:
    """A model, and what is known of it."""

    def __init__(self, name: str, predictor: Any, file: "File | None", must_verify: bool = False) -> None:
        self.name, self.predictor, self.file, self.must_verify = name, predictor, file, must_verify
        self.version = 0 if file is None else file.version

    @property
    def is_replaced(self) -> bool:
        """Whether another model is in its file by now."""
        return self.file is not None and self.file.version != self.version


class File:
    """A file with a model, which may be replaced by another one."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.version = path, 0
        self.put(name)

    def put(self, name: str) -> None:
        self.name, self.version = name, self.version + 1
        beside = self.path.with_suffix(".new")
        beside.write_bytes(content_of(name))
        beside.replace(self.path)


models = Bundle("models")


class Asked(RuleBasedStateMachine):
    """Opens models, and asks them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.files = 0
        # Arrays that were given or returned, with what they held then.
        self.kept: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    def keep(self, *arrays: Any) -> None:
        self.kept += [(array, array.copy()) for array in arrays if isinstance(array, np.ndarray)]

    @invariant()
    def nothing_that_was_given_or_returned_has_changed(self) -> None:
        for array, before in self.kept:
            if array.dtype == object:
                # NumPy takes no NaN among objects as equal to itself; lists compare the objects' identity first.
                assert (array.shape, array.tolist()) == (before.shape, before.tolist())
            else:
                np.testing.assert_array_equal(array, before, strict=True)

    def file_of(self, name: str) -> File:
        self.files += 1
        return File(Path(self.folder.name) / f"{self.files}.onnx", name)

    # --------------------------------------------------------------------------------------------------------- opening

    @initialize(target=models, name=st.sampled_from(TABLES))
    def begin(self, name: str) -> Opened:
        return Opened(name, Predictor(content_of(name), device="cpu"), None)

    @rule(
        target=models,
        name=st.sampled_from(TABLES + TENSORS),
        way=st.sampled_from(["path", "string", "content", "file", "verified"]),
        threads=st.sampled_from([None, 1, 2]),
    )
    def open(self, name: str, way: str, threads: int | None) -> Opened:
        if way in ("content", "file"):
            content: Any = content_of(name) if way == "content" else io.BytesIO(content_of(name))
            return Opened(name, Predictor(content, device="cpu", threads=threads), None)
        file = self.file_of(name)
        if way == "verified" and name != "four_blobs":
            with pytest.raises(NoCertificate):
                Predictor(file.path, device="cpu", verify=True)
        is_verified = way == "verified" and name == "four_blobs"
        model: Any = str(file.path) if way == "string" else file.path
        return Opened(name, Predictor(model, device="cpu", threads=threads, verify=is_verified), file, is_verified)

    @rule(target=models, model=models, how=st.sampled_from(["pickle", "deepcopy", "current"]))
    def copy(self, model: Opened, how: str) -> Opened:
        if model.predictor.closed or model.is_replaced:
            return model
        if how == "current":
            same = model.predictor.current()
        else:
            same = pickle.loads(pickle.dumps(model.predictor)) if how == "pickle" else copy.deepcopy(model.predictor)
        return Opened(model.name, same, model.file, model.must_verify)

    # -------------------------------------------------------------------------------------------------------- answering

    @rule(model=models, data=st.data(), of_threads=st.sampled_from([0, 0, 0, 3]))
    def answer(self, model: Opened, data: st.DataObject, of_threads: int) -> None:
        predictor = model.predictor
        if predictor.closed or predictor.signature is None or not predictor.signature.has_features:
            return
        signature = predictor.signature
        rows = data.draw(rows_of(signature))
        forms = forms_for(rows)
        form = forms[data.draw(st.sampled_from(sorted(forms)))]
        feed = tensors_of(rows, signature)
        wanted = expected(model.name, feed)[signature.output]

        def ask() -> None:
            given = form(rows, signature)
            self.keep(given)
            answers = predictor.predict(given)
            self.keep(answers)
            assert answers.shape == (len(rows),)
            if signature.task == "regression":
                assert_near(answers, wanted[:, 0])
                return
            probabilities = predictor.predict_proba(form(rows, signature))
            self.keep(probabilities)
            both = wanted if wanted.shape[1] > 1 else np.concatenate([1 - wanted, wanted], 1)
            assert_near(probabilities, both)
            np.testing.assert_array_equal(answers, np.array(signature.labels)[signature.predicted(probabilities)])

        in_threads(ask, of_threads) if of_threads else ask()

    @rule(model=models, data=st.data())
    def answer_one(self, model: Opened, data: st.DataObject) -> None:
        predictor = model.predictor
        if predictor.closed or predictor.signature is None or not predictor.signature.has_features:
            return
        signature = predictor.signature
        rows = data.draw(rows_of(signature))[:5]
        many = predictor.predict(rows)
        for row, answer in zip(rows, many, strict=True):
            alone = predictor.predict_one(
                row if data.draw(st.booleans()) else dict(zip(signature.feature_names, row, strict=True))
            )
            if signature.task == "regression":
                np.testing.assert_allclose(alone, answer, rtol=1e-5, atol=1e-6)
            else:
                near = np.sort(predictor.predict_proba([row])[0])
                # Where two labels are as probable as each other, the last bit decides.
                assert alone.label == answer or near[-1] - near[-2] < 1e-4
        assert predictor.unseen(rows) == [predictor.unseen([row])[0] for row in rows]

    @rule(model=models, data=st.data(), layout=st.sampled_from(sorted(LAYOUTS)))
    def run_tensors(self, model: Opened, data: st.DataObject, layout: str) -> None:
        predictor = model.predictor
        if predictor.closed or model.name not in (*TENSORS, "four_blobs", "mass", "two_inputs"):
            return
        feed = data.draw(feeds_of(predictor))
        given = {name: LAYOUTS[layout](array) for name, array in feed.items()}
        self.keep(*given.values())
        outputs = predictor.run(given)
        self.keep(*outputs.values())
        for name, wanted in expected(model.name, feed).items():
            assert_near(outputs[name], wanted)
        assert list(outputs) == [spec.name for spec in predictor.outputs]

    @rule(
        model=models,
        odd=st.sampled_from(ODD),
        method=st.sampled_from(["predict", "predict_proba", "predict_one", "unseen", "run"]),
    )
    def ask_what_is_odd(self, model: Opened, odd: Any, method: str) -> None:
        self.keep(odd)
        with contextlib.suppress(EdgePredictError):
            getattr(model.predictor, method)(odd)


class AnyOrder(Asked):
    """Besides, files are replaced, and models reloaded, verified and closed."""

    @rule(model=models, name=st.sampled_from(TABLES + TENSORS))
    def replace_the_file(self, model: Opened, name: str) -> None:
        if model.file is not None:
            model.file.put(name)

    @rule(model=models)
    def reload(self, model: Opened) -> None:
        if model.predictor.closed:
            with pytest.raises(PredictorClosed):
                model.predictor.reload()
            return
        if model.must_verify and model.is_replaced and model.file is not None and model.file.name != "four_blobs":
            # The old one goes on answering.
            with pytest.raises(NoCertificate):
                model.predictor.reload()
            return
        assert model.predictor.reload() == model.is_replaced
        if model.file is not None:
            model.name, model.version = model.file.name, model.file.version

    @rule(model=models)
    def verify(self, model: Opened) -> None:
        if model.predictor.closed or model.is_replaced:
            return
        if model.name == "four_blobs":
            assert model.predictor.verify().passed
        else:
            with pytest.raises(NoCertificate):
                model.predictor.verify()

    @rule(model=consumes(models))
    def close(self, model: Opened) -> None:
        model.predictor.close()
        for ask in (lambda: model.predictor.predict([[1, 2]]), lambda: model.predictor.run({}), model.predictor.verify):
            with pytest.raises(PredictorClosed):
                ask()


TestAnyOrder = AnyOrder.TestCase
