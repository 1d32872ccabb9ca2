"""The signature file of a model: a Sigstore bundle in the format of OpenSSF model-signing, signed with a key.

    {"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
     "verificationMaterial": {"publicKey": {"hint": "<SHA-256 of the public key's PEM>"}, "tlogEntries": []},
     "dsseEnvelope": {"payload": "<base64 of a statement>", "payloadType": "application/vnd.in-toto+json",
                      "signatures": [{"sig": "<base64>", "keyid": ""}]}}

The statement names the signed files and their SHA-256:

    {"_type": "https://in-toto.io/Statement/v1",
     "subject": [{"name": "model", "digest": {"sha256": "<SHA-256 of the digests of all files, one after another>"}}],
     "predicateType": "https://model_signing/signature/v1.0",
     "predicate": {"serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": false,
                                     "ignore_paths": ["model.sig"]},
                   "resources": [{"name": "model.onnx", "algorithm": "sha256", "digest": "<64 hex digits>"}]}}

Names are relative to the folder that was signed; "." is the only file where a single file was signed.

Sources: https://github.com/sigstore/model-transparency (the package model-signing: predicate, hint, resources),
https://docs.sigstore.dev/about/bundle (the bundle), https://github.com/secure-systems-lab/dsse (envelope, encoding),
https://github.com/in-toto/attestation (statement). Reading is strict: what the format does not have is refused.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

from edge_runtime.contract.errors import ModelAltered
from edge_runtime.contract.terminal import one_line

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
# The name of a file that was signed alone.
ALONE = "."

# In bytes: a file takes about 200, in base64.
LARGEST = 1024 * 1024

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAMAGE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True)
class Bundle:
    """What a signature file holds, of which nothing is verified yet.

    Attributes:
        hint: the SHA-256 of the PEM of the public key, 64 hex digits; None in files of model-signing 1.0.
        payload: what was signed: the bytes of a statement.
        signature: the signature of `encoded(payload)`.
    """

    hint: str | None
    payload: bytes
    signature: bytes

    @classmethod
    def from_json(cls, content: bytes, name: str) -> "Bundle":
        """The bundle in `content`, the bytes of the signature file `name`.

        Raises:
            ModelAltered: it is not a bundle as model-signing writes it with a key.
        """
        with _reading(name):
            bundle = _object(
                _json(content), "the bundle", {"mediaType", "verificationMaterial", "dsseEnvelope"}, frozenset()
            )
            _same(bundle["mediaType"], MEDIA_TYPE, "mediaType")
            material = _object(
                bundle["verificationMaterial"], "verificationMaterial", {"publicKey"}, frozenset({"tlogEntries"})
            )
            if material.get("tlogEntries", []) != []:
                raise ValueError("it has entries of a transparency log, which a key does without")
            # model-signing 1.0 wrote the key itself, which anybody can do: it is not looked at.
            key = _object(
                material["publicKey"], "publicKey", set(), frozenset({"hint", "rawBytes", "keyDetails"}), values=str
            )
            envelope = _object(
                bundle["dsseEnvelope"], "dsseEnvelope", {"payload", "payloadType", "signatures"}, frozenset()
            )
            _same(envelope["payloadType"], PAYLOAD_TYPE, "payloadType")
            signatures = _list(envelope["signatures"], "signatures")
            if len(signatures) != 1:
                raise ValueError(f"it has {len(signatures)} signatures, not one")
            one = _object(signatures[0], "a signature", {"sig"}, frozenset({"keyid"}))
            return cls(key.get("hint") or None, _bytes(envelope["payload"]), _bytes(one["sig"]))

    def to_json(self) -> bytes:
        """The content of a signature file."""
        return json.dumps(
            {
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": {"publicKey": {"hint": self.hint}, "tlogEntries": []},
                "dsseEnvelope": {
                    "payload": base64.b64encode(self.payload).decode(),
                    "payloadType": PAYLOAD_TYPE,
                    "signatures": [{"sig": base64.b64encode(self.signature).decode(), "keyid": ""}],
                },
            }
        ).encode()


def encoded(payload: bytes) -> bytes:
    """The bytes that are signed for `payload`: DSSE's pre-authentication encoding, version 1."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def statement(name: str, digests: Mapping[str, str], ignored: str) -> bytes:
    """The statement that files have these digests.

    Args:
        name: what the model is called; it is only shown.
        digests: the SHA-256 of each file, 64 hex digits, by its path below the folder of the files.
        ignored: the path of the signature file below that folder.
    """
    ordered = dict(sorted(digests.items()))
    return json.dumps(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": _of_all(ordered)}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [ignored],
                },
                "resources": [
                    {"name": path, "algorithm": "sha256", "digest": digest} for path, digest in ordered.items()
                ],
            },
        }
    ).encode()


