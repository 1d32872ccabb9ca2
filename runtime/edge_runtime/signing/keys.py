"""Public keys: PEM files, as openssl writes them.

EC keys on P-256, P-384 and P-521 sign with ECDSA and the SHA-2 of their size, as in OpenSSF model-signing's format, and
Ed25519 keys sign what is encoded, without a hash before (RFC 8032). model-signing 1.1 itself takes the first three.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.contract.errors import EdgePredictError, ExtraNotInstalled, InvalidInput
from edge_runtime.contract.terminal import one_line, printable, unreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

# In bytes: a key takes less than 500.
_LARGEST = 64 * 1024


@dataclass(frozen=True)
class PublicKey:
    """A key that signatures are verified with.

    Attributes:
        pem: its SubjectPublicKeyInfo in PEM.
    """

    pem: bytes

    @classmethod
    def read(cls, given: Any) -> "PublicKey":
        """The key `given`: the path of a PEM file, or its content as bytes.

        Raises:
            InvalidInput: it is not such a key; the message says what it is.
            ExtraNotInstalled: the package cryptography is missing.
        """
        content, name = key_content(given, "trust", InvalidInput)
        if b"PRIVATE KEY-----" in content:
            raise InvalidInput(
                f"{name} is a private key, which stays where models are signed; make its public key with "
                "openssl pkey -in KEY.pem -pubout -out KEY.pub"
            )
        serialization = loaded("cryptography.hazmat.primitives.serialization", "trust")
        if content.count(b"-----BEGIN ") > 1:
            raise InvalidInput(f"{name} has more than one key; pass a list of keys, each in a file of its own")
        try:
            key = serialization.load_pem_public_key(content)
        except Exception as error:  # of many kinds, by what the file holds
            raise InvalidInput(f"{name} is not a public key in PEM, as openssl pkey -pubout writes it") from error
        scheme(key, name, InvalidInput)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        return cls(key.public_bytes(serialization.Encoding.PEM, spki))

    @property
    def hint(self) -> str:
        """What signature files call it: the SHA-256 of its PEM."""
        return hashlib.sha256(self.pem).hexdigest()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether its owner has signed `message`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key: Any = load_pem_public_key(self.pem)
        algorithm = scheme(key, "the key", InvalidInput)
        try:
            key.verify(signature, message, *(() if algorithm is None else (algorithm,)))
        except (InvalidSignature, ValueError):
            return False
        return True


def key_content(given: Any, meaning: str, error: type[EdgePredictError]) -> tuple[bytes, str]:
    """The content of a key's file, and what to call it in messages.

    Args:
        given: the path of the file, or its content as bytes.
        meaning: what the key is for.
        error: what to raise if it cannot be read.
    """
    if isinstance(given, bytes):
        return given, f"the key in {meaning}"
    if not isinstance(given, str | os.PathLike):
        raise error(
            f"{meaning}: a key is the path of a PEM file, or its content as bytes, found {type(given).__name__}"
        )
    path = path_of(given, meaning, error)
    if path.parts[0].lstrip().startswith("-----BEGIN"):
        raise error(f"{meaning}: pass the path of a PEM file, or in Python its content as bytes; a string is a path")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as problem:
        raise error(f"{meaning}: {unreadable(path, problem)}") from problem
    if len(content) > _LARGEST:
        raise error(f"{printable(path)} is too large for a key")
    return content, printable(path)


def path_of(given: str | os.PathLike[str], meaning: str, error: type[EdgePredictError]) -> Path:
    """The path of the file that a user has given for `meaning`.

    Raises:
        EdgePredictError: `error`, if there is no such path.
    """
    try:
        name = os.fsdecode(given)
        is_path = os.fsencode(name) not in (b"", b".") and "\0" not in name
    except Exception as problem:  # of somebody's __fspath__; half a character
        raise error(f"{meaning}: it is not a path: {one_line(problem)}") from problem
    if not is_path:
        raise error(f"{meaning}: {printable(name)!r} is not a path of a file")
    try:
        return Path(name).expanduser()
    except RuntimeError:
        # Nobody has such a home: it is a name that begins with ~.
        return Path(name)


def scheme(key: Any, name: str, error: type[EdgePredictError]) -> "ECDSA | None":
    """How the public key `key` of cryptography signs; None for Ed25519, which has one way.

    Args:
        key: what was loaded.
        name: what to call its file.
        error: what to raise if models are not signed with such keys.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    curves = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
    if not isinstance(key, ec.EllipticCurvePublicKey):
        kind = type(key).__name__.removesuffix("PublicKey")
    elif key.curve.name in curves:
        return ec.ECDSA(curves[key.curve.name])
    else:
        kind = f"EC {key.curve.name}"
    raise error(f"{name}: models are not signed with {kind} keys; make one of EC P-256 or Ed25519")


def loaded(module: str, meaning: str) -> Any:
    """A module of the package cryptography, which `meaning` needs.

    Raises:
        ExtraNotInstalled: it is missing.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ExtraNotInstalled(
            f"{meaning} needs the package cryptography ({error}); install it with pip install 'edge-predict[sign]'"
        ) from error
