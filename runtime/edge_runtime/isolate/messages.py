"""Messages between a process and the isolated one: what they hold as JSON, followed by the bytes of its arrays.

Nothing in a message is run when it is read, and no more memory is taken than its reader allows: the process that wrote
it may have been taken over by a model. JSON holds None, booleans, numbers, strings and lists as they are. Its objects
stand for the other kinds:

    {"array": "float32", "shape": [2, 3]}     an array, whose bytes follow
    {"strings": [2]}                          an array of strings: the size of each, uint64, and then their UTF-8 follow
    {"map": [[key, value], ...]}              a dict
    {"bytes": 5}                              bytes, which follow
"""

import json
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.tensors import ML_TYPES, NUMPY_TYPES

# The sizes in bytes of the JSON, and of all that follows it.
_HEADER = struct.Struct("<IQ")
# What is made of a message takes no more bytes than these, at its worst: for each list or object of the JSON, for each
# of its commas, for a string, and so many times as many as a text has.
_PER_LIST, _PER_COMMA, _PER_STRING, _PER_BYTE = 250, 40, 100, 10
# A sequence of maps is the deepest value of a model, in the answer to a request.
_DEEPEST = 8
_BLOCK = 2**16
# Of numpy: no array has more dimensions, nor longer ones. Products of more, and of longer numbers, may take for ever.
_DIMENSIONS, _LONGEST = 64, 2**63
# The keys of a map that are numbers are int64.
_KEYS = 2**63
_PLAIN = (bool, int, float, str)
_KNOWN = {np.dtype(one).name: np.dtype(one) for one in NUMPY_TYPES.values() if one is not np.object_}


class MalformedMessage(Exception):
    """It is not a message, or takes more memory than is allowed."""


def encoded(value: Any) -> list[Any]:
    """`value` as a message: buffers of bytes, one after the other.

    Args:
        value: what messages hold, see above; tuples become lists.

    Raises:
        TypeError: it is something else.
    """
    following: list[Any] = []
    text = json.dumps(_plain(value, following), separators=(",", ":")).encode()
    size = sum(memoryview(one).nbytes for one in following)
    parts = [_HEADER.pack(len(text), size), text, *following]
    # The other side wakes up for each part that is sent.
    return parts if size > _BLOCK else [b"".join(parts)]


def read(receive: Callable[[memoryview], None], most: int, go_on: Callable[[], object] = lambda: None) -> Any:
    """The next message.

    Args:
        receive: fills a buffer with the bytes that come next.
        most: the most bytes that the message, and what is made of it, may take.
        go_on: called now and then while it is read; what it raises ends that.

    Raises:
        MalformedMessage: it is not a message, or takes more.
        MemoryError: there is no memory for it here; the next message can be read.
    """
    header = bytearray(_HEADER.size)
    receive(memoryview(header))
    size, following = _HEADER.unpack(header)
    if size * _PER_BYTE + following > most:
        raise MalformedMessage(f"it has {size + following:,} bytes")
    text = bytearray(size)
    receive(memoryview(text))
    lists, commas = text.count(b"[") + text.count(b"{"), text.count(b",")
    reader = _Reader(receive, following, most - following - size * _PER_BYTE, go_on)
    try:
        reader.take(lists * _PER_LIST + commas * _PER_COMMA)
        value = reader.value(json.loads(text), _DEEPEST)
    except MemoryError:
        # The next message begins after this one.
        reader.skip()
        raise
    except (ImportError, LookupError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise MalformedMessage(f"{type(error).__name__}: {error}") from error
    if reader.left:
        raise MalformedMessage(f"{reader.left:,} bytes of it belong to no array")
    return value


def _plain(value: Any, following: list[Any]) -> Any:
    """`value` as JSON holds it; what follows the JSON is appended to `following`."""
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        return [_plain(one, following) for one in value]
    if isinstance(value, dict):
        return {"map": [[_plain(key, following), _plain(one, following)] for key, one in value.items()]}
    if isinstance(value, bytes):
        following.append(value)
        return {"bytes": len(value)}
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} is not for a message")
    if value.dtype == np.object_:
        texts = [_utf8(text) for text in value.flat]
        following += [np.array([len(text) for text in texts], "<u8").tobytes(), b"".join(texts)]
        return {"strings": list(value.shape)}
    # Types of ml_dtypes have no buffers of their own.
    following.append(np.ascontiguousarray(value).reshape(-1).view(np.uint8))
    return {"array": value.dtype.name, "shape": list(value.shape)}


