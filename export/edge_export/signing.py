"""Signing the files of an export: the signature file that is put in place beside them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_export.errors import ExportError
from edge_runtime.contract.data_file import blocks
from edge_runtime.signing.bundle import Bundle, encoded, statement
from edge_runtime.signing.keys import PublicKey, key_content, loaded, scheme
from edge_runtime.signing.trust import ENDING


class PassphraseNeeded(ExportError):
    """The key's file is encrypted, and no passphrase was given."""


@dataclass(frozen=True)
class SigningKey:
    """A private key that signs what is exported.

    Attributes:
        public: its public key.
        path: the file that it was read from; None for a content.
    """

    public: PublicKey
    path: Path | None
    _key: Any = field(repr=False)

    @classmethod
    def read(cls, given: str | os.PathLike[str] | bytes, passphrase: str | None = None) -> "SigningKey":
        """The key in a PEM file as openssl writes them: PKCS#8 or SEC1, EC P-256 (P-384, P-521) or Ed25519.

        Args:
            given: the path of the file, or its content.
            passphrase: what the file is encrypted with; None if it is not.

        Raises:
            PassphraseNeeded: it is encrypted, and `passphrase` is None.
            ExportError: it cannot be read, is not a private key, or models are not signed with such keys.
            ExtraNotInstalled: the package cryptography is missing.
        """
        content, name = key_content(given, "sign", ExportError)
        serialization = loaded("cryptography.hazmat.primitives.serialization", "sign")
        if b"PRIVATE KEY-----" not in content:
            what = "a public key" if b"PUBLIC KEY-----" in content else "not a private key in PEM"
            raise ExportError(
                f"{name} is {what}; make a private key with openssl ecparam -name prime256v1 -genkey -noout"
            )
        # Of openssl's two ways to encrypt, the older one says so in a header.
        encrypted = b"BEGIN ENCRYPTED PRIVATE KEY-----" in content or b"Proc-Type: 4,ENCRYPTED" in content
        if encrypted and passphrase is None:
            raise PassphraseNeeded(f"{name} is encrypted; its passphrase is needed")
        try:
            key = serialization.load_pem_private_key(content, passphrase.encode() if encrypted and passphrase else None)
        except Exception as error:  # of many kinds, by what the file holds
            reason = "cannot be read with this passphrase" if encrypted else "is damaged, or of an unknown kind"
            raise ExportError(f"{name} {reason}") from error
        scheme(key.public_key(), name, ExportError)
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        public = PublicKey(key.public_key().public_bytes(serialization.Encoding.PEM, spki))
        return cls(public, None if isinstance(given, bytes) else Path(given).expanduser(), key)

    def signature_file(self, path: Path, files: Mapping[Path, bytes | Path]) -> bytes:
        """The content of the signature file for `files`, in the format of OpenSSF model-signing.

        Args:
            path: where it will be. What is neither in its folder nor below cannot be named, and is not signed.
            files: the contents of the files by their paths: bytes, or the path of a file with them.

        Raises:
            OSError: a content cannot be read.
        """
        digests = {name: _sha256(files[file]) for file, name in signed_names(path, files).items()}
        payload = statement(path.name.removesuffix(ENDING), digests, path.name)
        algorithm = scheme(self._key.public_key(), "the key", ExportError)
        signature = self._key.sign(encoded(payload), *(() if algorithm is None else (algorithm,)))
        return Bundle(self.public.hint, payload, signature).to_json()


def signed_names(path: Path, files: Iterable[Path]) -> dict[Path, str]:
    """What the signature file `path` calls each of the files in its folder and below."""
    folder = Path(os.path.realpath(path.parent))
    places = {file: Path(os.path.realpath(file.parent)) / file.name for file in files}
    return {
        file: place.relative_to(folder).as_posix() for file, place in places.items() if place.is_relative_to(folder)
    }


def _sha256(content: bytes | Path) -> str:
    digest = hashlib.sha256()
    for block in blocks(content):
        digest.update(block)
    return digest.hexdigest()
