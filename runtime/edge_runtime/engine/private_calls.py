"""All uses of what ONNX Runtime does not document: `_sess`, `_iobinding` and `_ortvalue` of its classes.

Its public methods check names and look for captured graphs before they call these, which takes as long as a small model
computes.
"""

import ctypes
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def run_of(session: Any) -> Callable[..., list[Any]]:
    """`session.run(names, feed, run_options)` without its checks."""
    return session._sess.run  # type: ignore[no-any-return]


def run_values_of(session: Any) -> Callable[[Sequence[str], Mapping[str, Any], Any], list[Any]]:
    """`session.run_with_ort_values(names, values, run_options)`, which takes ten times as long as this.

    The results are what `onnxruntime.OrtValue` wraps.
    """

    def run(names: Sequence[str], values: Mapping[str, Any], run_options: Any) -> list[Any]:
        held = {name: value._ortvalue for name, value in values.items()}
        found = session._sess.run_with_ort_values(held, names, run_options)
        # Iterating over it would take most of that time.
        return [found[index] for index in range(len(names))]

    return run


def bound_run(session: Any, binding: Any) -> Callable[[Any], None]:
    """`session.run_with_iobinding(binding, run_options)` without its checks, as a call with the run options."""
    return functools.partial(session._sess.run_with_iobinding, binding._iobinding)


def computing_in(session: Any) -> Any:
    """What computes in `session`: calls that are bound keep it when the session is gone."""
    return session._sess


def keep_for_good(computing: Any) -> None:
    """Never destroy this."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(computing))