def _utf8(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} is not a string")
    return text.encode("utf-8", "surrogatepass")


class _Reader:
    """Reads the values of one message.

    Attributes:
        left: how many bytes of what follows the JSON have not been read.
    """

    def __init__(
        self, receive: Callable[[memoryview], None], following: int, most: int, go_on: Callable[[], object]
    ) -> None:
        """`most` is how much its values may take besides the bytes that follow."""
        self._receive, self.left, self._most, self._go_on = receive, following, most, go_on

    def take(self, size: int) -> None:
        """Raise ValueError if values take more than they may, with `size` more."""
        self._most -= size
        if self._most < 0:
            raise ValueError("it takes more memory than it may")

    def value(self, plain: Any, depth: int) -> Any:
        """The value that `plain` stands for, at most `depth` deep."""
        if plain is None or isinstance(plain, _PLAIN):
            return plain
        if not depth:
            raise ValueError("it is nested too deep")
        self._go_on()
        if isinstance(plain, list):
            return [self.value(one, depth - 1) for one in plain]
        keys = set(plain)
        if keys == {"map"}:
            return {self._key(key): self.value(one, depth - 1) for key, one in plain["map"]}
        if keys == {"bytes"}:
            return bytes(self._next(plain["bytes"]))
        if keys == {"strings"}:
            return self._strings(_shape(plain["strings"]))
        if keys != {"array", "shape"}:
            raise ValueError("there is no such value")
        dtype, shape = _dtype(plain["array"]), _shape(plain["shape"])
        size = self._checked(math.prod(shape) * dtype.itemsize)
        array = np.empty(shape, dtype)
        if array.size:
            self.left -= size
            numbers = array.reshape(-1).view(np.uint8)
            self._receive(memoryview(numbers))  # type: ignore[arg-type]
            if dtype.kind == "b" and numbers.max() > 1:
                raise ValueError("a boolean is neither 0 nor 1")
        return array

    def _strings(self, shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
        count = math.prod(shape)
        self.take(count * _PER_STRING)
        sizes = np.frombuffer(self._next(count * 8), "<u8").tolist()
        self.take((total := sum(sizes)) * _PER_BYTE)
        content = memoryview(self._next(total))
        array = np.empty(len(sizes), np.object_)
        array[:] = list(_texts(content, sizes))
        return array.reshape(shape)

    def _next(self, size: Any) -> bytearray:
        content = bytearray(self._checked(size))
        self.left -= size
        self._receive(memoryview(content))
        return content

    def _checked(self, size: Any) -> int:
        if type(size) is not int or not 0 <= size <= self.left:
            raise ValueError("it is shorter than the arrays in it")
        return size

    def skip(self) -> None:
        """Read what has not been read, and forget it."""
        while self.left:
            self._next(min(self.left, _BLOCK))

    @staticmethod
    def _key(plain: Any) -> Any:
        # Python takes quadratic time for numbers with the same hash: of 64 bits there are only a few.
        if not isinstance(plain, str) and not (type(plain) is int and -_KEYS <= plain < _KEYS):
            raise TypeError("it is not a key")
        return plain


def _texts(content: memoryview, sizes: list[int]) -> Iterator[str]:
    start = 0
    for size in sizes:
        yield str(content[start : start + size], "utf-8", "surrogatepass")
        start += size


def _shape(plain: Any) -> tuple[int, ...]:
    is_short = isinstance(plain, list) and len(plain) <= _DIMENSIONS
    if not is_short or not all(type(size) is int and 0 <= size < _LONGEST for size in plain):
        raise TypeError("it is not a shape")
    return tuple(plain)


def _dtype(name: Any) -> np.dtype[Any]:
    if (known := _KNOWN.get(name)) is not None:
        return known
    if name not in ML_TYPES.values():
        raise ValueError("there is no such type")
    import ml_dtypes

    return np.dtype(getattr(ml_dtypes, name, "it does not have it"))
