"""Models that are opened only if a trusted key has signed them."""

import copy
import os
import pickle
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from commands import assert_python_runs
from external_models import WEIGHTS, among_the_weights, certified_pair, in_an_attribute
from paths import FOUR_BLOBS, MODELS
from signatures import new_key, public_pem, signed

from edge_runtime import (
    ContentMismatch,
    InvalidInput,
    InvalidModel,
    IsolatedPredictor,
    ModelAltered,
    NotSigned,
    NotTrusted,
    Predictor,
    UnknownSigner,
)
from edge_runtime.engine.installation import numbers

pytest.importorskip("cryptography")

KEY, OTHER = new_key("secp256r1"), new_key()
TRUSTED, ANOTHER = public_pem(KEY), public_pem(OTHER)
ROW = [-1.0, 1.0]
X = {"x": np.array([1, 2], np.float32)}


def put(files: Mapping[str, bytes], folder: Path, key: Any = KEY) -> Path:
    """Files with their signature, each in one step; the path of the first, which comes last."""
    for name, content in reversed([*files.items(), ("model.sig", signed(key, files))]):
        beside = folder / f"{name}.new"
        beside.write_bytes(content)
        beside.replace(folder / name)
    return folder / next(iter(files))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return put({"model.onnx": FOUR_BLOBS.read_bytes()}, tmp_path)


@pytest.fixture
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a session fails the test."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a session was made")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)


def changes(content: bytes) -> list[bytes]:
    """`content` with a changed byte, in many places, with one more, and with one less."""
    places = {0, len(content) - 1, *random.Random(0).sample(range(len(content)), min(len(content), 60))}
    flipped = [content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :] for place in places]
    return [*flipped, content + b"\x00", content[:-1]]


def test_a_signed_model_answers(path: Path, tmp_path: Path) -> None:
    expected = Predictor(FOUR_BLOBS, "cpu").predict_one(ROW)
    pub = tmp_path / "key.pub"
    pub.write_bytes(TRUSTED)
    ways: list[Any] = [pub, str(pub), TRUSTED, [ANOTHER, pub], (TRUSTED,)]
    for trust in ways:
        assert Predictor(path, "cpu", trust=trust).predict_one(ROW) == expected


@pytest.mark.usefixtures("no_session")
def test_without_a_session_what_is_unsigned_or_of_another_key_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownSigner, match=r"model\.sig was signed with another key than the trusted one"):
        Predictor(path, trust=ANOTHER)
    path.with_suffix(".sig").unlink()
    with pytest.raises(NotSigned, match=r"model\.onnx is not signed: there is no .*model\.sig"):
        Predictor(path, trust=TRUSTED)
    with pytest.raises(InvalidModel, match="a session was made"):
        Predictor(path)


@pytest.mark.usefixtures("no_session")
def test_without_a_session_every_change_of_a_byte_is_refused(path: Path) -> None:
    sig = path.with_suffix(".sig")
    content, signature = path.read_bytes(), sig.read_bytes()
    for changed in changes(content):
        path.write_bytes(changed)
        with pytest.raises(ModelAltered, match=r"model\.onnx is not as it was signed in .*model\.sig"):
            Predictor(path, trust=TRUSTED)
        with pytest.raises(ModelAltered):
            Predictor(changed, trust=TRUSTED, sig=signature)
    path.write_bytes(content)
    for changed in changes(signature):
        sig.write_bytes(changed)
        with pytest.raises(NotTrusted):
            Predictor(path, trust=TRUSTED)


def test_a_data_file_is_refused_if_a_byte_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certified_pair(tmp_path / "model.onnx")
    data = tmp_path / "model.onnx.data"
    contents = {"model.onnx": path.read_bytes(), data.name: data.read_bytes()}
    put(contents, tmp_path)
    assert Predictor(path, "cpu", trust=TRUSTED).run(X)["y"].tolist() == (X["x"] + WEIGHTS).tolist()
    if numbers(onnxruntime.__version__) >= (1, 21):
        content = path.read_bytes()
        opened = Predictor(content, "cpu", trust=TRUSTED, sig=tmp_path / "model.sig", data_folder=tmp_path)
        assert opened.run(X)["y"].tolist() == (X["x"] + WEIGHTS).tolist()
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    # Its own digest is in its last 32 bytes, which is compared before.
    for place in range(len(contents[data.name]) - 32):
        changed = bytearray(contents[data.name])
        changed[place] ^= 1
        data.write_bytes(changed)
        with pytest.raises(ModelAltered, match=r"model\.onnx\.data is not as it was signed"):
            Predictor(path, trust=TRUSTED)
    data.write_bytes(contents[data.name])
    put({"model.onnx": contents["model.onnx"]}, tmp_path)
    with pytest.raises(NotSigned, match=r"signs the model, but not its weights in model\.onnx\.data"):
        Predictor(path, trust=TRUSTED)


