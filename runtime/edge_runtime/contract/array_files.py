"""NumPy's files: .npz, arrays by name, and .npy, one array. Nothing is ever unpickled from one, or pickled into one."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.terminal import unreadable


def read_arrays(path: Path, kind: type[EdgePredictError]) -> dict[str, npt.NDArray[Any]] | npt.NDArray[Any]:
    """The arrays in an .npz file by name, or the one in an .npy file.

    Raises:
        EdgePredictError: of this `kind`, if it cannot be read, or is neither of the two.
    """
    try:
        # Opened here: given a path, numpy leaves the file open if it is not an archive.
        with path.open("rb") as file:
            content = np.load(file, allow_pickle=False)
            if not isinstance(content, np.lib.npyio.NpzFile):
                return np.asarray(content)
            arrays = dict(content)
            # Another zip, such as the weights that torch.save writes, has members that are bytes.
            if other := [name for name, values in arrays.items() if not isinstance(values, np.ndarray)]:
                raise ValueError(f"{other[0]} is not an array")
            return arrays
    except OSError as error:
        raise kind(unreadable(path, error)) from error
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
