"""onnxscript's functions for torch's operators, which torch.onnx.export collects anew at each call."""

import contextlib
from collections.abc import Iterator
from typing import Any

import onnxscript

# Functions that are traced when they are called. No public interface promises the property.
_TRACED: Any = getattr(onnxscript, "TracedOnnxFunction", None)
_READ: Any = None if _TRACED is None else vars(_TRACED).get("function_ir")


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Keep onnxscript from parsing the sources of its functions in here, unless more than their domain is asked for.

    Several hundred sources take most of a second, at each export.
    """
    if _READ is None:
        yield
        return
    _TRACED.function_ir = property(_Unread)
    try:
        yield
    finally:
        _TRACED.function_ir = _READ


class _Unread:
    """What onnxscript knows of a function without its source; the rest comes from the source."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.domain = function.opset.domain

    def __getattr__(self, name: str) -> Any:
        return getattr(_READ.__get__(self._function, type(self._function)), name)