@pytest.mark.parametrize("made", [among_the_weights, in_an_attribute])
def test_weights_of_other_tools_are_refused_unless_they_were_signed(
    made: Callable[[str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"model.onnx": made("weights.bin"), "weights.bin": WEIGHTS.tobytes()}
    path = put(files, tmp_path)
    opened = Predictor(path, "cpu", trust=TRUSTED) if made is among_the_weights else None
    assert opened is None or opened.run(X)["y"].tolist() == (X["x"] + WEIGHTS).tolist()
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    (tmp_path / "weights.bin").write_bytes((WEIGHTS + 1).tobytes())
    for given in (
        {"model": path},
        {"model": files["model.onnx"], "data_folder": tmp_path, "sig": tmp_path / "model.sig"},
    ):
        with pytest.raises(ModelAltered, match=r"weights\.bin is not as it was signed"):
            Predictor(**given, trust=TRUSTED)
    put({"model.onnx": files["model.onnx"]}, tmp_path)
    with pytest.raises(NotSigned, match=r"not its weights in weights\.bin"):
        Predictor(path, trust=TRUSTED)


@pytest.mark.usefixtures("no_session")
def test_weights_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    for location in ("../weights.bin", str(tmp_path / "weights.bin")):
        path = put({"model.onnx": among_the_weights(location), "weights.bin": WEIGHTS.tobytes()}, folder)
        with pytest.raises(InvalidModel, match="which is not a file below its folder"):
            Predictor(path, trust=TRUSTED)


def test_weights_that_are_changed_after_the_check_are_refused(tmp_path: Path) -> None:
    path = put({"model.onnx": among_the_weights("weights.bin"), "weights.bin": WEIGHTS.tobytes()}, tmp_path)
    predictor = Predictor(path, "cpu", trust=TRUSTED)
    (tmp_path / "weights.bin").write_bytes((WEIGHTS + 1).tobytes())
    with (
        pytest.raises(ContentMismatch, match=r"weights\.bin was changed after it was opened"),
        predictor._source.opening(),
    ):
        pass


def test_a_content_needs_its_signature(path: Path) -> None:
    content, sig = path.read_bytes(), path.with_suffix(".sig")
    expected = Predictor(FOUR_BLOBS, "cpu").predict_one(ROW)
    for given in (sig, str(sig), sig.read_bytes()):
        assert Predictor(content, "cpu", trust=TRUSTED, sig=given).predict_one(ROW) == expected
    with path.open("rb") as file:
        assert Predictor(file, "cpu", trust=TRUSTED, sig=sig).predict_one(ROW) == expected
    with pytest.raises(NotSigned, match="a model that is given by its content needs sig"):
        Predictor(content, trust=TRUSTED)
    with pytest.raises(InvalidInput, match="trust says which keys are trusted"):
        Predictor(content, sig=sig)


def test_reload_takes_what_is_signed_and_keeps_the_old_model_otherwise(path: Path) -> None:
    predictor = Predictor(path, "cpu", trust=[TRUSTED])
    before = predictor.predict_proba([ROW]).tolist()
    other = (MODELS / "three_labels.onnx").read_bytes()
    for problem, put_there in (
        (ModelAltered, lambda: path.with_suffix(".new").write_bytes(other) and path.with_suffix(".new").replace(path)),
        (UnknownSigner, lambda: put({"model.onnx": other}, path.parent, OTHER)),
        (NotSigned, path.with_suffix(".sig").unlink),
    ):
        put_there()
        for _ in range(2):
            with pytest.raises(problem):
                predictor.reload()
            assert predictor.predict_proba([ROW]).tolist() == before
    put({"model.onnx": other}, path.parent)
    assert predictor.reload()
    assert predictor.predict_proba([ROW]).shape == (1, 3)
    # What it trusts has not changed.
    put({"model.onnx": FOUR_BLOBS.read_bytes()}, path.parent, OTHER)
    with pytest.raises(UnknownSigner):
        predictor.reload()


def test_a_pickle_carries_the_trust_along(path: Path, tmp_path: Path) -> None:
    pub = tmp_path / "key.pub"
    pub.write_bytes(TRUSTED)
    predictor = Predictor(path, "cpu", trust=pub)
    pickled = pickle.dumps(predictor)
    # Not the path of a key, which another one may take.
    pub.write_bytes(ANOTHER)
    for same in (pickle.loads(pickled), copy.deepcopy(predictor), copy.copy(predictor), predictor.current()):
        assert same.predict_one(ROW) == predictor.predict_one(ROW)
    arrived = pickle.loads(pickled)
    put({"model.onnx": (MODELS / "three_labels.onnx").read_bytes()}, path.parent, OTHER)
    for one in (arrived, predictor):
        with pytest.raises(UnknownSigner):
            one.reload()
    with pytest.raises((UnknownSigner, ContentMismatch)):
        pickle.loads(pickled)
    content = Predictor(FOUR_BLOBS.read_bytes(), "cpu", trust=TRUSTED, sig=signed(KEY, {"m": FOUR_BLOBS.read_bytes()}))
    assert pickle.loads(pickle.dumps(content)).predict_one(ROW) == arrived.predict_one(ROW)


@pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")
def test_an_isolated_model_is_trusted_likewise(path: Path) -> None:
    with IsolatedPredictor(path, trust=TRUSTED) as predictor:
        assert predictor.predict_one(ROW) == Predictor(FOUR_BLOBS, "cpu").predict_one(ROW)
    with pytest.raises(UnknownSigner):
        IsolatedPredictor(path, trust=ANOTHER)


def test_a_digest_may_be_asked_for_besides(path: Path, tmp_path: Path) -> None:
    """So that an older model, which was signed too, is refused."""
    predictor = Predictor(path, "cpu", trust=TRUSTED)
    assert Predictor(path, "cpu", trust=TRUSTED, sha256=predictor.sha256).sha256 == predictor.sha256
    put({"model.onnx": (MODELS / "three_labels.onnx").read_bytes()}, tmp_path)
    assert Predictor(path, "cpu", trust=TRUSTED).signature is not None
    with pytest.raises(ContentMismatch):
        Predictor(path, "cpu", trust=TRUSTED, sha256=predictor.sha256)


def test_a_link_to_a_signed_model_is_trusted(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "links" / "current.onnx"
    link.parent.mkdir()
    link.symlink_to(path)
    assert Predictor(link, "cpu", trust=TRUSTED).predict_one(ROW) == Predictor(path, "cpu").predict_one(ROW)
    # A copy of the file has its name no more.
    shutil.copy(path, tmp_path / "copy.onnx")
    with pytest.raises(NotSigned, match=r"there is no .*copy\.sig"):
        Predictor(tmp_path / "copy.onnx", trust=TRUSTED)
    with pytest.raises(NotSigned, match=r"model\.sig signs model\.onnx, but not copy\.onnx"):
        Predictor(tmp_path / "copy.onnx", trust=TRUSTED, sig=path.with_suffix(".sig"))


@pytest.mark.usefixtures("no_session")
def test_a_signature_that_cannot_be_read_is_said(path: Path) -> None:
    sig = path.with_suffix(".sig")
    sig.unlink()
    sig.symlink_to(sig.name)
    with pytest.raises(InvalidModel, match=r"model\.sig cannot be read: "):
        Predictor(path, trust=TRUSTED)


def test_nothing_of_it_is_imported_without_trust() -> None:
    assert_python_runs(
        f"""
import sys
from edge_runtime import Predictor
Predictor({str(FOUR_BLOBS)!r}, "cpu").predict_one([1, 2])
assert not [name for name in sys.modules if name.startswith(("cryptography", "edge_runtime.signing"))]
"""
    )
