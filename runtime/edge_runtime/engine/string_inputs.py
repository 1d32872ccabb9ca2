"""Inputs of strings, in the form in which a signal cannot crash the process.

ONNX Runtime's Python package makes its strings of Python's by PyObject_Str, which first runs the handlers of signals
that have arrived. If one raises, as that of Ctrl-C does, there is no string, and ONNX Runtime reads from address 0. It
calls nothing of Python's to read an array of bytes.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# An array holds each string in the space of the longest: how many bytes there may be for each that is needed, and how
# many besides.
_MOST_SPACE, _SPARE = 8, 16 * 1024 * 1024


def run_of(run: Callable[..., list[Any]], names: frozenset[str]) -> Callable[..., list[Any]]:
    """`run`, a session's, whose inputs with these names are arrays of strings, or lists of them."""

    def run_strings(outputs: Sequence[str], feed: Mapping[str, Any], options: Any) -> list[Any]:
        # No other thread runs handlers.
        if threading.current_thread() is threading.main_thread():
            feed = dict(feed)
            for name in names:
                if name in feed:
                    value = feed[name]
                    feed[name] = [as_bytes(one) for one in value] if type(value) is list else as_bytes(value)
        return run(outputs, feed, options)

    return run_strings


def as_bytes(array: npt.NDArray[np.object_]) -> npt.NDArray[Any]:
    """Strings as UTF-8 that ends with a null byte; `array` itself if they have null characters or take too much space.

    Raises:
        UnicodeEncodeError: one of them is not Unicode.
    """
    texts = array.ravel().tolist()
    # Faster than to encode each.
    joined = "\0".join(texts).encode()
    encoded = joined.split(b"\0")
    # ONNX Runtime reads as far as the first null byte, whatever the length.
    size = len(max(encoded, key=len)) + 1
    if len(encoded) != len(texts) or size * len(texts) > _MOST_SPACE * len(joined) + _SPARE:
        return array
    return np.array(encoded, f"S{size}").reshape(array.shape)
