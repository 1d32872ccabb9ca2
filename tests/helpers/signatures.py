"""Keys and signature files for tests, written without what is tested."""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

REFERENCES = Path(__file__).parents[1] / "runtime" / "signing" / "references"
# What the signature files in there, which the command line of model-signing made, are of.
FILES = {"model.onnx": b"hello\n", "model.onnx.data": b"data\n"}


def new_key(kind: str = "ed25519") -> Any:
    """A new private key: of ed25519, of a curve such as secp256r1, or rsa."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key({"secp256r1": ec.SECP256R1, "secp256k1": ec.SECP256K1}[kind]())


def public_pem(key: Any) -> bytes:
    """The public key of `key`, as openssl pkey -pubout writes it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def private_pem(key: Any, passphrase: bytes | None = None) -> bytes:
    """The file of `key` in PKCS#8."""
    from cryptography.hazmat.primitives import serialization

    secret = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    return pem


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def statement_of(digests: Mapping[str, str]) -> dict[str, Any]:
    """The statement that files have these digests, as model-signing writes it."""
    of_all = sha256(b"".join(map(bytes.fromhex, digests.values())))
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": of_all}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [{"name": one, "algorithm": "sha256", "digest": digest} for one, digest in digests.items()],
        },
    }


def bundle_of(key: Any, payload: bytes) -> dict[str, Any]:
    """The signature file that `key` makes of `payload`."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    kind = "application/vnd.in-toto+json"
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    signature = key.sign(message, ec.ECDSA(SHA256())) if hasattr(key, "curve") else key.sign(message)
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": sha256(public_pem(key))}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": kind,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def signed(key: Any, files: Mapping[str, bytes]) -> bytes:
    """The content of the signature file of `files`, contents by name."""
    digests = {name: sha256(content) for name, content in sorted(files.items())}
    return json.dumps(bundle_of(key, json.dumps(statement_of(digests)).encode())).encode()
