"""How much a model, a call and a file that is read may take: `Limits`, and its words at the shell."""

import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import one_line, printable, suggestion

_MIB = 1024**2
_GIB = 1024**3

_UNITS = {
    **{"": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40},
}
_SIZE = re.compile(r"(\d[\d_]{0,99})\s*([A-Za-z]*)", re.ASCII)
# The system takes milliseconds of 31 bits: 24 days.
_MOST_SECONDS = 2_000_000


@dataclass(frozen=True)
class Limits:
    """How much a model, a call and a file that is read may take; what is beyond is refused with an error.

    No usual model or file comes near the defaults. Lower them for files from people you do not know; for what you trust
    raise them, or set them to None for no limit.

    Attributes:
        model_bytes: the most bytes of a model's file, or of its content, without the file of weights beside it; 2 GiB,
            which neither format of ONNX Runtime can exceed.
        nodes: the most nodes of a model, with those of subgraphs, and of a function in each place that calls it;
            200,000.
        metadata_bytes: the most bytes of a model's metadata, the certificate among them, and 100 for each entry;
            256 MiB.
        reference_batches: the most batches of reference rows in a certificate, each of them a call in `verify`; 10,000.
        call_seconds: the most seconds of one call, from the moment when ONNX Runtime begins to compute; no limit.
        line_bytes: the most bytes of one line of text that is read, and of a JSON text that is read as a whole; 64 MiB.
        json_depth: how deep arrays and objects of JSON may be nested; 100.
        unpacked_bytes: the most bytes that a file that is read may hold once it is unpacked, unless it takes more on
            the disk; 4 GiB.
        pipe_seconds: the most seconds to wait until somebody writes to a named pipe that is to be read; 60.
        columns: the most columns of a table that is trained on; 100,000.
        isolated_bytes: the most bytes of memory of an isolated model, besides what its process takes before it is
            opened; 2 GiB.
        isolated_seconds: the most seconds of opening an isolated model, and of each call of it; 30.
    """

    model_bytes: int | None = 2 * _GIB
    nodes: int | None = 200_000
    metadata_bytes: int | None = 256 * _MIB
    reference_batches: int | None = 10_000
    call_seconds: float | None = None
    line_bytes: int | None = 64 * _MIB
    json_depth: int | None = 100
    unpacked_bytes: int | None = 4 * _GIB
    pipe_seconds: float | None = 60.0
    columns: int | None = 100_000
    isolated_bytes: int | None = 2 * _GIB
    isolated_seconds: float | None = 30

    def __post_init__(self) -> None:
        """Check what a user gives.

        Raises:
            InvalidInput: a limit is not a number above 0, or None; or is of more than 2,000,000 seconds.
        """
        kinds: tuple[type, ...]
        for name, value in vars(self).items():
            if value is None:
                continue
            kinds, most, expected = (int,), math.inf, "an integer above 0"
            if name.endswith("_seconds"):
                kinds, most, expected = (int, float), _MOST_SECONDS, f"a number above 0 and up to {_MOST_SECONDS:,}"
            if type(value) not in kinds or not 0 < value <= most:
                raise InvalidInput(f"limits: {name} must be {expected}, or None, found {_shown(value)}")

    @classmethod
    def checked(cls, given: Any) -> "Limits":
        """What a user gives as `limits`: the defaults for None.

        Raises:
            InvalidInput: it is neither `Limits` nor None.
        """
        if given is None:
            return DEFAULTS
        if not isinstance(given, cls):
            raise InvalidInput(f"limits must be edge_runtime.Limits, found {type(given).__name__}")
        return given

    @classmethod
    def from_words(cls, words: Iterable[str], names: Collection[str] = ()) -> "Limits":
        """The defaults, changed by words such as `nodes=5000`, `model_bytes=512MiB` and `call_seconds=none`.

        Args:
            words: the words; of two for one limit the later one counts.
            names: the limits that can be changed; by default all.

        Raises:
            InvalidInput: a word is not of that form, its name is not one of `names`, or its value not what the limit
                takes.
        """
        known = names or [field.name for field in fields(cls)]
        found: dict[str, Any] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in known:
                advice = suggestion(name, known) or f"; there are {', '.join(known)}"
                raise InvalidInput(f"there is no limit {printable(name)!r} here{advice}")
            found[name] = _value(name, value.strip())
        return replace(DEFAULTS, **found)


def how_to_raise(name: str) -> str:
    """The end of a message on something beyond the limit `name`: how to allow it."""
    assert name in vars(DEFAULTS)
    return f"; if you trust it, raise the limit: limits=Limits({name}=...), at the shell --limit {name}=..."


def _value(name: str, text: str) -> int | float | None:
    if text.casefold() == "none":
        return None
    if name.endswith("_seconds"):
        try:
            return float(text)
        except ValueError:
            raise InvalidInput(f"{name}: {printable(text)[:100]!r} is not a number of seconds, or none") from None
    found = _SIZE.fullmatch(text)
    units = _UNITS if name.endswith("_bytes") else {"": 1}
    if found is None or found[2] not in units:
        expected = "a size such as 512MiB" if len(units) > 1 else "a whole number"
        raise InvalidInput(f"{name}: {printable(text)[:100]!r} is not {expected}, or none")
    return int(found[1].replace("_", "")) * units[found[2]]


def _shown(value: Any) -> str:
    try:
        return one_line(repr(value))[:100]
    except Exception:
        return type(value).__name__


DEFAULTS = Limits()
