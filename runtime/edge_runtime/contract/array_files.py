"""NumPy's files: .npz, arrays by name, and .npy, one array. Nothing is ever unpickled from one, or pickled into one."""

import errno
import io
import math
import zipfile
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.opened_files import most_unpacked, open_file, too_much
from edge_runtime.contract.terminal import unreadable

# How a zip begins, with members and without.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def read_arrays(
    path: Path, kind: type[EdgePredictError], limits: Limits = DEFAULTS
) -> dict[str, npt.NDArray[Any]] | npt.NDArray[Any]:
    """The arrays in an .npz file by name, or the one in an .npy file.

    Raises:
        EdgePredictError: of this `kind`, if it cannot be read, is neither of them, or holds more than `limits` allow.
    """
    try:
        with open_file(path, limits) as file:
            if not file.seekable():
                raise OSError(errno.ESPIPE, "it is a pipe; arrays are read from files")
            most = most_unpacked(file.fileno(), limits)
            if file.read(4) in _ZIP:
                return _archived(file, most)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            with io.BufferedReader(file) as content:
                return _read_array(content, size, most)
    except OSError as error:
        raise kind(unreadable(path, error)) from error
    except _TooMuch as error:
        raise kind(too_much(path, error.args[0])) from error
    except MemoryError:
        raise
    except Exception as error:  # numpy raises many kinds of errors for bytes that are not an archive
        if "Object arrays" in str(error):
            raise kind(
                f"{path} cannot be read without running code from it; save strings as numpy.array(strings, dtype=str)"
            ) from error
        if path.suffix == ".npy":
            raise kind(f"{path} is not an .npy file; make one with numpy.save(path, array)") from error
        raise kind(f"{path} is not an .npz file; make one with numpy.savez(path, name=array, ...)") from error


class _TooMuch(Exception):
    """More than so many bytes."""


def _archived(file: FileIO, most: int | None) -> dict[str, npt.NDArray[Any]]:
    """The arrays in an .npz file, by name."""
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        # Nothing more than these sizes is unpacked, whatever the compressed data hold.
        if most is not None and sum(member.file_size for member in archive.infolist()) > most:
            raise _TooMuch(most)
        for member in archive.infolist():
            with archive.open(member) as content:
                # Another zip, such as the weights that torch.save writes, has members that are no arrays.
                arrays[member.filename.removesuffix(".npy")] = _read_array(content, member.file_size, most)
    return arrays


def _read_array(content: IO[bytes], size: int, most: int | None) -> npt.NDArray[Any]:
    """The array in `content`, which has `size` bytes.

    Raises:
        ValueError: it does not have the bytes that its header tells.
    """
    shape, dtype = _header(content)
    count = math.prod(shape)
    # Before memory for it is allocated. Elements without bytes would be as many as a header likes.
    if not dtype.hasobject and (min(shape, default=0) < 0 or count * max(dtype.itemsize, 1) > size):
        raise ValueError("it is cut")
    if most is not None and size > most:
        raise _TooMuch(most)
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and the type of the array in `content`."""
    version = np.lib.format.read_magic(content)
    readers: dict[Any, Any] = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
        # It differs from the second in the encoding of names.
        (3, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, _, dtype = readers[version](content)
    except (MemoryError, RecursionError) as error:  # of Python's parser, for brackets in brackets
        raise ValueError("its header is damaged") from error
    return shape, dtype


def npz_content(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """An .npz file of `arrays`; equal arrays give equal bytes.

    Raises:
        TypeError: see `npy_content`.
    """
    content = io.BytesIO()
    # numpy.savez takes names for its own arguments if they are "file" or "allow_pickle".
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), npy_content(array))
    return content.getvalue()


def npy_content(array: npt.NDArray[Any]) -> bytes:
    """An .npy file of `array`; of Python's strings, if it holds objects.

    Raises:
        TypeError: it holds other objects, which would have to be pickled.
    """
    if array.dtype == np.object_:
        if other := [element for element in array.flat if not isinstance(element, str)]:
            raise TypeError(f"{type(other[0]).__name__} is not a number or a string")
        array = array.astype(np.str_)
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return content.getvalue()
