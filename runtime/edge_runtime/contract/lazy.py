"""Packages whose public names load their modules on first use, so that --help does not wait for them."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for a package (PEP 562).

    Args:
        package: the package's `__name__`.
        homes: the module of each public name.

    Returns:
        A function from a name to its value. It raises AttributeError for names that are not in `homes`.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    return get
