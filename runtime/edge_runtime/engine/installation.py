"""Importing ONNX Runtime, and saying what is wrong with its installation."""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from edge_runtime.contract.errors import RuntimeNotInstalled
from edge_runtime.contract.terminal import one_line


def replacing(distributions: Sequence[str], extra: str) -> str:
    """How to put the ONNX Runtime of `extra` in place of what is installed; all packages of it own the same folder."""
    return f"fix it with pip uninstall -y {' '.join(distributions)} && pip install 'edge-predict[{extra}]'"


@functools.cache
def import_onnxruntime() -> ModuleType:
    """The onnxruntime module.

    Raises:
        RuntimeNotInstalled: it is missing, cannot be loaded, or two of its packages overwrite each other.
    """
    if "onnxruntime" not in sys.modules:
        # It would keep files about its use, and look up its maker's host; its own switch comes after both. What the
        # user has set counts.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        with _interrupts_held():
            import onnxruntime
    except ImportError as error:
        found = _distributions(sys.path)
        _check_single(found)
        if not found:
            reason = "ONNX Runtime is not installed; install it with pip install 'edge-predict[cpu]' (or [gpu])"
        else:
            reason = (
                f"{found[0]} is installed but cannot be loaded ({one_line(error)}); reinstall it with "
                f"pip install --force-reinstall {found[0]}"
            )
        raise RuntimeNotInstalled(reason) from error
    _check_single(_distributions([str(Path(folder).parent) for folder in getattr(onnxruntime, "__path__", ())]))
    if not hasattr(onnxruntime, "InferenceSession"):
        # What pip uninstall leaves behind of two packages in one folder.
        raise RuntimeNotInstalled(
            "the onnxruntime package is incomplete; fix it with "
            "pip install --force-reinstall 'edge-predict[cpu]' (or [gpu])"
        )
    return onnxruntime  # type: ignore[no-any-return]


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C within this counts once it is over.

    A C extension that is interrupted while it loads reports a failure of its own, or loses the interrupt.
    """
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread handles signals. What is not callable is not Python's: the system ends the process at once.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    held: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if held:
            signal.raise_signal(signal.SIGINT)


def _distributions(folders: Sequence[str]) -> list[str]:
    """The names of the packages of ONNX Runtime in `folders`; they all install the same folder `onnxruntime`.

    By the names of their folders: importing importlib.metadata takes a tenth of the time in which a command answers.
    """
    found = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            # Others, such as onnxruntime-extensions, have a folder of their own.
            found |= {
                record.parent.name.split("-")[0]
                for record in Path(folder).glob("onnxruntime*.dist-info/RECORD")
                if "\nonnxruntime/__init__.py," in record.read_text("utf-8")
            }
    return sorted(name.replace("_", "-") for name in found)


def _check_single(distributions: Sequence[str]) -> None:
    if len(distributions) > 1:
        raise RuntimeNotInstalled(
            f"{' and '.join(distributions)} are both installed and overwrite each other; "
            f"{replacing(distributions, 'cpu')} (or [gpu])"
        )
