"""All uses of what ONNX Runtime does not document: `InferenceSession._sess` and `IOBinding._iobinding`.

Its public methods check names and look for captured graphs before they call these, which takes as long as a small model
computes.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any


def run_of(session: Any) -> Callable[..., list[Any]]:
    """`session.run(names, feed, run_options)` without its checks."""
    return session._sess.run  # type: ignore[no-any-return]


def bound_run(session: Any, binding: Any, run_options: Any) -> Callable[[], None]:
    """`session.run_with_iobinding(binding, run_options)` without its checks, as a call without arguments."""
    return functools.partial(session._sess.run_with_iobinding, binding._iobinding, run_options)


def keep_for_good(session: Any) -> None:
    """Never destroy what computes in `session`."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session._sess))
