"""onnxscript's functions for torch's operators, which torch.onnx.export collects anew at each call."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import onnxscript

# Functions that are traced when they are called. No public interface promises the property.
_TRACED: Any = getattr(onnxscript, "TracedOnnxFunction", None)
_READ = None if _TRACED is None else vars(_TRACED).get("function_ir")


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Keep onnxscript from parsing the sources of all its functions in here.

    Their domain is asked for and nothing else; several hundred sources take most of a second, at each export.
    """
    if _READ is None:
        yield
        return
    _TRACED.function_ir = property(_domain_alone)
    try:
        yield
    finally:
        _TRACED.function_ir = _READ


def _domain_alone(function: Any) -> Any:
    return SimpleNamespace(domain=function.opset.domain)
