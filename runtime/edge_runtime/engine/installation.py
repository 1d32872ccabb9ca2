"""Importing ONNX Runtime, and saying what is wrong with its installation."""

import contextlib
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from edge_runtime.contract.errors import RuntimeNotInstalled
from edge_runtime.contract.terminal import one_line


@functools.cache
def import_onnxruntime() -> ModuleType:
    """The onnxruntime module.

    Raises:
        RuntimeNotInstalled: it is missing, cannot be loaded, or two of its packages overwrite each other.
    """
    try:
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


def _distributions(folders: Sequence[str]) -> list[str]:
    """The names of the packages of ONNX Runtime in `folders`; they all install the same folder `onnxruntime`.

    By the names of their folders: importing importlib.metadata takes a tenth of the time in which a command answers.
    """
    found = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            found |= {path.name.split("-")[0] for path in Path(folder).glob("onnxruntime*.dist-info")}
    return sorted(name.replace("_", "-") for name in found)


def _check_single(distributions: Sequence[str]) -> None:
    if len(distributions) > 1:
        raise RuntimeNotInstalled(
            f"{' and '.join(distributions)} are both installed and overwrite each other; fix it with "
            f"pip uninstall -y {' '.join(distributions)} && pip install 'edge-predict[cpu]' (or [gpu])"
        )
