"""Which packages are installed, and whether their versions are those that edge-predict works with."""

import contextlib
import importlib.metadata
import operator
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge_runtime.engine.installation import numbers

DISTRIBUTION = "edge-predict"
# What a user installs, without the packages of ONNX Runtime, which exclude each other.
EXTRAS = ("serve", "export", "train")
RUNTIMES = ("cpu", "gpu")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])? *(?P<bounds>[^;]*)(?:; *(?P<marker>.*))?")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Requirement:
    """A package that edge-predict needs, `bounds` such as ">=0.20,<0.29", and the extra that it is for."""

    name: str
    bounds: str
    extra: str | None

    def allows(self, version: str) -> bool:
        """Whether `version` is within the bounds."""
        for bound in self.bounds.split(","):
            sign, limit = re.sub(r"[\d.].*", "", bound).strip(), numbers(re.sub(r"^\D*", "", bound))
            if sign in _COMPARISONS and not _COMPARISONS[sign](numbers(version), limit):
                return False
        return True


def requirements() -> list[Requirement]:
    """What edge-predict needs on this system; nothing if that cannot be read, or if it runs from its source."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return []
    return list(_parsed(lines))


def _parsed(lines: Sequence[str]) -> Iterator[Requirement]:
    for line in lines:
        if found := _REQUIREMENT.fullmatch(line):
            marker = found["marker"] or ""
            extra = re.search(r"extra *== *['\"]([\w-]+)", marker)
            system = re.search(r"platform_system *(==|!=) *['\"](\w+)", marker)
            if system is None or (system[2] == platform.system()) == (system[1] == "=="):
                bounds = ",".join(sorted(found["bounds"].replace(" ", "").strip("()").split(","), reverse=True))
                yield Requirement(found["name"], bounds, None if extra is None else extra[1])


def version_of(name: str) -> str | None:
    """The version of a package that is installed; None if it is not, or if what it says of itself cannot be read."""
    try:
        return importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return None


def installed(prefix: str) -> dict[str, str]:
    """The packages whose names begin with `prefix`, with their versions."""
    found = {}
    for distribution in importlib.metadata.distributions():
        with contextlib.suppress(OSError, ValueError):
            name = distribution.metadata["Name"]
            if name and name.startswith(prefix):
                found[name] = distribution.version
    return dict(sorted(found.items()))
