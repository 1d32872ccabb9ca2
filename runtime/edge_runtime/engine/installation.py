"""Importing ONNX Runtime, and saying what is wrong with its installation."""

import contextlib
import errno
import functools
import re
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from edge_runtime.contract.errors import OutOfResources, RuntimeNotInstalled
from edge_runtime.contract.telemetry import telemetry
from edge_runtime.contract.terminal import one_line
from edge_runtime.engine import forks
from edge_runtime.engine.ort_errors import NO_MEMORY

_NOT_INSTALLED = "ONNX Runtime is not installed; install it with pip install 'edge-predict[cpu]' (or [gpu])"
# The first release that is built for numpy 2.
_FIRST_FOR_NUMPY_2 = (1, 19)


def replacing(distributions: Iterable[str], extra: str) -> str:
    """How to put the ONNX Runtime of `extra` in place of what is installed; all packages of it own the same folder."""
    return f"fix it with pip uninstall -y {' '.join(distributions)} && pip install 'edge-predict[{extra}]'"


# A forked process could not import what another thread has begun to import.
@functools.cache
@forks.opening()
def import_onnxruntime() -> ModuleType:
    """The onnxruntime module.

    Raises:
        RuntimeNotInstalled: it is missing, cannot be loaded, or two of its packages overwrite each other.
        OutOfResources: there is not enough memory to load it.
    """
    try:
        with _interrupts_held():
            import onnxruntime
    except Exception as error:
        if _lacks_memory(error):
            raise OutOfResources("there is not enough memory to load ONNX Runtime") from error
        found = packages(sys.path)
        _check_single(found)
        raise RuntimeNotInstalled(_why_not_loaded(found, error)) from error
    _check_single(packages([str(Path(folder).parent) for folder in getattr(onnxruntime, "__path__", ())]))
    if not hasattr(onnxruntime, "InferenceSession"):
        # Any folder of its name, or what pip uninstall leaves behind of two packages in one folder.
        if not (found := packages(sys.path)):
            raise RuntimeNotInstalled(_NOT_INSTALLED)
        raise RuntimeNotInstalled(f"the onnxruntime package is incomplete; {replacing(found, 'cpu')} (or [gpu])")
    is_off, _ = telemetry()
    if is_off:
        # On Windows it is up to the system whether events are sent, whatever the environment says.
        onnxruntime.disable_telemetry_events()
    return onnxruntime  # type: ignore[no-any-return]


def _lacks_memory(error: BaseException | None) -> bool:
    """Whether memory has run out, also where a package has made another error of that."""
    while error is not None:
        if isinstance(error, MemoryError | SystemError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        if re.search(rf"failed to map segment|{NO_MEMORY}", str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _why_not_loaded(found: Mapping[str, str], error: Exception) -> str:
    """What is wrong, and how to fix it; `found` is the only package of ONNX Runtime that is installed, if one is."""
    if not found:
        return _NOT_INSTALLED
    ((name, version),) = found.items()
    try:
        import numpy
    except ImportError as numpy_error:
        reason = one_line(numpy_error) or type(numpy_error).__name__
        return f"numpy cannot be loaded ({reason}); reinstall it with pip install --force-reinstall numpy"
    if numbers(version) < _FIRST_FOR_NUMPY_2 and numbers(numpy.__version__) >= (2,):
        return (
            f"{name} {version} was built for numpy 1, and numpy {numpy.__version__} is installed; fix it with "
            f"pip install --upgrade {name}"
        )
    return (
        f"{name} is installed but cannot be loaded ({one_line(error) or type(error).__name__}); reinstall it with "
        f"pip install --force-reinstall {name}"
    )


@functools.cache
def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (1, 19, 2) of "1.19.2" and (2, 4) of "2.4rc1"."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


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


def packages(folders: Iterable[str]) -> dict[str, str]:
    """The packages of ONNX Runtime in `folders`, with their versions; they all install the same folder `onnxruntime`.

    By the names of their folders: importing importlib.metadata takes a tenth of the time in which a command answers.
    """
    found = {}
    for record in _records(folders):
        with contextlib.suppress(OSError):
            if b"\nonnxruntime/__init__.py," in record.read_bytes():
                name, _, version = record.parent.name.removesuffix(".dist-info").partition("-")
                found[name.replace("_", "-")] = version
    return dict(sorted(found.items()))


def _records(folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):  # a ValueError for a folder that no system has
            # Others, such as onnxruntime-extensions, have a folder of their own.
            yield from Path(folder).glob("onnxruntime*.dist-info/RECORD")


def _check_single(found: Mapping[str, str]) -> None:
    if len(found) > 1:
        raise RuntimeNotInstalled(
            f"{' and '.join(found)} are both installed and overwrite each other; {replacing(found, 'cpu')} (or [gpu])"
        )
