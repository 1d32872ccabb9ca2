"""What is trusted: the files that a trusted key has signed, byte for byte, under their names."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signatures import FILES, REFERENCES, bundle_of, new_key, public_pem, sha256, signed, statement_of

from edge_runtime import InvalidInput, ModelAltered, NotSigned, NotTrusted, UnknownSigner
from edge_runtime.signing.trust import Trust

pytest.importorskip("cryptography")

MODEL, DATA = FILES["model.onnx"], {"model.onnx.data": FILES["model.onnx.data"]}
KEY, OTHER = new_key(), new_key()


def trusting(*keys: Any, sig: Any = None) -> Trust:
    trust = Trust.given([public_pem(key) for key in keys or (KEY,)], sig)
    assert trust is not None
    return trust


def check(trust: Trust, path: Path | None, content: bytes = MODEL, data: dict[str, bytes] | None = None) -> None:
    digests = {name: sha256(one) for name, one in (DATA if data is None else data).items()}
    trust.signed(path, lambda: sha256(content)).check(digests)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "model.sig").write_bytes(signed(KEY, FILES))
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("name", ["p256", "p384", "p521", "older"])
def test_files_that_model_signing_has_signed_are_trusted(name: str, tmp_path: Path) -> None:
    key = REFERENCES / f"{name}.pub" if name != "older" else REFERENCES / "p256.pub"
    trust = Trust.given(key, REFERENCES / f"{name}.sig")
    assert trust is not None
    check(trust, tmp_path / "model.onnx")
    with pytest.raises(ModelAltered, match=r"model\.onnx is not as it was signed in .*\.sig: "):
        check(trust, tmp_path / "model.onnx", b"hello")
    for keys in ([OTHER], [OTHER, KEY]):
        with pytest.raises(UnknownSigner, match="was signed with another key than"):
            check(trusting(*keys, sig=REFERENCES / f"{name}.sig"), tmp_path / "model.onnx")


def test_a_file_that_was_signed_alone_may_have_any_name_and_no_data(tmp_path: Path) -> None:
    trust = Trust.given(REFERENCES / "p256.pub", REFERENCES / "alone.sig")
    assert trust is not None
    check(trust, tmp_path / "any name", data={})
    check(trust, None, data={})
    with pytest.raises(NotSigned, match=r"alone\.sig signs one file, but the model has weights in model\.onnx\.data"):
        check(trust, tmp_path / "model.onnx")


@pytest.mark.parametrize("kind", ["ed25519", "secp256r1"])
def test_every_key_of_a_list_is_trusted(kind: str, path: Path) -> None:
    key = new_key(kind)
    path.with_suffix(".sig").write_bytes(signed(key, FILES))
    check(trusting(key), path)
    check(trusting(OTHER, KEY, key), path)
    with pytest.raises(UnknownSigner, match=r"model\.sig was signed with another key than one of the trusted keys"):
        check(trusting(OTHER, KEY), path)


def test_what_was_altered_is_refused(path: Path) -> None:
    check(trusting(), path)
    for place in range(len(MODEL)):
        with pytest.raises(ModelAltered, match=r"model\.onnx is not as it was signed"):
            check(trusting(), path, MODEL[:place] + b"\xff" + MODEL[place + 1 :])
    with pytest.raises(ModelAltered, match=r"model\.onnx\.data is not as it was signed"):
        check(trusting(), path, data={"model.onnx.data": b"datA\n"})
    with pytest.raises(NotSigned, match=r"model\.sig signs the model, but not its weights in other\.data"):
        check(trusting(), path, data={"other.data": b"data\n"})


def test_files_that_change_places_are_refused(path: Path) -> None:
    files = {"model.onnx": b"float32", "model.int8.onnx": b"int8", "model.onnx.data": b"1", "other.data": b"2"}
    path.with_suffix(".sig").write_bytes(signed(KEY, files))
    check(trusting(), path, b"float32", {})
    # Its own ending comes off, and then that of its precision.
    check(trusting(), path.with_name("model.int8.onnx"), b"int8", {})
    with pytest.raises(ModelAltered):
        check(trusting(), path, b"int8", {})
    with pytest.raises(ModelAltered):
        check(trusting(), path, b"float32", {"model.onnx.data": b"2"})


def test_a_name_that_was_not_signed_is_refused(path: Path) -> None:
    with pytest.raises(NotSigned, match=r"model\.sig signs model\.onnx, model\.onnx\.data, but not model\.ort; "):
        check(trusting(), path.with_suffix(".ort"))


def test_a_link_has_the_signature_of_its_target(path: Path, tmp_path: Path) -> None:
    path.write_bytes(MODEL)
    link = tmp_path / "links" / "current.onnx"
    link.parent.mkdir()
    link.symlink_to(path)
    check(trusting(), link)


def test_files_below_a_signed_folder_are_trusted(tmp_path: Path) -> None:
    files = {"a/model.onnx": MODEL, "a/model.onnx.data": b"1", "b/model.onnx": MODEL, "b/model.onnx.data": b"2"}
    trust = trusting(sig=signed(KEY, files))
    for data in (b"1", b"2"):
        check(trust, tmp_path / "a" / "model.onnx", data={"model.onnx.data": data})
        check(trust, None, data={"model.onnx.data": data})
    with pytest.raises(ModelAltered):
        check(trust, None, data={"model.onnx.data": b"3"})


def test_a_content_needs_its_signature(path: Path) -> None:
    sig = path.with_suffix(".sig")
    for one in (sig, str(sig), sig.read_bytes(), bytearray(sig.read_bytes())):
        check(trusting(sig=one), None)
    with pytest.raises(NotSigned, match="needs sig, the path or content"):
        check(trusting(), None)
    with pytest.raises(ModelAltered, match="the model is not as it was signed in sig"):
        check(trusting(sig=sig.read_bytes()), None, b"another")


def test_a_missing_signature_is_said(tmp_path: Path) -> None:
    (tmp_path / "other.sig").write_bytes(signed(KEY, FILES))
    with pytest.raises(NotSigned, match=r"model\.onnx is not signed: there is no .*model\.sig; edge-export --sign"):
        check(trusting(), tmp_path / "model.onnx")
    with pytest.raises(NotSigned, match=r"there is no .*nowhere\.sig"):
        check(trusting(sig=tmp_path / "nowhere.sig"), tmp_path / "model.onnx")


def test_what_is_not_a_regular_file_is_refused(tmp_path: Path) -> None:
    sig, model = tmp_path / "model.sig", tmp_path / "model.onnx"
    sig.mkdir()
    with pytest.raises(ModelAltered, match="not a regular file"):
        check(trusting(), model)
    sig.rmdir()
    if hasattr(os, "mkfifo"):
        # It would be waited for.
        os.mkfifo(sig)
        with pytest.raises(ModelAltered, match="not a regular file"):
            check(trusting(), model)
        sig.unlink()
    sig.write_bytes(b"[" * 5_000_000)
    with pytest.raises(ModelAltered, match="more than 1,048,576 bytes"):
        check(trusting(), model)


def test_a_signature_that_does_not_hold_is_altered(path: Path) -> None:
    bundle = json.loads(signed(OTHER, FILES))
    # It says that it is of the trusted key.
    bundle["verificationMaterial"]["publicKey"]["hint"] = sha256(public_pem(KEY))
    with pytest.raises(ModelAltered, match="the signature in sig does not hold"):
        check(trusting(sig=json.dumps(bundle).encode()), path)
    del bundle["verificationMaterial"]["publicKey"]["hint"]
    with pytest.raises(UnknownSigner, match="with another key than is trusted, or was altered"):
        check(trusting(sig=json.dumps(bundle).encode()), path)


def test_a_statement_that_is_not_as_the_format_has_it_is_refused_although_it_is_signed(path: Path) -> None:
    statement = statement_of({"../model.onnx": sha256(MODEL)})
    with pytest.raises(ModelAltered, match="not the path of a file"):
        check(trusting(sig=json.dumps(bundle_of(KEY, json.dumps(statement).encode())).encode()), path)


def test_keys_are_needed() -> None:
    assert Trust.given(None, None) is None
    with pytest.raises(InvalidInput, match="trust has no key"):
        Trust.given([], None)
    with pytest.raises(InvalidInput, match="trust says which keys"):
        Trust.given(None, b"{}")
    with pytest.raises(InvalidInput, match="found bool"):
        Trust.given(True, None)
    with pytest.raises(InvalidInput, match="sig is the path"):
        Trust.given(public_pem(KEY), 5)
    for nowhere in ("", "a\0b"):
        with pytest.raises(InvalidInput, match=r"^sig: '.*' is not a path of a file$"):
            Trust.given(public_pem(KEY), nowhere)


def test_a_signature_file_at_a_home_that_nobody_has_is_not_there(path: Path) -> None:
    with pytest.raises(NotSigned, match=r"there is no .*~nobody-has-it/model\.sig"):
        check(trusting(sig="~nobody-has-it/model.sig"), path)


Change = Callable[[bytes], bytes]
CONTENT = signed(KEY, FILES)
PLACE = st.integers(0, len(CONTENT) - 1)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A byte is another one, some are inserted, some are dropped, or some are repeated."""
    start, length, inserted = draw(PLACE), draw(st.integers(1, 40)), draw(st.binary(min_size=1, max_size=4))
    middle = draw(st.sampled_from(["another", "inserted", "dropped", "repeated"]))
    if middle == "another":
        return lambda content: content[:start] + inserted + content[start + len(inserted) :]
    if middle == "inserted":
        return lambda content: content[:start] + inserted + content[start:]
    if middle == "dropped":
        return lambda content: content[:start] + content[start + length :]
    return lambda content: content[: start + length] + content[start:]


@settings(max_examples=500)
@given(several=st.lists(changes(), min_size=1, max_size=3))
def test_a_changed_signature_file_is_refused_or_says_the_same(several: list[Change]) -> None:
    content = CONTENT
    for change in several:
        content = change(content)
    trust = trusting(sig=content)
    path = Path("/nowhere/model.onnx")
    try:
        check(trust, path)
    except NotTrusted:
        return
    # Spaces do not matter, nor what the format ignores: the signed files are the same.
    with pytest.raises(ModelAltered):
        check(trust, path, MODEL + b"x")
    assert hashlib.sha256(public_pem(KEY)).hexdigest() == trust.keys[0].hint
