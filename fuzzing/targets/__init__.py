"""What is fuzzed, room by room: each module has `TARGETS`."""

import importlib
from collections.abc import Sequence

from fuzzing.target import Target

MODULES = ("documents", "rows", "shell", "system", "serve", "artifacts", "training", "trust", "isolated")


def load(modules: Sequence[str]) -> tuple[list[Target], dict[str, str]]:
    """The targets of `modules`; and for each module that cannot be imported here, the package it lacks."""
    targets: list[Target] = []
    missing = {}
    for module in modules:
        try:
            targets += importlib.import_module(f"fuzzing.targets.{module}").TARGETS
        except ModuleNotFoundError as error:
            missing[module] = error.name or str(error)
    return targets, missing
