"""What the JSON documents in an artifact's metadata have in common: how they are read, and how they are refused.

A reader ignores keys that it does not know and refuses a schema version that is newer than its own.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from edge_runtime.contract.errors import InvalidModel


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn every way in which reading a damaged document goes wrong into InvalidModel; `name` is what to call it."""
    try:
        yield
    except InvalidModel:
        raise
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidModel(f"{name} is damaged: {reason}") from error


def checked(document: object, newest: int, name: str) -> Mapping[str, Any]:
    """`document` if it is an object of a schema version up to `newest`. To be called within `reading`.

    Raises:
        InvalidModel: its schema is newer than this version reads.
        TypeError, ValueError: it is no such object.
    """
    if not isinstance(document, Mapping):
        raise TypeError("it is no object")
    version = document["schema_version"]
    if type(version) is not int or version < 1:
        raise ValueError(f"schema_version is {version!r}")
    if version > newest:
        raise InvalidModel(
            f"{name} has schema version {version}, and this edge-predict reads up to {newest}: "
            "upgrade it with pip install --upgrade edge-predict"
        )
    return document


def text(plain: object) -> str:
    """`plain` if it is a text. Raises TypeError."""
    if not isinstance(plain, str):
        raise TypeError(f"{plain!r} is no text")
    return plain
