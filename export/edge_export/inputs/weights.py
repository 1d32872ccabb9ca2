"""Loads weights into the module that they are for, wherever in their file they are, and says what did not fit."""

import difflib
import textwrap
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edge_export.errors import ExportError
from edge_export.inputs.key_matching import Match, matches
from edge_export.inputs.weight_files import Contents, read_contents
from edge_runtime.contract.limits import DEFAULTS, Limits

# How many keys a message names.
_NAMED = 4


def load_weights(module: nn.Module, path: Path, note: Callable[[str], None], limits: Limits = DEFAULTS) -> None:
    """Load the weights in the file at `path` into `module`.

    Args:
        module: what takes them.
        path: see `read_contents`.
        note: told where in the file they are, unless the file is the module's state_dict.
        limits: how much the file may take.

    Raises:
        ExportError: they cannot be read, are not there, do not fit, or are there more than once.
    """
    contents, expected = read_contents(path, limits), module.state_dict(keep_vars=True)
    if not contents.saved:
        if not expected:
            return
        keys = f"; its keys are {_listed(contents.others)}" if contents.others else ""
        raise ExportError(f"{path} holds no weights{keys}; save them with torch.save(module.state_dict(), ...)")
    found = matches(contents.saved, expected)
    if not found:
        raise ExportError(
            f"{path} does not fit the module, which has {_listed([*expected]) or 'no weights'}; the file has "
            f"{_listed([one.key for one in contents.saved])}"
        )
    match, *others = _preferred(found, path)
    # torch decides: a part may take keys of an older version of itself, or need fewer than it saves.
    try:
        module.load_state_dict(_state(match, module, contents))
    except Exception as error:
        # A message of torch lists all keys; the beginning says enough.
        reasons = _mismatches(match) or textwrap.shorten(str(error), 300)
        raise ExportError(f"{path} does not fit the module: {reasons}") from error
    if told := _unwrapped(match, others, contents):
        note(f"{path}: {told}")


def _preferred(found: Sequence[Match], path: Path) -> Sequence[Match]:
    """The match to take, and then those with other values.

    Raises:
        ExportError: none of them is where weights usually are, or several are.
    """
    different: list[Match] = []
    for match in sorted(found, key=lambda one: not one.is_usual):
        if not any(_same_values(match, other) for other in different):
            different.append(match)
    if len(different) > 1 and different[0].is_usual == different[1].is_usual:
        raise ExportError(
            f"{path} holds several weights that fit the module, {' and '.join(map(_name, different[:_NAMED]))}; save "
            "those that you mean in a file of their own"
        )
    return different


def _same_values(one: Match, other: Match) -> bool:
    return all(
        torch.equal(saved.value, other.found[key].value)
        for key, saved in one.found.items()
        if isinstance(saved.value, Tensor) and isinstance(other.found[key].value, Tensor)
    )


def _state(match: Match, module: nn.Module, contents: Contents) -> dict[str, Any]:
    """The state_dict of `module` with the values of the file, and with the versions of its parts."""
    state = OrderedDict((key, saved.value) for key, saved in match.found.items())
    # A part may know them by another name.
    state.update((match.behind(saved), saved.value) for saved in match.unexpected)
    if versions := match.versions(contents.versions, (name for name, _ in module.named_modules())):
        vars(state)["_metadata"] = versions
    return state


def _unwrapped(match: Match, others: Sequence[Match], contents: Contents) -> str:
    """Where the weights are, and what else there is; an empty string for the module's state_dict alone."""
    told = [place] if (place := _place(match)) else []
    told += [
        f"the file holds a whole module ({origin}), of which only the weights are read"
        for path, origin in contents.classes.items()
        if path == match.where[: len(path)]
    ]
    if match.wrappers:
        told.append(f"{' and '.join(map(repr, match.wrappers))} in their keys is dropped")
    if match.cut:
        told.append(f"all keys of the module begin with '{'.'.join(match.cut)}.'")
    told += [f"other weights that fit are not used: {_name(other)}" for other in others]
    fit_too = {id(one) for other in others for one in other.found.values()}
    if beside := [one.key for one in match.beside if id(one) not in fit_too]:
        told.append(f"other keys are not used: {_listed(beside)}")
    return "; ".join(told)


def _place(match: Match) -> str:
    """The dictionary that the weights are in, and the prefix of their keys."""
    told = []
    if match.where:
        told.append(f"the weights are under {' / '.join(map(repr, match.where))}")
    elif within := dict.fromkeys(one.path[0] for one in match.found.values() if one.path):
        told.append(f"the weights are under {_listed([*map(repr, within)])}")
    if not all(key.startswith(match.lead) for key in match.expected):
        told.append(f"{'the' if match.beside else 'all'} keys begin with {match.lead!r}")
    return ", and ".join(told)


def _name(match: Match) -> str:
    return " / ".join(map(repr, filter(None, (*match.where, match.lead)))) or "those at its top"


def _mismatches(match: Match) -> str:
    """What does not fit; an empty string if that is not a matter of keys and shapes."""
    told = []
    if match.missing:
        unexpected = [match.behind(one) for one in match.unexpected]
        missing = _listed([f"{key}{_similar(key, unexpected)}" for key in match.missing])
        count = len(match.missing)
        told.append(f"{count} of {len(match.expected)} keys {_are(count)} missing: {missing}")
    if match.unexpected:
        unknown = _listed([match.behind(one) for one in match.unexpected])
        count = len(match.unexpected)
        told.append(f"{count} of {len(match.saved)} keys {_are(count)} not the module's: {unknown}")
    if match.of_other_shape:
        shapes = [
            f"of {key} is {list(match.found[key].value.shape)} in the file and {list(match.expected[key].shape)} in "
            "the module"
            for key in match.of_other_shape
        ]
        told.append(f"the shape {_listed(shapes)}")
    return "; ".join([_place(match), *told] if told and _place(match) else told)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _similar(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
    return f" (the file has {close[0]})" if close else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
