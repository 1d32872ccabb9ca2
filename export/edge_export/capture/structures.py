"""What modules take and return besides tensors, tuples, lists and dicts: dataclasses and other records of tensors.

torch.export looks into classes that are registered with torch's pytree; these are registered while it must.
"""

import contextlib
import dataclasses
from collections import UserDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.distributions import Distribution
from torch.utils import _pytree as pytree

from edge_export.errors import ExportError


def records_in(values: Any) -> dict[type, str]:
    """The classes of the records in `values` that torch does not look into by itself, each with where it was found.

    A record is a dataclass, a class of attrs, or a class derived from dict, list or tuple. A cache of Hugging Face
    transformers counts as one that holds nothing.

    Raises:
        ExportError: `values` hold an object that nobody can look into.
    """
    found: dict[type, str] = {}
    _collect(values, "", found)
    return found


def is_cache(kind: type) -> bool:
    """Whether `kind` is a class of Hugging Face transformers that holds the keys and values of earlier tokens."""
    return any(base.__name__.endswith("Cache") and base.__module__.startswith("transformers.") for base in kind.mro())


@contextlib.contextmanager
def looked_into(records: Iterable[type]) -> Iterator[None]:
    """In here torch looks into `records`."""
    added = [kind for kind in records if kind not in pytree.SUPPORTED_NODES]
    for kind in added:
        _register(kind)
    try:
        yield
    finally:
        for kind in added:
            pytree._deregister_pytree_node(kind)


def plain(structure: pytree.TreeSpec) -> pytree.TreeSpec:
    """`structure` with dicts, by field, in place of records; the classes of these need not be known."""
    if structure.is_leaf():
        return structure
    children = [plain(child) for child in structure.children()]
    if structure.type in pytree.BUILTIN_TYPES:
        return pytree.TreeSpec(structure.type, structure.context, children)
    return pytree.TreeSpec(dict, [str(name) for name in structure.context], children)


def _collect(values: Any, place: str, found: dict[type, str]) -> None:
    for path, leaf in pytree.tree_flatten_with_path(values)[0]:
        kind, where = type(leaf), f"{place}{pytree.keystr(path)}"
        if leaf is None or isinstance(leaf, (Tensor, bool, int, float, complex, str)):
            continue
        if isinstance(leaf, Distribution):
            raise ExportError(
                f"the module returns a distribution ({kind.__name__}), and an artifact holds tensors: return its "
                "parameters, such as mean and stddev, or logits"
            )
        if (fields := _fields(leaf)) is not None:
            found.setdefault(kind, where)
            for name, value in fields.items():
                _collect(value, f"{where}.{name}", found)


def _fields(record: Any) -> dict[Any, Any] | None:
    """What `record` holds, by field, key or place; None if it is not a record."""
    if is_cache(type(record)):
        return {}
    if isinstance(record, (dict, UserDict)):
        return dict(record)
    if dataclasses.is_dataclass(record):
        names = [field.name for field in dataclasses.fields(record)]
    elif (attributes := getattr(type(record), "__attrs_attrs__", None)) is not None:
        names = [attribute.name for attribute in attributes]
    elif isinstance(record, (list, tuple)):
        return dict(enumerate(record))
    else:
        return None
    return {name: getattr(record, name) for name in names if hasattr(record, name)}


def _register(kind: type) -> None:
    """Have torch look into records of the class `kind`."""

    def flatten(record: Any) -> tuple[list[Any], tuple[Any, ...]]:
        fields = _fields(record) or {}
        return list(fields.values()), tuple(fields)

    def flatten_with_keys(record: Any) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
        fields = _fields(record) or {}
        return [(pytree.MappingKey(name), value) for name, value in fields.items()], tuple(fields)

    def unflatten(values: Any, names: tuple[Any, ...]) -> Any:
        return _made(kind, dict(zip(names, values, strict=True)))

    pytree._private_register_pytree_node(
        kind,
        flatten,
        unflatten,
        flatten_with_keys_fn=flatten_with_keys,
        serialized_type_name=f"{kind.__module__}.{kind.__qualname__}",
    )


def _made(kind: type, fields: Mapping[Any, Any]) -> Any:
    """A record of the class `kind`; its constructor is not called, since torch also puts sizes where tensors were."""
    if issubclass(kind, tuple):
        return tuple.__new__(kind, fields.values())
    record: Any = kind.__new__(kind)
    if issubclass(kind, list):
        list.extend(record, fields.values())
    elif issubclass(kind, UserDict):
        record.data = dict(fields)
    elif issubclass(kind, dict):
        dict.update(record, fields)
    if not issubclass(kind, (list, UserDict, dict)) or dataclasses.is_dataclass(kind):
        for name, value in fields.items():
            object.__setattr__(record, name, value)
    return record
