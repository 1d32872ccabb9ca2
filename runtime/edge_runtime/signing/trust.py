"""Whether a model is signed by a key that is trusted, and is as it was signed."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from edge_runtime.contract.errors import InvalidInput, ModelAltered, NotSigned, NotTrusted, UnknownSigner
from edge_runtime.contract.terminal import printable, shortened
from edge_runtime.signing.bundle import ALONE, LARGEST, Bundle, digests_in, encoded
from edge_runtime.signing.keys import PublicKey, path_of

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
        return cls(keys, None if sig is None else path_of(sig, "sig", InvalidInput).absolute())

    def signed(self, path: Path | None, sha256: Callable[[], str]) -> "Signed":
        """See that a model is signed, and is as it was signed; what it returns checks its data files.

        A model that was opened by its path must have the name that it was signed with, its own or that of the file that
        it links to; a file that was signed alone may have any.

        Args:
            path: the path of the model's file; None for a content.
            sha256: gives the SHA-256 of the model, 64 hex digits. Not before the signature holds: it may take long.

        Raises:
            NotSigned: there is no signature file, or it does not name the model.
            UnknownSigner: it was signed with another key.
            ModelAltered: the model differs from what was signed, or the signature file is damaged.
            OSError: the signature file cannot be read.
        """
        content, name = self._content(path)
        digests = self._verified(content, name)
        model = "the model" if path is None else printable(path)
        places = list(digests)
        if path is not None and ALONE not in digests:
            names = {path.name, os.path.basename(os.path.realpath(path))}  # noqa: PTH119
            places = [place for place in digests if PurePosixPath(place).name in names]
            if not places:
                signed = shortened(", ".join(digests))
                raise NotSigned(f"{name} signs {signed}, but not {path.name}; give the file the name that it had")
        found = sha256()
        places = [place for place in places if digests[place] == found]
        if not places:
            raise ModelAltered(
                f"{model} is not as it was signed in {name}: it was altered or damaged, or is another one"
            )
        return Signed(name, digests, tuple(places))

    def files(self, path: Path) -> list[Path]:
        """Where the signature file of the model `path` is looked for, in this order."""
        if self.sig is None:
            return list(dict.fromkeys(_beside(path)))
        return [] if isinstance(self.sig, bytes) else [self.sig]

    def _content(self, path: Path | None) -> tuple[bytes, str]:
        """The content of the signature file of a model, and what to call it."""
        if isinstance(self.sig, bytes):
            return self.sig, "sig"
        if self.sig is None and path is None:
            raise NotSigned("a model that is given by its content needs sig, the path or content of its signature file")
        tried = self.files(path or Path())
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


@dataclass(frozen=True)
class Signed:
    """A model that is as it was signed.

    Attributes:
        name: what to call its signature file.
        digests: the SHA-256 of each file that was signed, by its place.
        places: where the model is among them: in more than one if files with its content are in several folders.
    """

    name: str
    digests: Mapping[str, str]
    places: tuple[str, ...]

    def check(self, data: Mapping[str, str]) -> None:
        """See that the files with the model's weights are as they were signed, each under its name.

        Args:
            data: their SHA-256 by their paths below the folder of the model.

        Raises:
            NotSigned: one was not signed.
            ModelAltered: one differs from what was signed.
        """
        problems = [self._problem(place, data) for place in self.places]
        if None not in problems and problems[0] is not None:
            raise problems[0]

    def _problem(self, place: str, data: Mapping[str, str]) -> NotTrusted | None:
        for file, sha256 in data.items():
            if place == ALONE:
                return NotSigned(f"{self.name} signs one file, but the model has weights in {file}; sign its folder")
            signed = self.digests.get(str(PurePosixPath(place).parent / file))
            if signed is None:
                return NotSigned(f"{self.name} signs the model, but not its weights in {file}")
            if signed != sha256:
                return ModelAltered(_not_as_signed(file, self.name))
        return None


def _not_as_signed(file: str, name: str) -> str:
    return f"{file} is not as it was signed in {name}: it was altered or damaged, or is another one"


def _beside(model: Path) -> Iterator[Path]:
    """Where the signature file of `model` may be: model.int8.sig and model.sig for model.int8.onnx.

    Of a link to the model alone, beside that.
    """
    for path in (model, Path(os.path.realpath(model))):
        name = path.name
        while "." in name[1:]:
            name = name.rpartition(".")[0]
            yield path.with_name(name + ENDING)
        if name == path.name:
            yield path.with_name(name + ENDING)


def _regular(path: Path) -> bytes | None:
    """The content of a signature file, as far as one may be long; None if there is none."""
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ModelAltered(f"{printable(path)} is not a regular file, as a signature file is")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