def is_file_name(name: str) -> bool:
    """Whether `name` is the path of a file below a folder, as a statement may have it."""
    return not {"", ".", ".."} & set(name.split("/")) and "\\" not in name and name.isprintable()


def digests_in(payload: bytes, name: str) -> dict[str, str]:
    """The SHA-256 of each signed file by its name, as a statement has them.

    Args:
        payload: the statement, after its signature was verified.
        name: what to call the signature file in messages.

    Raises:
        ModelAltered: it is not a statement on whole files by their SHA-256.
    """
    with _reading(name):
        plain = _object(
            _json(payload), "the statement", {"_type", "subject", "predicateType", "predicate"}, frozenset()
        )
        _same(plain["_type"], STATEMENT_TYPE, "_type")
        _same(plain["predicateType"], PREDICATE_TYPE, "predicateType")
        subjects = _list(plain["subject"], "subject")
        if len(subjects) != 1:
            raise ValueError(f"it has {len(subjects)} subjects, not one")
        # Other entries of the predicate are to be ignored, by the format.
        predicate = _object(plain["predicate"], "predicate", {"serialization", "resources"}, None)
        serialization = _object(predicate["serialization"], "serialization", {"method", "hash_type"}, None)
        _same(serialization["method"], "files", "method")
        _same(serialization["hash_type"], "sha256", "hash_type")
        digests: dict[str, str] = {}
        for resource in _list(predicate["resources"], "resources"):
            one = _object(resource, "a resource", {"name", "algorithm", "digest"}, frozenset(), values=str)
            _same(one["algorithm"], "sha256", "algorithm")
            if one["name"] in digests:
                raise ValueError(f"it has {one['name']!r} twice")
            if one["name"] != ALONE and not is_file_name(one["name"]):
                raise ValueError(f"{one['name'][:100]!r} is not the path of a file below a folder")
            digests[one["name"]] = _digest(one["digest"])
        if not digests or (ALONE in digests and len(digests) > 1):
            raise ValueError(f"it signs {', '.join(digests) or 'no file'}")
        subject = _object(subjects[0], "the subject", {"name", "digest"}, frozenset())
        if _digest(_object(subject["digest"], "digest", {"sha256"}, frozenset())["sha256"]) != _of_all(digests):
            raise ValueError("the digest of all files is not that of its files")
        return digests


def _of_all(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(bytes.fromhex("".join(digests.values()))).hexdigest()


class _reading:  # noqa: N801 - a context manager
    """Raise ModelAltered for everything that goes wrong while a signature file is read."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, _DAMAGE):
            raise ModelAltered(f"{self._name} is not a valid signature file: {one_line(error)[:200]}") from error


def _json(content: bytes) -> Any:
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    return json.loads(content.decode(), object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, whose keys must differ: else two readers could see different values."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a key twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _object(
    plain: object, what: str, required: set[str], optional: frozenset[str] | None, values: type = object
) -> dict[str, Any]:
    """`plain`, if it is an object with these keys, and if `optional` is not None with no others.

    Raises TypeError or ValueError if it is not.
    """
    if not isinstance(plain, dict):
        raise TypeError(f"{what} is not an object")
    if missing := required - plain.keys():
        raise ValueError(f"{what} has no {min(missing)}")
    if optional is not None and (unknown := plain.keys() - required - optional):
        raise ValueError(f"{what} has {min(unknown)!r}, which the format does not have for keys")
    for name, value in plain.items():
        if not isinstance(value, values):
            raise TypeError(f"{name} of {what} is not a string")
    return plain


def _list(plain: object, what: str) -> list[Any]:
    if not isinstance(plain, list):
        raise TypeError(f"{what} is not a list")
    return plain


def _same(found: object, expected: str, what: str) -> None:
    if found != expected:
        raise ValueError(f"{what} is {str(found)[:100]!r}, not {expected!r}")


def _bytes(plain: object) -> bytes:
    if not isinstance(plain, str):
        raise TypeError("base64 is not a string")
    try:
        content = base64.b64decode(plain)
    except binascii.Error as error:
        raise ValueError(f"base64: {error}") from error
    # It skips other characters, and the last digit may have bits that are not used.
    if base64.b64encode(content).decode() != plain:
        raise ValueError("base64: it is not written in the usual way")
    return content


def _digest(plain: object) -> str:
    if not isinstance(plain, str) or not _DIGEST.fullmatch(plain):
        raise ValueError(f"{str(plain)[:100]!r} is not a SHA-256 in 64 hex digits")
    return plain
