"""What is made on first use: names of packages, so that --help does not wait for their modules, and properties."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any


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


if TYPE_CHECKING or sys.version_info >= (3, 12):
    from functools import cached_property as cached_property
else:

    class cached_property:  # noqa: N801 - as in functools
        """functools.cached_property as it is from Python 3.12 on: without a lock.

        The lock is one for all objects of a class. A process that is forked while another thread computes such a
        property would wait for it for ever.
        """

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self._compute, self.__doc__ = compute, compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            value = self._compute(instance)
            # Not through the instance's dict: Python is slower with all its attributes once somebody has looked at it.
            object.__setattr__(instance, self._name, value)
            return value
