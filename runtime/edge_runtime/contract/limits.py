"""How much a model, a call and a file that is read may take: `Limits`, and its words at the shell."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from edge_runtime.contract.errors import InvalidInput
from edge_runtime.contract.terminal import one_line, printable, suggestion

_MIB = 1024**2
_GIB = 1024**3

# A letter alone stands for a power of 1024, as with `head -c`, `dd` and in the units of systemd.
_BYTES = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _BYTES |= {_letter: 1024**_power, f"{_letter}ib": 1024**_power, f"{_letter}b": 1000**_power}
_SECONDS = {"": 1, "s": 1, "min": 60, "h": 3600}
# 1.5 GiB; 200,000 as messages show it; 200_000 as Python takes it; 1e6.
_NUMBER = re.compile(
    r"(\d{1,3}(?:,\d{3}){1,9}|\d[\d_]{0,99})(\.\d{1,99})?(e[+-]?\d{1,3})?\s*([a-z]*)", re.ASCII | re.IGNORECASE
)
# The system counts bytes in 64 bits, with a sign.
_MOST = 2**63 - 1
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
            200,000. Five times as many weights, inputs and other parts are allowed besides, and 25 times as many names.
        metadata_bytes: the most bytes of a model's metadata, the certificate among them, and 100 for each entry;
            256 MiB.
        reference_batches: the most batches of reference rows in a certificate, each of them a call in `verify`; 10,000.
        call_seconds: the most seconds of one call, from the moment when ONNX Runtime begins to compute; no limit.
        line_bytes: the most bytes of one line of text that is read, and of a JSON text that is read as a whole; and
            the most characters of a cell of CSV; 64 MiB.
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
        for name, value in vars(self).items():
            if value is None:
                continue
            if name.endswith("_seconds"):
                is_right = type(value) in (int, float) and 0 < value <= _MOST_SECONDS
                expected = f"a number above 0 and up to {_MOST_SECONDS:,}"
            else:
                is_right, expected = type(value) is int and 0 < value <= _MOST, "an integer above 0"
                if type(value) is int and value > _MOST:
                    expected += " and below 2**63"
            if not is_right:
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
        """The defaults, changed by words such as `nodes=5000`, `model_bytes=1.5GiB` and `call_seconds=none`.

        Sizes may have a unit, in upper or lower case: K, M, G and T as well as KiB, MiB, GiB and TiB are powers of
        1024; kB, MB, GB and TB are powers of 1000. Times are in seconds, or with a unit: s, min or h.

        Args:
            words: the words; of two for one limit the later one counts.
            names: the limits that have an effect; by default all.

        Raises:
            InvalidInput: a word is not of that form, its name is not one of `names`, or its value not what the limit
                takes.
        """
        known = names or [field.name for field in fields(cls)]
        found: dict[str, Any] = {}
        for word in words:
            name, equals, value = map(str.strip, word.partition("="))
            if name not in known:
                if name in vars(DEFAULTS):
                    raise InvalidInput(f"{name} has no effect here; the limits that have are {', '.join(known)}")
                advice = suggestion(name, known) or f"; there are {', '.join(known)}"
                raise InvalidInput(f"there is no limit {printable(name)!r}{advice}")
            if not equals:
                raise InvalidInput(f"{name} has no value; write it as {name}=VALUE")
            found[name] = _value(name, value)
        return replace(DEFAULTS, **found)


def how_to_raise(name: str) -> str:
    """The end of a message on something beyond the limit `name`: how to allow it."""
    assert name in vars(DEFAULTS)
    return f"; if you trust it, raise the limit: limits=Limits({name}=...), at the shell --limit {name}=..."


def _value(name: str, text: str) -> int | float | None:
    # Few commands are given limits.
    from decimal import Decimal

    if text.casefold() == "none":
        return None
    units, expected = {"": 1}, "a whole number"
    if name.endswith("_seconds"):
        units, expected = _SECONDS, "a time such as 2.5 or 10min"
    elif name.endswith("_bytes"):
        units, expected = _BYTES, "a size such as 512MiB or 1.5G"
    found = _NUMBER.fullmatch(text)
    unit = None if found is None else units.get(found[4].casefold())
    if found is not None and unit is not None:
        digits = f"{found[1]}{found[2] or ''}{found[3] or ''}".replace(",", "").replace("_", "")
        number = Decimal(digits) * unit
        if name.endswith("_seconds"):
            return float(number)
        # A part of a byte is none.
        if name.endswith("_bytes") or number == int(number):
            return int(number)
    raise InvalidInput(f"{name}: {printable(text)[:100]!r} is not {expected}, or none")


def _shown(value: Any) -> str:
    try:
        return one_line(repr(value))[:100]
    except Exception:
        return type(value).__name__


DEFAULTS = Limits()
