"""`Reloadable`: a changed file is taken, and a model closed, while other threads make calls."""

import copy
import gc
import itertools
import os
import pickle
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from calls import CALLS, ROWS, answers
from commands import assert_python_runs
from concurrency import in_threads
from paths import FOUR_BLOBS, MODELS

from edge_runtime import (
    InvalidModel,
    ModelNotFound,
    NoCertificate,
    Predictor,
    PredictorClosed,
    VerificationFailed,
)
from edge_runtime.engine.session import Session

# Both take two numbers. Their labels, outputs and sizes of answers differ.
THREE_LABELS = MODELS / "three_labels.onnx"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return put(FOUR_BLOBS.read_bytes(), tmp_path / "model.onnx")


def put(content: bytes, path: Path) -> Path:
    """A file in one step, in place of what was there."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    return beside.replace(path)


def test_a_changed_file_is_taken(path: Path) -> None:
    predictor = Predictor(path, "cpu")
    before = answers(predictor)
    assert not predictor.reload()
    put(THREE_LABELS.read_bytes(), path)
    assert answers(predictor) == before
    assert predictor.reload()
    assert not predictor.reload()
    fresh = Predictor(path, "cpu")
    assert answers(predictor) == answers(fresh) != before
    # All that it says of itself is the new one's.
    for name in dir(Predictor):
        if not name.startswith("_") and not callable(value := getattr(predictor, name)) and name != "answering":
            np.testing.assert_equal(value, getattr(fresh, name))
    assert (predictor.inputs, predictor.outputs, predictor.signature) == (fresh.inputs, fresh.outputs, fresh.signature)
    assert repr(predictor) == "Predictor('model.onnx', multiclass_classification, CPUExecutionProvider)"
    assert pickle.loads(pickle.dumps(predictor)).predict(ROWS).tolist() == predictor.predict(ROWS).tolist()


def test_a_model_without_a_signature_comes_and_goes(path: Path) -> None:
    predictor = Predictor(path, "cpu")
    for name, names in (("outputs", {"y", "largest", "positive"}), ("four_blobs", {"probability"})):
        put((MODELS / f"{name}.onnx").read_bytes(), path)
        assert predictor.reload()
        assert predictor.run({"x": ROWS}).keys() == names
    assert predictor.signature is not None


def test_a_content_does_not_change(path: Path) -> None:
    assert not Predictor(path.read_bytes(), "cpu").reload()


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_that_leads_elsewhere_is_a_changed_file(tmp_path: Path) -> None:
    link = tmp_path / "current.onnx"
    link.symlink_to(FOUR_BLOBS)
    predictor = Predictor(link, "cpu")
    other = tmp_path / "other"
    other.symlink_to(THREE_LABELS)
    other.replace(link)
    assert predictor.reload()
    assert predictor.predict_one([1, 0]).label == "right"


@pytest.mark.parametrize("content", [None, b"", b"no model", FOUR_BLOBS.read_bytes()[:-200]])
def test_a_file_that_cannot_be_opened_leaves_the_old_model(path: Path, content: bytes | None) -> None:
    predictor = Predictor(path, "cpu")
    before, shown = answers(predictor), repr(predictor)
    if content is None:
        path.unlink()
    else:
        put(content, path)
    for _ in range(2):
        with pytest.raises(ModelNotFound if content is None else InvalidModel, match=r"model\.onnx"):
            predictor.reload()
        assert (answers(predictor), repr(predictor)) == (before, shown)
    put(THREE_LABELS.read_bytes(), path)
    assert predictor.reload()
    assert predictor.predict_one([1, 0]).label == "right"


def test_the_certificate_is_replayed_again(certified: Callable[..., bytes], path: Path) -> None:
    put(certified(), path)
    predictor = Predictor(path, "cpu", verify=True)
    put(certified(tolerance_rule="elsewhere"), path)
    assert predictor.reload()
    assert predictor.certificate is not None
    assert predictor.certificate.tolerance_rule == "elsewhere"
    for content, error in (
        (certified() + b"\x22\x00", VerificationFailed),
        ((MODELS / "outputs.onnx").read_bytes(), NoCertificate),
    ):
        put(content, path)
        with pytest.raises(error):
            predictor.reload()
        assert predictor.certificate.tolerance_rule == "elsewhere"
        assert predictor.run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]


def test_no_call_fails_while_files_change(path: Path) -> None:
    predictor = Predictor(path, "cpu")
    contents = [FOUR_BLOBS.read_bytes(), THREE_LABELS.read_bytes()]
    allowed = [answers(Predictor(content, "cpu")) for content in contents]
    finished: list[int] = []
    seen: list[set[bool]] = [set(), set(), set()]
    numbers = itertools.count()

    def change() -> None:
        turns = itertools.count()
        try:
            while (turn := next(turns)) < 30 or any(len(found) < 2 for found in seen):
                put(contents[1 - turn % 2], path)
                assert predictor.reload()
                assert answers(predictor) == allowed[1 - turn % 2]
        finally:
            finished.append(1)

    def work() -> None:
        # The first thread to come changes the files, until each of the others, which make calls, has met both.
        if not (number := next(numbers)):
            change()
            return
        found = seen[number - 1]
        try:
            while not finished:
                for name, call in CALLS.items():
                    answer = call(predictor)
                    assert answer in (allowed[0][name], allowed[1][name])
                    found.add(answer == allowed[1][name])
        finally:
            found |= {True, False}

    in_threads(work, 4)


def test_close_and_reload_free_the_sessions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[weakref.ref[Any]] = []
    wrapped = Session.__init__

    def watch(session: Session, *arguments: Any, **named: Any) -> None:
        wrapped(session, *arguments, **named)
        opened.append(weakref.ref(session._session))

    monkeypatch.setattr(Session, "__init__", watch)
    predictor = Predictor(path, "cpu")
    # Other threads have buffers of their own.
    in_threads(lambda: answers(predictor), 2)
    put(THREE_LABELS.read_bytes(), path)
    predictor.reload()
    gc.collect()
    assert [session() is None for session in opened] == [True, False]
    answers(predictor)
    predictor.close()
    gc.collect()
    assert [session() for session in opened] == [None, None]


def test_closed_while_it_is_reloaded(path: Path) -> None:
    """A signal handler may close what it interrupts."""

    class Closing(Predictor):
        def _open(self, arguments: Any) -> None:
            super()._open(arguments)
            if opened:
                opened[0].close()

    opened: list[Predictor] = []
    opened.append(Closing(path, "cpu"))
    put(THREE_LABELS.read_bytes(), path)
    with pytest.raises(PredictorClosed):
        opened[0].reload()
    assert opened[0].closed


def test_the_log(path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level("INFO", logger="edge_runtime"):
        predictor = Predictor(path, "cpu")
        put(THREE_LABELS.read_bytes(), path)
        predictor.reload()
        put(b"no model", path)
        with pytest.raises(InvalidModel):
            predictor.reload()
    opened, again, reloaded = [(record.name, record.levelname, record.message) for record in caplog.records]
    assert opened == again == ("edge_runtime", "INFO", "opened 'model.onnx' on CPUExecutionProvider")
    assert reloaded == ("edge_runtime", "INFO", "'model.onnx' was changed, and is reloaded")
    assert capsys.readouterr() == ("", "")


def test_without_a_handler_nothing_is_printed() -> None:
    """Python itself prints errors of loggers that nobody has given a handler."""
    assert_python_runs(f"""
import os, shutil, tempfile
from edge_runtime import EdgePredictError, Predictor
path = os.path.join(tempfile.mkdtemp(), "model.onnx")
shutil.copy({str(FOUR_BLOBS)!r}, path)
predictor = Predictor(path, "cpu")
with open(path, "wb") as file:
    file.write(b"no model")
try:
    predictor.reload()
except EdgePredictError:
    print("refused")
""")


class Named(Predictor):
    """An application's own predictor, which keeps something besides."""

    def __init__(self, path: Path, names: list[str]) -> None:
        super().__init__(path, "cpu")
        self.names = names


def test_a_subclass(path: Path) -> None:
    predictor = Named(path, ["a"])
    put(THREE_LABELS.read_bytes(), path)
    assert predictor.reload()
    for model in (predictor, pickle.loads(pickle.dumps(predictor)), copy.copy(predictor), copy.deepcopy(predictor)):
        assert type(model) is Named
        assert model.names == ["a"]
        assert model.predict(ROWS).tolist() == Predictor(THREE_LABELS).predict(ROWS).tolist()
        assert repr(model) == "Named('model.onnx', multiclass_classification, CPUExecutionProvider)"
