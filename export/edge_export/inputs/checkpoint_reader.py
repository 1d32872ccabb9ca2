"""Reads what torch.save or pickle wrote without importing a class that it names or running code from it.

torch.load(weights_only=True) refuses a file with anything in it besides tensors and plain types: a NumPy scalar, a
path, a configuration. Here all such objects become placeholders, which keep what was put into them and can do nothing.
"""

import copyreg
import io
import pickle
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, SupportsIndex

import torch
from torch import Tensor

# The first object of a file that torch.save wrote before torch 1.6, or writes with
# _use_new_zipfile_serialization=False.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_STORAGE_TYPES = {
    "BFloat16Storage": torch.bfloat16,
    "BoolStorage": torch.bool,
    "ByteStorage": torch.uint8,
    "CharStorage": torch.int8,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "IntStorage": torch.int32,
    "LongStorage": torch.int64,
    "ShortStorage": torch.int16,
    "UntypedStorage": torch.uint8,
}


class Placeholder(dict[Any, Any]):
    """An object of a class that is not imported, with the items and the state that were put into it.

    Attributes:
        origin: the full name of the class.
        state: what its __setstate__ would have been given, such as a dict of its attributes.
    """

    origin = ""
    state: object = None

    def __new__(cls, *arguments: object, **named: object) -> "Placeholder":
        """Take any arguments, and forget them."""
        return super().__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__()

    def __call__(self, *arguments: object, **named: object) -> "Placeholder":
        """Give what a function would have returned."""
        return Placeholder()

    def __setstate__(self, state: object) -> None:
        self.state = state

    def append(self, item: object) -> None:
        """Forget an item of what may have been a list."""

    def extend(self, items: object) -> None:
        """Forget items of what may have been a list."""

    def add(self, item: object) -> None:
        """Forget an item of what may have been a set."""

    # As a key of a dict, or an element of a set.
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


class _Function:
    """A function that a file may call. Unlike the function itself, the file cannot change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a function has no state")

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        raise TypeError("only read, never written")


def read_without_classes(content: bytes) -> object:
    """The object in a file of torch.save, in its present and its former format, or of pickle.dump.

    Tensors, dicts, lists and the other plain types are as they were saved; tensors that shared memory still do. All
    else is a `Placeholder`. Tensors are on the CPU.

    Args:
        content: the file's bytes.

    Raises:
        Exception: of any class, if the bytes are not such a file.
    """
    # What other code has unpickled by its number in the registry would not be looked up by `find_class`.
    copyreg.clear_extension_cache()
    if zipfile.is_zipfile(io.BytesIO(content)):
        return _from_zip(content)
    return _from_stream(content)


def _from_zip(content: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        is_swapped = (
            f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder").decode() != sys.byteorder
        )
        read: dict[str, Tensor] = {}

        def storage(kind: object, dtype: torch.dtype, key: str, *others: object) -> Tensor:
            if key not in read:
                read[key] = _elements(archive.read(f"{folder}data/{key}"), dtype)
                if is_swapped:
                    read[key].untyped_storage().byteswap(dtype)  # type: ignore[no-untyped-call]
            return read[key]

        return _Unpickler(io.BytesIO(archive.read(pickled)), storage).load()


def _from_stream(content: bytes) -> object:
    """The object in a pickle, or in the former format of torch.save: several pickles, and the bytes of all storages."""
    stream = io.BytesIO(content)
    read: dict[str, Tensor] = {}

    def storage(kind: object, dtype: object, *others: Any) -> object:
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            return dtype  # the class of a whole module, saved with its source
        key, _, count, *view = others
        if key not in read:
            if count * dtype.itemsize > len(content):
                raise pickle.UnpicklingError("a storage has more bytes than the file")
            read[key] = torch.zeros(count, dtype=dtype)
        if view and view[0] is not None:
            _, offset, length = view[0]
            return read[key][offset : offset + length]
        return read[key]

    first = _Unpickler(stream, storage).load()
    if not (isinstance(first, int) and first == _MAGIC_NUMBER):
        return first
    for _ in ("version", "system"):
        _Unpickler(stream, storage).load()
    result = _Unpickler(stream, storage).load()
    keys = _Unpickler(stream, storage).load()
    if not isinstance(keys, list):
        raise pickle.UnpicklingError("the list of storages is missing")
    for key in keys:
        stream.read(8)  # how many elements
        tensor = read[key]
        tensor.copy_(_elements(stream.read(tensor.numel() * tensor.element_size()), tensor.dtype))
    return result


def _elements(content: bytes, dtype: torch.dtype) -> Tensor:
    """A storage as a tensor with one axis."""
    return torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)


class _Unpickler(pickle._Unpickler):
    """An unpickler that finds plain types, tensors, and placeholders for everything else.

    It is the one in Python, as torch's own is: that in C takes as much memory as a number in the file says, which is up
    to 64 GiB for ten bytes.
    """

    def __init__(self, stream: io.BytesIO, storage: Callable[..., object]) -> None:
        # As far as Python 2 wrote it, text may be in any encoding.
        super().__init__(stream, encoding="utf-8", errors="replace")
        self._storage = storage

    def persistent_load(self, pid: Any) -> object:
        return self._storage(*pid)

    def find_class(self, module_name: str, global_name: str) -> object:
        # As the protocols for Python 2, of which torch.save writes one, call it.
        module_name = "builtins" if module_name == "__builtin__" else module_name
        if (function := _FUNCTIONS.get((module_name, global_name))) is not None:
            return _Function(function)
        package = module_name.partition(".")[0]
        if package == "torch":
            if global_name in _STORAGE_TYPES:
                return _STORAGE_TYPES[global_name]
            if isinstance(dtype := vars(torch).get(global_name), torch.dtype):
                return dtype
        return _class(f"{module_name}.{global_name}")


def _class(origin: str) -> type[Placeholder]:
    return type("Placeholder", (Placeholder,), {"origin": origin})


def _tensor(
    storage: Tensor,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool = False,
    hooks: object = None,
    metadata: object = None,
) -> Tensor:
    if metadata:
        raise pickle.UnpicklingError("the values are those of the conjugated or negated tensor")
    return storage.as_strided(size, stride, storage.storage_offset() + offset)


def _typed_tensor(
    storage: Tensor,
    offset: int,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    requires_grad: bool,
    hooks: object,
    dtype: torch.dtype,
    metadata: object = None,
) -> Tensor:
    return _tensor(storage.view(dtype), offset, size, stride, metadata=metadata)


# These names stand in files, so that they do not change between versions of torch.
_FUNCTIONS: dict[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    # Bytes, in the protocols for Python 2; always as latin1.
    ("_codecs", "encode"): lambda text, encoding: str.encode(text, "latin1"),
    # The class of an object whose class is inside another one.
    ("builtins", "getattr"): lambda owner, name: _class(f"{getattr(owner, 'origin', '')}.{name}"),
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *others: tensor,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda tensor, *others: tensor,
    # A tensor of a subclass, or with attributes.
    ("torch._tensor", "_rebuild_from_type_v2"): lambda rebuild, kind, arguments, state: rebuild(*arguments),
    # What pickle.dump writes in place of a storage: a file of torch.save.
    ("torch.storage", "_load_from_bytes"): _from_stream,
}
