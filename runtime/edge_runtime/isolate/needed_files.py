"""Which files an isolated process still reads once it has loaded its modules: nothing else is left to it."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session_settings import SessionSettings

# Modules that are loaded when they are needed, and libraries; how many processors and how much memory there is.
_PACKAGES = ("edge_runtime", "numpy", "onnxruntime", "ml_dtypes")
_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/dev/null", "/dev/urandom"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system", "/sys/fs/cgroup"),
)


def needed_files(source: ModelSource, settings: SessionSettings) -> Iterator[Path]:
    """The files and folders of modules, libraries, the model, its weights and its custom operators."""
    yield from map(Path, _SYSTEM)
    yield Path(os.__file__).parent
    for name in _PACKAGES:
        if (found := importlib.util.find_spec(name)) is not None:
            for folder in found.submodule_search_locations or ():
                yield Path(folder)
                # Where wheels have the libraries that they bring.
                yield Path(f"{folder}.libs")
    yield from map(Path, settings.custom_operators)
    if source.path:
        yield Path(source.path)
    yield from source.weight_files
