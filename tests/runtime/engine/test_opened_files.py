"""The digest is that of what was opened, whatever is in the file by then; and another content is refused."""

import copy
import hashlib
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import OUTPUTS
from concurrency import HANG
from external_models import WEIGHTS, certified_pair
from paths import MODELS

from edge_runtime import ContentMismatch, InvalidInput, Predictor, VerificationFailed
from edge_runtime.engine import file_stamps, model_files, model_source
from edge_runtime.engine.model_source import ModelSource

Make = Callable[..., bytes]
Put = Callable[[bytes, Path], None]
WEIGHT = np.float32(2.5)


@pytest.fixture(params=["held", "opened by its path"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param != "held":
        monkeypatch.setattr(model_files, "HELD_SIZE", 0)
    return bool(request.param == "held")


def over(content: bytes, path: Path) -> None:
    """A new file in place of the old one."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def within(content: bytes, path: Path) -> None:
    """Another content in the same file."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


PUT = pytest.mark.parametrize("put", [over, within])


def slightly_changed(content: bytes, weight: np.float32 = WEIGHT) -> bytes:
    """A model with one weight 1e-6 off."""
    other = np.float32(weight + np.float32(1e-6))
    assert other != weight
    assert content.count(weight.tobytes()) == 1
    return content.replace(weight.tobytes(), other.tobytes())


@PUT
def test_the_good_file_put_back_does_not_make_a_changed_one_pass(
    put: Put, held: bool, certified: Make, tmp_path: Path
) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(slightly_changed(good))
    predictor = Predictor(path, "cpu")
    put(good, path)
    verification = predictor.verify()
    assert all(check.passed for check in verification.checks)
    assert not verification.intact
    assert not verification.passed
    said = "was changed after its export, although" if held else "model.onnx was changed after it was opened"
    assert said in verification.failure


@PUT
def test_a_good_model_stays_verified_if_it_is_held(put: Put, held: bool, certified: Make, tmp_path: Path) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(good)
    predictor = Predictor(path, "cpu")
    put(slightly_changed(good), path)
    assert predictor.verify().passed == held
    path.unlink()
    assert predictor.verify().passed == held
    if held:
        assert predictor.sha256 == hashlib.sha256(good).hexdigest()
    else:
        with pytest.raises(ContentMismatch, match=r"model\.onnx was changed after it was opened; open the model again"):
            predictor.sha256  # noqa: B018


@PUT
@pytest.mark.parametrize("by_content", [False, True])
def test_the_data_file_is_bound_too(put: Put, by_content: bool, tmp_path: Path) -> None:
    path = certified_pair(tmp_path / "model.onnx")
    data = tmp_path / "model.onnx.data"
    good = data.read_bytes()
    model: dict[str, Any] = {"model": path.read_bytes(), "data_folder": tmp_path} if by_content else {"model": path}
    try:
        assert Predictor(**model, device="cpu").verify().passed
    except Exception as error:
        if "upgrade onnxruntime to 1.21" not in str(error):
            raise
        pytest.skip("this ONNX Runtime cannot be told a folder")
    data.write_bytes(slightly_changed(good, WEIGHTS[0]))
    predictor = Predictor(**model, device="cpu")
    assert not predictor.verify().passed
    put(good, data)
    assert "model.onnx.data was changed after it was opened" in predictor.verify().failure
    data.write_bytes(slightly_changed(good, WEIGHTS[0]))
    with pytest.raises(VerificationFailed):
        Predictor(**model, device="cpu", verify=True)


@PUT
def test_a_file_that_is_changed_while_it_is_opened(
    put: Put, held: bool, certified: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(slightly_changed(good))
    source = ModelSource(path)
    if held:
        with source.opening() as model:
            put(good, path)
            assert model == slightly_changed(good)
        return
    with pytest.raises(ContentMismatch, match="was changed after it was opened"), source.opening() as model:
        put(good, Path(model if isinstance(model, str) else "not the path"))
    with pytest.raises(ContentMismatch, match="was changed after it was opened"), source.opening():
        raise AssertionError


def test_a_provider_with_caches_of_its_own_opens_the_path(certified: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    source = ModelSource(path)
    with source.opening(by_path=True) as model:
        assert model == str(path)
    path.write_bytes(slightly_changed(certified()))
    with pytest.raises(ContentMismatch, match="was changed after it was opened"), source.opening(by_path=True):
        raise AssertionError
    with ModelSource(certified()).opening(by_path=True) as model:
        assert model == certified()


@pytest.mark.parametrize("by_path", [False, True])
def test_a_change_that_the_clock_is_too_coarse_to_show(
    by_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is opened by its path is what was looked at, also if it was changed at once."""
    path = certified_pair(tmp_path / "model.onnx")
    if by_path:
        path.write_bytes(OUTPUTS.read_bytes())
    for module in (model_files, file_stamps):
        monkeypatch.setattr(module, "stamp_of", lambda found: (1, found.st_ino, found.st_size, 5, 5))
    good = path.read_bytes()
    references = model_source._looked_at

    def change(*arguments: Any) -> Any:
        path.write_bytes(good.replace(b"main", b"evil") if b"main" in good else bytes(len(good)))
        return references(*arguments)

    monkeypatch.setattr(model_source, "_looked_at", change)
    with (
        pytest.raises(ContentMismatch, match=r"model\.onnx was changed after it was opened"),
        ModelSource(path).opening(by_path),
    ):
        raise AssertionError


def test_only_the_asked_content_is_opened(held: bool, certified: Make, tmp_path: Path) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(good)
    digest = hashlib.sha256(good).hexdigest()
    for model in (path, good):
        for given in (digest, digest.upper()):
            predictor = Predictor(model, "cpu", sha256=given)
            assert predictor.sha256 == digest
    # Before ONNX Runtime sees it.
    for other in (slightly_changed(good), b"not a model"):
        over(other, path)
        said = rf"is not the model that was asked for: its SHA-256 is {hashlib.sha256(other).hexdigest()}, not {digest}"
        for model in (path, other):
            with pytest.raises(ContentMismatch, match=said):
                Predictor(model, "cpu", sha256=digest)
    with pytest.raises(ValueError, match="not the model"):  # for code without this package's errors
        Predictor(path, sha256=digest)


@pytest.mark.parametrize("given", ["", "0" * 63, "0" * 65, "g" * 64, b"0" * 64, 5, "²" * 64, "0x" + "0" * 62])
def test_what_is_not_a_digest(given: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^sha256 is the SHA-256 of the model's file: 64 hex digits"):
        Predictor(MODELS / "outputs.onnx", sha256=given)


def test_the_asked_content_has_its_data_file(tmp_path: Path) -> None:
    path = certified_pair(tmp_path / "model.onnx")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Predictor(path, "cpu", sha256=digest).sha256 == digest
    pickled = pickle.dumps(Predictor(path, "cpu"))
    data = tmp_path / "model.onnx.data"
    data.write_bytes(slightly_changed(data.read_bytes(), WEIGHTS[1]))
    with pytest.raises(ContentMismatch, match=r"model\.onnx\.data is not what belongs to the model that was asked for"):
        Predictor(path, "cpu", sha256=digest)
    with pytest.raises(ContentMismatch, match=r"model\.onnx\.data is not what belongs to the model that was pickled"):
        pickle.loads(pickled)


def test_reload_refuses_another_content_than_was_asked_for(held: bool, certified: Make, tmp_path: Path) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(good)
    digest = hashlib.sha256(good).hexdigest()
    predictor = Predictor(path, "cpu", sha256=digest)
    other = pickle.loads(pickle.dumps(predictor))
    over(slightly_changed(good), path)
    for one in (predictor, other):
        for _ in range(2):
            with pytest.raises(ContentMismatch, match="is not the model that was asked for"):
                one.reload()
            assert one.run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]
    # The same content in another file.
    over(good, path)
    assert predictor.reload()
    assert predictor.sha256 == digest


@pytest.fixture
def elsewhere() -> Callable[[bytes], str]:
    """Unpickles in a process of its own, and says what came out of it."""

    def unpickled(pickled: bytes) -> str:
        script = """
import pickle, sys
try:
    predictor = pickle.loads(sys.stdin.buffer.read())
    print(predictor.run({"x": [[1, 2]]})["y"].tolist(), predictor.sha256[:8])
except Exception as error:
    print(type(error).__name__, error)
"""
        ran = subprocess.run([sys.executable, "-c", script], input=pickled, capture_output=True, timeout=HANG)
        return ran.stdout.decode().strip()

    return unpickled


@PUT
def test_a_pickle_opens_only_the_same_content(
    put: Put, held: bool, certified: Make, tmp_path: Path, elsewhere: Callable[[bytes], str]
) -> None:
    path, good = tmp_path / "model.onnx", certified()
    path.write_bytes(good)
    digest = hashlib.sha256(good).hexdigest()
    predictor = Predictor(path, "cpu")
    pickled = pickle.dumps(predictor)
    # The path and the digest, not the content.
    assert len(pickled) < 1500 < len(good)
    assert elsewhere(pickled) == f"[[2.5, -2.5]] {digest[:8]}"
    put(slightly_changed(good), path)
    assert "model.onnx is not the model that was pickled: its SHA-256 is" in elsewhere(pickled)
    with pytest.raises(ContentMismatch, match="is not the model that was pickled"):
        pickle.loads(pickled)
    if held:
        with pytest.raises(ContentMismatch, match="is not the model that was pickled"):
            pickle.loads(pickle.dumps(predictor))
    # Copies in this process are of what was opened.
    for copied in (copy.copy, copy.deepcopy):
        if held:
            assert copied(predictor).run({"x": [[1, 2]]})["y"].tolist() == [[2.5, -2.5]]
            assert copied(predictor).sha256 == digest
        else:
            with pytest.raises(ContentMismatch, match="was changed after it was opened"):
                copied(predictor)
    # What is unpickled is a model as any: its file may be replaced later.
    put(good, path)
    again = pickle.loads(pickled)
    over(slightly_changed(good), path)
    assert again.reload()


def _answer(predictor: Predictor) -> list[list[float]]:
    answers: list[list[float]] = predictor.run({"x": [[1, 2]]})["y"].tolist()
    return answers


@pytest.mark.usefixtures("held")
def test_a_process_that_is_started_anew_gets_it(certified: Make, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    predictor = Predictor(path, "cpu")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_answer, predictor).result(HANG) == [[2.5, -2.5]]


@pytest.mark.usefixtures("held")
def test_joblib(certified: Make, tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    path = tmp_path / "model.onnx"
    path.write_bytes(certified())
    joblib.dump(Predictor(path, "cpu"), tmp_path / "predictor.joblib", compress=3)
    assert _answer(joblib.load(tmp_path / "predictor.joblib")) == [[2.5, -2.5]]
    over(slightly_changed(certified()), path)
    with pytest.raises(ContentMismatch, match="is not the model that was pickled"):
        joblib.load(tmp_path / "predictor.joblib")


def test_a_content_stays_a_content(elsewhere: Callable[[bytes], str]) -> None:
    content = OUTPUTS.read_bytes()
    predictor = Predictor(content, "cpu", sha256=hashlib.sha256(content).hexdigest())
    assert elsewhere(pickle.dumps(predictor)) == f"[[2.5, -2.5]] {hashlib.sha256(content).hexdigest()[:8]}"
    assert copy.deepcopy(predictor).source == pickle.loads(pickle.dumps(predictor)).source == content
