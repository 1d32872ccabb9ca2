"""What the JSON documents in an artifact's metadata have in common: how they are read, and how they are refused.

A reader ignores keys that it does not know, and refuses a schema version that is newer than its own.
"""

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from edge_runtime.contract.errors import InvalidModel

# What is raised where a document is not what it should be.
_DAMAGE = (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError)


class reading:  # noqa: N801 - a context manager; as a generator it would take five times as long
    """Raise InvalidModel for everything that goes wrong while a damaged document is read."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        """Read a document.

        Args:
            name: what to call it in the message, such as "the signature".
        """
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, _DAMAGE) and not isinstance(error, InvalidModel):
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise InvalidModel(f"{self._name} is damaged: {reason}") from error


def parsed(text: str | bytes, parse: Callable[..., Any] = json.loads) -> Any:
    """The document in `text`. Call it within `reading`.

    Args:
        text: JSON; bytes of it are what torch.jit.load gives of a file's extra ones.
        parse: `json.loads`, or it with settings of its own.

    Raises:
        ValueError, RecursionError: it is not JSON; or a string has half a character, which JSON can hold, and which can
            be written nowhere.
    """
    text = text.decode() if isinstance(text, bytes) else text
    document = parse(text)
    # Only an escape can stand for one.
    if "\\u" in text:
        refuse_half_characters(document)
    return document


def refuse_half_characters(document: object) -> None:
    """Raise ValueError if a string in `document` cannot be written as UTF-8; only in plain types one is looked for."""
    try:
        json.dumps(document, ensure_ascii=False, default=lambda other: None, skipkeys=True).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object[error.start]!a} is half a character") from None


def checked(document: object, newest: int, name: str) -> Mapping[str, Any]:
    """`document`, if it is an object of a schema version up to `newest`. Call it within `reading`.

    Raises:
        InvalidModel: its schema is newer than this version reads.
        TypeError, ValueError: it is not such an object.
    """
    if not isinstance(document, Mapping):
        raise TypeError("it is not an object")
    version = document["schema_version"]
    if type(version) is not int or version < 1:
        raise ValueError(f"schema_version is {version!r}")
    if version > newest:
        raise InvalidModel(
            f"{name} has schema version {version}, and this edge-predict reads versions up to {newest}; "
            "upgrade it with pip install --upgrade edge-predict"
        )
    return document


def text(plain: object) -> str:
    """`plain`, if it is a string. Raises TypeError if it is not."""
    if not isinstance(plain, str):
        raise TypeError(f"{plain!r} is not a string")
    return plain
