"""Signature files: those of model-signing are read, and whatever else is in one ends in one error."""

import base64
import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signatures import FILES, REFERENCES, sha256, statement_of

from edge_runtime import ModelAltered
from edge_runtime.signing.bundle import LARGEST, Bundle, digests_in, encoded, statement

DIGESTS = {name: sha256(content) for name, content in FILES.items()}
REFERENCE = (REFERENCES / "p256.sig").read_bytes()
STATEMENT = statement_of(DIGESTS)


@pytest.mark.parametrize("name", ["p256", "p384", "p521", "older"])
def test_files_of_model_signing_are_read(name: str) -> None:
    bundle = Bundle.from_json((REFERENCES / f"{name}.sig").read_bytes(), "model.sig")
    assert digests_in(bundle.payload, "model.sig") == DIGESTS
    assert bundle.hint == (None if name == "older" else sha256((REFERENCES / f"{name}.pub").read_bytes()))


def test_a_file_that_was_signed_alone_is_a_dot() -> None:
    bundle = Bundle.from_json((REFERENCES / "alone.sig").read_bytes(), "model.sig")
    assert digests_in(bundle.payload, "model.sig") == {".": DIGESTS["model.onnx"]}


def test_what_is_written_is_read() -> None:
    payload = statement("model", {"b": "b" * 64, "a/c": "0" * 64}, "model.sig")
    bundle = Bundle("1" * 64, payload, b"\x00\xff")
    assert Bundle.from_json(bundle.to_json(), "model.sig") == bundle
    # In the order in which their digests are hashed.
    assert list(digests_in(payload, "model.sig").items()) == [("a/c", "0" * 64), ("b", "b" * 64)]


def test_what_is_signed_is_encoded_as_in_the_specification_of_dsse() -> None:
    assert encoded(b"hi") == b"DSSEv1 28 application/vnd.in-toto+json 2 hi"


