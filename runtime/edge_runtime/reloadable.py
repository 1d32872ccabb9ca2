"""`Reloadable`: a model that is opened, reloaded from its changed file, closed, and pickled."""

import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeAlias, TypeVar

from edge_runtime.closable import Closable
from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.limits import Limits
from edge_runtime.engine import forks
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session_settings import SessionSettings
from edge_runtime.rows.arrays import reading

if TYPE_CHECKING:
    from edge_runtime.signing.trust import Trust

_LOG = logging.getLogger("edge_runtime")
# Nothing is printed unless the application wants it.
_LOG.addHandler(logging.NullHandler())

# What opens a model.
Model: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
Providers: TypeAlias = Sequence[str | tuple[str, Mapping[str, Any]]]
# A public key.
Key: TypeAlias = str | os.PathLike[str] | bytes
Libraries: TypeAlias = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_Kind = TypeVar("_Kind", bound="Reloadable")


class Reloadable(Closable):
    """An opened model whose calls all begin by reading one attribute, in which everything fits together.

    So `reload` and `close` may replace these attributes under the calls of other threads: what has begun ends with the
    model that it began with.
    """

    _source: ModelSource
    _own: frozenset[str]

    def __init__(
        self,
        model: Model,
        device: str = "auto",
        verify: bool = False,
        threads: int | None = None,
        *,
        providers: Providers | None = None,
        session_options: Mapping[str, Any] | None = None,
        custom_operators: Libraries | None = None,
        data_folder: str | os.PathLike[str] | None = None,
        limits: Limits | None = None,
        sha256: str | None = None,
        trust: Key | Sequence[Key] | None = None,
        sig: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        """Open a model.

        Args:
            model: the path of an ONNX file (.onnx, or .ort in ONNX Runtime's own format), where ~ is the user's home;
                its content; or a binary file object, which is read from where it stands.
            device: "auto" uses the CPU, and CUDA, if it works, for the calls that are done sooner there, and for all
                calls of a file that does not say how much work its rows take. "cpu", "cuda" or "cuda:N" uses that
                device or raises, and so does the name of an ONNX Runtime provider.
            verify: whether to raise unless the model passes `verify`.
            threads: the most processors that one call may use on the CPU; by default all of this process.
            providers: in place of `device`, the providers of ONNX Runtime in the order in which they may take parts of
                the model, each by its name or as (name, options); all of them must start.
            session_options: options of ONNX Runtime's sessions, by name: attributes of onnxruntime.SessionOptions, such
                as {"graph_optimization_level": "ORT_DISABLE_ALL"}, or entries of its configuration, whose names have a
                dot. They win over what is chosen here.
            custom_operators: the library of operators that the model needs besides ONNX's, or a list of libraries.
            data_folder: the folder with the files that `model` refers to, if it is a content.
            limits: how much the model and a call of it may take; by default `Limits()`.
            sha256: the SHA-256 of the model's file, 64 hex digits as `sha256sum` prints them. Another content is
                refused before ONNX Runtime reads it, by `reload` too; so is another data file than the model's own.
            trust: a public key, or a list of them: the path of a PEM file, or its content as bytes. A model that none
                of them has signed, or that is not as it was signed, is refused likewise, and so are its data files.
            sig: the signature file by its path or content, if it is not the model's file with the ending .sig.

        Raises:
            ModelNotFound: the file does not exist.
            ContentMismatch: the model does not have the digest `sha256`, or was changed while it was opened.
            InvalidModel: it is not an ONNX model, is damaged, or is newer than this version reads.
            NotSigned, UnknownSigner, ModelAltered: with `trust`, the model was not signed, not by a trusted key, or is
                not as it was signed.
            ExtraNotInstalled: `trust` needs the extra `sign`.
            InvalidInput: another argument is not what is taken here.
            UnknownDevice, DeviceUnavailable: no device has this name, or it cannot be used here; the message says why.
            RuntimeNotInstalled: ONNX Runtime is missing, or two of its packages overwrite each other.
            NoCertificate, VerificationFailed: with `verify`, the model has no certificate, or does not pass.
        """
        if type(verify) is not bool:
            raise InvalidInput(f"verify must be True or False, found {type(verify).__name__}")
        settings = _checked(device, threads, providers, session_options, custom_operators, limits)
        trusted = None if trust is None and sig is None else _trusted(trust, sig)
        self._begin(ModelSource(model, data_folder, sha256, trusted, settings.limits), settings, verify)

    def _begin(self, source: ModelSource, settings: SessionSettings, verify: bool) -> None:
        # A signal handler may close what it interrupts.
        self._changing = threading.RLock()
        self._settings, self._verify = settings, verify
        self._open(source)
        _finish(self)

    def _open(self, source: ModelSource) -> None:
        """Open a model with the settings, and set all attributes that say what it is."""
        self._source = source

    def reload(self) -> bool:
        """Take the model that is in the file now, if the file has changed since it was opened.

        Other threads may go on with their calls: none fails, and each is answered by the old model or by the new one.
        Put a new file over the old one in one step (`os.replace`), not bytewise, and its data file before it. The new
        model may take other inputs and give other answers: `signature` and the other attributes are those of the new
        one.

        Returns:
            Whether there was another file. If not, as always for a model that was opened from its content, this takes
            microseconds.

        Raises:
            PredictorClosed: it was closed.
            ModelNotFound, InvalidModel, ContentMismatch, NotTrusted, DeviceUnavailable, NoCertificate,
                VerificationFailed: as for opening it, with the same arguments. The old model goes on answering.
        """
        self._check_open()
        if self._source.is_unchanged():
            return False
        # A fork waits until nothing is opened, and so until no thread holds the lock.
        with forks.opening(), self._changing:
            self._check_open()
            if self._source.is_unchanged():
                return False
            new = object.__new__(type(self))
            new._settings, new._verify = self._settings, self._verify
            new._open(self._source.again())
            # A signal handler may have closed it.
            self._check_open()
            # One step of the interpreter.
            vars(self).update(vars(new))
        _LOG.info("%r was changed, and is reloaded", self._source)
        return True

    def current(self) -> Self:
        """The model as it is now: another predictor on the same session, which a later `reload` of this one keeps."""
        self._check_open()
        same = object.__new__(type(self))
        vars(same).update(vars(self))
        return same

    @property
    def source(self) -> Path | bytes:
        """The file of the model, or its content if it was opened from that."""
        return self._source.model

    def file_stamps(self) -> tuple[tuple[int, ...], ...]:
        """What tells one state of the model's file, and of its signature file, from another; empty for a content."""
        return self._source.stamps_now()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the model that was opened, as `sha256sum` prints it of its file: 64 hex digits.

        Raises:
            ContentMismatch: the file, which is too large to be held, was changed after it was opened.
            InvalidModel: it cannot be read.
        """
        return self._source.sha256

    @property
    def verified(self) -> bool:
        """Whether it was opened with `verify=True`, so that the file in use has passed."""
        return self._verify

    def __reduce__(self) -> tuple[Any, ...]:
        self._check_open()
        # What else an application, or its subclass, keeps here is pickled as of any object.
        more = {name: value for name, value in vars(self).items() if name not in self._own and name != "_own"}
        return opened, (type(self), self._source, self._settings, self._verify), more or None


_checked = reading(SessionSettings.checked)


@reading
def _trusted(trust: Any, sig: Any) -> "Trust | None":
    # Most programs trust whoever may write the file.
    from edge_runtime.signing.trust import Trust

    return Trust.given(trust, sig)


def _finish(model: Reloadable) -> None:
    """Note which attributes opening has set."""
    own = dict(vars(model))
    own["_own"] = frozenset(own)
    # Python is slower with the dict that a new object has, once somebody has looked at it.
    model.__dict__ = own


def opened(kind: type[_Kind], source: ModelSource, settings: SessionSettings, verify: bool = False) -> _Kind:
    """A model of this class, opened as the settings say."""
    model = object.__new__(kind)
    model._begin(source, settings, verify)
    return model


def opener(model: _Kind, device: str, threads: int) -> Callable[[], _Kind]:
    """What opens the same model elsewhere, by its content where that is held: it is pickled, and called there.

    Args:
        model: an open one.
        device: as the constructor takes it.
        threads: likewise.
    """
    settings = replace(model._settings, device=device, threads=threads)
    return functools.partial(opened, type(model), model._source.held(), settings)
