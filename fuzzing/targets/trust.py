"""Signature files and keys: what is not signed by a trusted key never passes, whatever the files hold."""

import base64
import functools
import json
from collections.abc import Iterable
from random import Random

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_runtime.signing.bundle import ALONE, Bundle, digests_in, encoded, statement
from edge_runtime.signing.keys import PublicKey
from edge_runtime.signing.trust import Trust
from fuzzing.mutations import mutated_bytes, mutated_json
from fuzzing.target import Check, Target, expect

_SIGNED, _OTHER = "a" * 64, "b" * 64


@functools.cache
def _keys() -> tuple[ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey]:
    # Of a fixed secret, so that a corpus stays signed.
    return ec.derive_private_key(7, ec.SECP256R1()), ed25519.Ed25519PrivateKey.from_private_bytes(b"7" * 32)


def _pems() -> list[bytes]:
    return [key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in _keys()]


def _prepare_bundle() -> Check:
    keys = tuple(PublicKey(pem) for pem in _pems())

    def check(data: bytes) -> None:
        trust = Trust(keys, data)
        try:
            trust.signed(None, lambda: _OTHER).check({})
        except Exception as error:
            if "not as it was signed" not in str(error):
                raise
        else:
            expect(False, "another model passes")
        trust.signed(None, lambda: _SIGNED).check({})
        # Whatever else is in it, this was signed.
        bundle = Bundle.from_json(data, "sig")
        expect(bundle.payload in _payloads(), "another statement passes")

    return check


def _statement(data: bytes) -> None:
    digests = digests_in(data, "sig")
    expect(digests_in(statement("model", digests, "model.sig"), "sig") == digests, "it is not what is written")
    expect(not any(".." in name.split("/") or name.startswith("/") for name in digests), "a name leads elsewhere")


def _key(data: bytes) -> None:
    key = PublicKey.read(data)
    expect(not key.verifies(b"0" * 64, b"message"), "a signature of nothing holds")
    expect(len(key.hint) == 64, "its hint is not a digest")


@functools.cache
def _payloads() -> list[bytes]:
    return [
        statement("model", {ALONE: _SIGNED}, "model.sig"),
        statement("model", {"model.onnx": _SIGNED, "deep/model.onnx.data": "c" * 64}, "model.sig"),
    ]


def _bundles() -> Iterable[bytes]:
    # A signature by ECDSA is another one each time.
    for payload in _payloads():
        curve, edwards = _keys()
        message = encoded(payload)
        signatures = (curve.sign(message, ec.ECDSA(hashes.SHA256())), edwards.sign(message))
        for pem, signature in zip(_pems(), signatures, strict=True):
            yield Bundle(PublicKey(pem).hint, payload, signature).to_json()
            yield Bundle(None, payload, signature).to_json()


def _mutated(data: bytes, random: Random) -> bytes:
    try:
        if random.random() < 0.5:
            bundle = Bundle.from_json(data, "sig")
            payload = mutated_json(bundle.payload, random)
            plain = json.loads(data)
            plain["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
            return json.dumps(plain).encode()
    except Exception:  # it was changed before
        return mutated_bytes(data, random)
    return mutated_json(data, random)


TARGETS = (
    Target("signature file", _prepare_bundle, _bundles, _mutated),
    Target("statement of a signature", lambda: _statement, _payloads, mutated_json),
    Target("public key", lambda: _key, _pems, weight=0.5),
)