def places(plain: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a document."""
    yield path
    if isinstance(plain, dict | list):
        for key, value in plain.items() if isinstance(plain, dict) else enumerate(plain):
            yield from places(value, (*path, key))


def changed(plain: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    new = copy.deepcopy(plain)
    place = new
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return new


BUNDLE = json.loads(REFERENCE)
# Of these another value is as good: they are not looked at, or another statement is another statement.
FREE = {"payload", "sig", "keyid", "hint", "name", "allow_symlinks", "ignore_paths"}
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1.5,
    10**400,
    "",
    "x",
    "ä",
    "=",
    [],
    [[]],
    {},
    {"a": 1},
    ["x"],
    "\ud800",
    "a" * 100_000,
)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_values_of_other_kinds_are_refused(odd: Any) -> None:
    # No entries of a log, and no hint, are as good.
    as_good = {"[]": "tlogEntries", "{}": "publicKey"}.get(repr(odd))
    for path in places(BUNDLE):
        if not FREE & {*path} and as_good not in path[-1:]:
            with pytest.raises(ModelAltered, match=r"^model\.sig is not a valid signature file: "):
                Bundle.from_json(json.dumps(changed(BUNDLE, path, odd)).encode(), "model.sig")
    for path in places(STATEMENT):
        if not FREE & {*path}:
            with pytest.raises(ModelAltered, match=r"^model\.sig is not a valid signature file: "):
                digests_in(json.dumps(changed(STATEMENT, path, odd)).encode(), "model.sig")


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("mediaType",), "application/vnd.dev.sigstore.bundle+json;version=0.1", "mediaType is"),
        (("verificationMaterial", "certificate"), {"rawBytes": ""}, "'certificate'"),
        (("verificationMaterial", "tlogEntries"), [{}], "transparency log"),
        (("verificationMaterial", "publicKey", "hint"), 5, "hint of publicKey is not a string"),
        (("dsseEnvelope", "payloadType"), "text/plain", "payloadType is"),
        (("dsseEnvelope", "signatures"), [], "0 signatures"),
        (("dsseEnvelope", "signatures"), BUNDLE["dsseEnvelope"]["signatures"] * 2, "2 signatures"),
        (("dsseEnvelope", "signatures", 0, "sig"), "AA-_", "base64"),
        (("dsseEnvelope", "signatures", 0, "sig"), "AAA", "base64"),
        (("dsseEnvelope", "signatures", 0, "sig"), "AB==", "base64: it is not written in the usual way"),
        (("dsseEnvelope", "signatures", 0, "sig"), " AAAA\n", "base64"),
        (("messageSignature",), {}, "'messageSignature'"),
    ],
)
def test_other_bundles_are_refused(path: tuple[Any, ...], value: Any, why: str) -> None:
    with pytest.raises(ModelAltered, match=why):
        Bundle.from_json(json.dumps(changed(BUNDLE, path, value)).encode(), "model.sig")


@pytest.mark.parametrize(
    "name", ["../model.onnx", "a/../b", "/model.onnx", "a//b", "", "./a", "a\\b", "a\n", "a\0", "a/"]
)
def test_paths_out_of_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ModelAltered, match="not the path of a file below a folder"):
        digests_in(json.dumps(statement_of({name: "0" * 64})).encode(), "model.sig")


def resource(**changes: str) -> dict[str, str]:
    return {"name": "model.onnx", "algorithm": "sha256", "digest": DIGESTS["model.onnx"], **changes}


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1", "_type is"),
        (("predicateType",), "https://model_signing/Digests/v0.1", "predicateType is"),
        (("predicateType",), "https://slsa.dev/provenance/v1", "predicateType is"),
        (("predicate", "serialization", "method"), "shards", "method is 'shards'"),
        (("predicate", "serialization", "hash_type"), "blake3", "hash_type is 'blake3'"),
        (("predicate", "resources"), [], "no file"),
        (("predicate", "resources"), [resource(algorithm="blake2b")], "algorithm is 'blake2b'"),
        (("predicate", "resources"), [resource(digest="0" * 63)], "not a SHA-256"),
        (("predicate", "resources"), [resource(digest="A" * 64)], "not a SHA-256"),
        (("predicate", "resources"), [resource(digest="0" * 64)], "the digest of all files"),
        (("predicate", "resources"), [resource(), resource(digest="0" * 64)], "'model.onnx' twice"),
        (("predicate", "resources"), [resource(), resource(name=".")], "it signs model.onnx, ."),
        (("predicate", "resources"), [{**resource(), "size": "1"}], "'size'"),
        (("subject",), STATEMENT["subject"] * 2, "2 subjects"),
        (("subject", 0, "digest", "sha512"), "0" * 128, "'sha512'"),
    ],
)
def test_other_statements_are_refused(path: tuple[Any, ...], value: Any, why: str) -> None:
    with pytest.raises(ModelAltered, match=why):
        digests_in(json.dumps(changed(STATEMENT, path, value)).encode(), "model.sig")


def test_what_a_later_predicate_adds_is_ignored() -> None:
    later = changed(STATEMENT, ("predicate", "model_card"), {"text": 1})
    assert digests_in(json.dumps(later).encode(), "model.sig") == DIGESTS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "decode"),
        (b"[" * 100_000, "recursion|Expecting|nested"),
        (b'{"a":' * 100_000, "recursion|Expecting|nested"),
        (b" " * (LARGEST + 1), "more than 1,048,576 bytes"),
        (b"9" * 100_000, "digits|not an object"),
        (b"NaN", "NaN is not JSON"),
        (REFERENCE[:-1] + b', "mediaType": "x"}', "a key twice"),
        (REFERENCE + b"x", "Extra data"),
        (REFERENCE[:-1], "Expecting"),
    ],
    ids=["empty", "not text", "lists", "objects", "huge", "number", "NaN", "a key twice", "more", "cut"],
)
def test_what_is_not_json_is_refused(content: bytes, why: str) -> None:
    for read in (Bundle.from_json, digests_in):
        if read is digests_in and content.startswith(REFERENCE[:9]):
            continue
        with pytest.raises(ModelAltered, match=why) as caught:
            read(content, "model.sig")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(data=st.data())
def test_documents_with_anything_in_them_are_read_or_refused(data: st.DataObject) -> None:
    for document, read in ((BUNDLE, Bundle.from_json), (STATEMENT, digests_in)):
        path = data.draw(st.sampled_from(sorted(places(document), key=str)))
        content = json.dumps(changed(document, path, data.draw(JSON))).encode()
        with contextlib.suppress(ModelAltered):
            read(content, "model.sig")


@settings(max_examples=300)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_refused(content: bytes) -> None:
    for read in (Bundle.from_json, digests_in):
        with pytest.raises(ModelAltered):
            read(content, "model.sig")
    envelope = {**BUNDLE["dsseEnvelope"], "payload": base64.b64encode(content).decode()}
    assert Bundle.from_json(json.dumps({**BUNDLE, "dsseEnvelope": envelope}).encode(), "model.sig").payload == content
