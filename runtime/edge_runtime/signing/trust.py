"""Whether a model is signed by a key that is trusted, and is as it was signed."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edge_runtime.contract.errors import InvalidInput, ModelAltered, NotSigned, NotTrusted, UnknownSigner
from edge_runtime.contract.terminal import printable, shortened, unreadable
from edge_runtime.signing.bundle import ALONE, LARGEST, Bundle, digests_in, encoded
from edge_runtime.signing.keys import PublicKey

ENDING = ".sig"

# O_NONBLOCK: a pipe in the place of a signature file must not stop the program.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Trust:
    """Whose signatures are trusted, and where that of a model is.

    Attributes:
        keys: the public keys, one or more.
        sig: the signature file, by its absolute path or its content; None for the one beside the model.
    """

    keys: tuple[PublicKey, ...]
    sig: Path | bytes | None = None

    @classmethod
    def given(cls, trust: Any, sig: Any) -> "Trust | None":
        """What a user has given, see `Predictor`; None if anything is trusted.

        Raises:
            InvalidInput: it is not what is taken there.
            ExtraNotInstalled: the package cryptography is missing.
        """
        if trust is None:
            if sig is not None:
                raise InvalidInput("sig says where the signature of a model is; trust says which keys are trusted")
            return None
        several = trust if isinstance(trust, list | tuple) else [trust]
        if not several:
            raise InvalidInput("trust has no key, so that no model could be opened; None opens every model")
        keys = tuple(dict.fromkeys(map(PublicKey.read, several)))
        if isinstance(sig, bytes | bytearray | memoryview):
            return cls(keys, bytes(sig))
        if sig is not None and not isinstance(sig, str | os.PathLike):
            raise InvalidInput(f"sig is the path of a signature file, or its content, found {type(sig).__name__}")
        return cls(keys, None if sig is None else Path(os.fsdecode(sig)).expanduser().absolute())

    def check(self, path: Path | None, sha256: str, data: Mapping[str, str]) -> None:
        """See that a model is signed, and is as it was signed.

        A model that was opened by its path must have the name that it was signed with, its own or that of the file that
        it links to; a file that was signed alone may have any. So must its data files, in the same folder.

        Args:
            path: the absolute path of the model's file; None for a content.
            sha256: the SHA-256 of the model, 64 hex digits.
            data: the SHA-256 of each of its data files, by name.

        Raises:
            NotSigned: there is no signature file, or it does not have one of the files.
            UnknownSigner: it was signed with another key.
            ModelAltered: a file differs from what was signed, or the signature file is damaged.
        """
        content, name = self._content(path)
        digests = self._verified(content, name)
        model = "the model" if path is None else printable(path)
        if ALONE in digests:
            if data:
                raise NotSigned(
                    f"{name} signs one file, but the weights of {model} are in {', '.join(data)}; sign its folder"
                )
            places = [ALONE]
        elif path is None:
            places = [place for place, digest in digests.items() if digest == sha256]
        else:
            names = {path.name, os.path.basename(os.path.realpath(path))}  # noqa: PTH119
            places = [place for place in digests if PurePosixPath(place).name in names]
            if not places:
                signed = shortened(", ".join(digests))
                raise NotSigned(f"{name} signs {signed}, but not {path.name}; give the file the name that it had")
        places = [place for place in places if digests[place] == sha256]
        if not places:
            raise ModelAltered(
                f"{model} is not as it was signed in {name}: it was altered or damaged, or is another one"
            )
        # Files of the same content may lie in several folders.
        problems = [_data_problem(digests, place, data, name) for place in places]
        if None not in problems and problems[0] is not None:
            raise problems[0]

    def _content(self, path: Path | None) -> tuple[bytes, str]:
        """The content of the signature file of a model, and what to call it."""
        if isinstance(self.sig, bytes):
            return self.sig, "sig"
        if self.sig is None and path is None:
            raise NotSigned("a model that is given by its content needs sig, the path or content of its signature file")
        tried = [self.sig] if self.sig is not None else list(dict.fromkeys(_beside(path))) if path is not None else []
        for one in tried:
            if (content := _regular(one)) is not None:
                return content, printable(one)
        model = "the model" if path is None else printable(path)
        raise NotSigned(f"{model} is not signed: there is no {printable(tried[-1])}; edge-export --sign KEY writes one")

    def _verified(self, content: bytes, name: str) -> dict[str, str]:
        """The digests that a trusted key has signed."""
        bundle = Bundle.from_json(content, name)
        keys = [key for key in self.keys if bundle.hint in (None, key.hint)]
        if not keys:
            others = "one of the trusted keys" if len(self.keys) > 1 else "the trusted one"
            raise UnknownSigner(f"{name} was signed with another key than {others}")
        message = encoded(bundle.payload)
        if not any(key.verifies(bundle.signature, message) for key in keys):
            if bundle.hint is None:
                raise UnknownSigner(f"{name} was signed with another key than is trusted, or was altered")
            raise ModelAltered(f"the signature in {name} does not hold: it was altered or damaged")
        return digests_in(bundle.payload, name)


def _data_problem(digests: Mapping[str, str], place: str, data: Mapping[str, str], name: str) -> NotTrusted | None:
    """What is wrong with the data files of the model that is signed as `place`; None if nothing is."""
    for file, sha256 in data.items():
        signed = digests.get(str(PurePosixPath(place).with_name(file)))
        if signed is None:
            return NotSigned(f"{name} signs the model, but not its data file {file}")
        if signed != sha256:
            return ModelAltered(
                f"{file} is not as it was signed in {name}: it was altered or damaged, or is another one"
            )
    return None


def _beside(model: Path) -> Iterator[Path]:
    """Where the signature file of `model` may be: model.int8.sig and model.sig for model.int8.onnx.

    Of a link to the model alone, beside that.
    """
    for path in (model, Path(os.path.realpath(model))):
        name = path.name
        while "." in name[1:]:
            name = name.rpartition(".")[0]
            yield path.with_name(name + ENDING)


def _regular(path: Path) -> bytes | None:
    """The content of a signature file; None if there is none.

    Raises:
        ModelAltered: it cannot be read, or is not a regular file.
    """
    try:
        descriptor = os.open(path, _READ)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ModelAltered(f"{printable(path)} is not a regular file, as a signature file is")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(LARGEST + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelAltered(f"the signature file cannot be read: {unreadable(path, error)}") from error
