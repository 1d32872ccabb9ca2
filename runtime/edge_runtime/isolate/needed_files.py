"""Which files an isolated process still reads once it has loaded its modules: nothing else is left to it."""

import contextlib
import importlib.util
import mmap
import os
import re
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
# A tensor's reference to another file, in ONNX's protobuf: the key, and the size of the location that follows.
_LOCATION = re.compile(rb"\n\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])")


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
    model = source.model
    if source.data is not None:
        yield source.data
    if source.data_folder is not None:
        yield source.data_folder
    if isinstance(model, Path):
        yield model
        yield from _weight_files(model)


def _weight_files(model: Path) -> Iterator[Path]:
    """The files with weights that `model` refers to, as far as they lie in its folder or below."""
    folder = model.resolve().parent
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = {content[match.end() : match.end() + _varint(match[1])] for match in _LOCATION.finditer(content)}
    for location in found:
        with contextlib.suppress(OSError, ValueError):
            path = (folder / os.fsdecode(location)).resolve()
            if path.is_relative_to(folder) and path.is_file():
                yield path


def _varint(digits: bytes) -> int:
    """A number of Protocol Buffers: seven bits in each byte, the lowest first."""
    return sum((digit & 0x7F) << 7 * place for place, digit in enumerate(digits))
