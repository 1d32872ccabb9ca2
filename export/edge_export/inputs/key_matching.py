"""Finds a module's weights among the tensors of a file: in which dictionary, and behind which prefix of the keys."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from typing import Any

from torch import Tensor
from torch.nn.parameter import is_lazy

from edge_export.inputs.weight_files import Saved

# What puts a module into another one adds such a part to its keys: DataParallel, torch.compile, FSDP, checkpointing of
# activations, Lightning's strategies.
_WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
# Where trainers keep the weights that a model is used with. Behind other names are copies: averages, teachers, earlier
# epochs.
_USUAL = _WRAPPERS | {
    "checkpoint",
    "model",
    "model_state",
    "model_state_dict",
    "net",
    "net_state_dict",
    "network",
    "params",
    "state",
    "state_dict",
    "weights",
}
_Segments = tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """Tensors of a file that stand for those of a module.

    Attributes:
        expected: the module's tensors by key; what is not a tensor is the extra state of a part.
        found: what the file has of them, by the module's keys.
        saved: all that is in the file.
        prefix: what comes before a module's key in the file: keys of dictionaries, then the beginning of the keys,
            without the parts of wrappers.
        cut: what comes before a file's key in the module.
        has_wrappers: whether parts of wrappers are dropped from keys.
    """

    expected: Mapping[str, Any]
    found: Mapping[str, Saved]
    saved: Sequence[Saved]
    prefix: _Segments
    cut: _Segments
    has_wrappers: bool

    @cached_property
    def where(self) -> _Segments:
        """The keys of the dictionaries that the weights are in."""
        return min((one.path for one in self.found.values()), key=len, default=())[: len(self.prefix)]

    @cached_property
    def lead(self) -> str:
        """What all of their keys begin with and the module's do not: "module.model.", or an empty string."""
        leads = [self._lead(one) for one in self.found.values()]
        return "".join(f"{segment}." for segment in _common(leads))

    @cached_property
    def missing(self) -> list[str]:
        """The keys of the module that the file has nothing for."""
        return [key for key in self.expected if key not in self.found]

    @cached_property
    def beside(self) -> list[Saved]:
        """What is in the same dictionaries behind another prefix: parts of a larger module."""
        return [one for one in self._others if not one.key.startswith(self.lead)]

    @cached_property
    def unexpected(self) -> list[Saved]:
        """What is behind the same prefix, but is not the module's."""
        return [one for one in self._others if one.key.startswith(self.lead)]

    @cached_property
    def of_other_shape(self) -> list[str]:
        """The keys of the module whose tensors have another shape in the file."""
        return [key for key, one in self.found.items() if not _same_shape(self.expected[key], one.value)]

    @property
    def is_complete(self) -> bool:
        """Whether the module's tensors, all of them and no others, are there in their shapes."""
        return not (self.missing or self.unexpected or self.of_other_shape)

    @property
    def is_usual(self) -> bool:
        """Whether they are where trainers keep the weights that a model is used with."""
        return {*self.where, *self.lead.split(".")} <= {*_USUAL, ""}

    def behind(self, one: Saved) -> str:
        """The key of a tensor of the file without what all have in common."""
        return ".".join((*one.path[len(self.where) :], one.key.removeprefix(self.lead)))

    @property
    def wrappers(self) -> list[str]:
        """The parts of wrappers in keys of the file that the module's keys do not have."""
        if not self.has_wrappers:
            return []
        more = ({*self.behind(one).split(".")[:-1]} - {*key.split(".")} for key, one in self.found.items())
        return sorted(_WRAPPERS.intersection(chain.from_iterable(more)))

    def versions(self, saved: Mapping[_Segments, Mapping[Any, Any]], parts: Iterable[str]) -> dict[str, Any]:
        """The metadata of a state_dict for the module: a dict by part.

        Args:
            saved: the metadata in the file, by the path of each state_dict.
            parts: the names of the module's parts, "" for itself.
        """
        # The name of a part is what its keys begin with.
        by_name = {_segments(f"{part}.key".lstrip("."), self.has_wrappers): part for part in parts}
        found = {}
        for path, by_part in saved.items():
            for part, version in by_part.items():
                segments = (*path, *_segments(f"{part}.key".lstrip("."), self.has_wrappers))
                name = (*self.cut, *segments[len(self.prefix) :])
                if segments[: len(self.prefix)] == self.prefix and name in by_name:
                    found[by_name[name]] = version
        return found

    @cached_property
    def _others(self) -> list[Saved]:
        paths, matched = {one.path for one in self.found.values()}, {id(one) for one in self.found.values()}
        return [one for one in self.saved if one.path in paths and id(one) not in matched]

    def _lead(self, one: Saved) -> Sequence[str]:
        segments, left = one.key.split("."), len(self.prefix) - len(one.path)
        for place, segment in enumerate(segments):
            if not (self.has_wrappers and segment in _WRAPPERS and place < len(segments) - 1):
                left -= 1
            if left < 0:
                return segments[:place]
        return []


def matches(saved: Sequence[Saved], expected: Mapping[str, Any]) -> list[Match]:
    """Where in a file the tensors of a module may be: all complete matches, or the single best incomplete one.

    Args:
        saved: the file's tensors.
        expected: the module's tensors by key.

    Returns:
        Without complete ones, the one that has most of the module's keys; none if no key is in the file at all. Keys
        that the file lacks because the module shares their tensors with others count as found.
    """
    has_wrappers = _stay_different(saved, expected)
    names = {_segments(key, has_wrappers): key for key in expected}
    found = _by_prefix(saved, expected, names, (), has_wrappers)
    if complete := [one for one in found if one.is_complete]:
        return complete
    # The module itself may be a wrapper of what the file has the weights of, and share tensors with it.
    memories = Counter(map(_memory, expected.values()))
    cut = _common(name for name, key in names.items() if memories[_memory(expected[key])] == 1)
    for length in range(1, len(cut) + 1):
        inner = {name[length:]: key for name, key in names.items() if name[:length] == cut[:length]}
        inside = [one for one in _by_prefix(saved, expected, inner, cut[:length], has_wrappers) if not one.lead]
        if complete := [one for one in inside if one.is_complete]:
            return complete
    return sorted(found, key=lambda one: (-len(one.found), not one.is_usual, len(one.prefix)))[:1]


def _by_prefix(
    saved: Sequence[Saved],
    expected: Mapping[str, Any],
    names: Mapping[_Segments, str],
    cut: _Segments,
    has_wrappers: bool,
) -> list[Match]:
    """A match for each prefix behind which there are keys of the module: as many as any prefix has."""
    found: dict[_Segments, dict[str, Saved]] = {}
    for one in saved:
        segments = (*one.path, *_segments(one.key, has_wrappers))
        for place in range(len(segments)):
            if (key := names.get(segments[place:])) is not None:
                found.setdefault(segments[:place], {})[key] = one
    most = max(map(len, found.values()), default=0)
    return [
        Match(expected, _with_shared(behind, expected), saved, prefix, cut, has_wrappers)
        for prefix, behind in found.items()
        if len(behind) == most
    ]


def _with_shared(found: dict[str, Saved], expected: Mapping[str, Any]) -> dict[str, Saved]:
    """`found`, and for keys that are missing what the file has for another key of the same tensor."""
    by_memory = {memory: key for key in found if (memory := _memory(expected[key])) is not None}
    shared = {
        key: found[by_memory[memory]]
        for key, tensor in expected.items()
        if key not in found and (memory := _memory(tensor)) in by_memory
    }
    return {**found, **shared}


def _memory(tensor: object) -> object:
    """What is equal for two tensors exactly if they are the same numbers in memory."""
    if not isinstance(tensor, Tensor) or is_lazy(tensor) or tensor.is_meta or not tensor.numel():
        return None
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _same_shape(expected: object, found: object) -> bool:
    if not isinstance(expected, Tensor) or not isinstance(found, Tensor) or is_lazy(expected):
        return True  # extra states, and parameters that take the shape of what is loaded
    return expected.shape == found.shape or (expected.ndim == 0 and found.shape == (1,))


def _segments(key: str, has_wrappers: bool) -> _Segments:
    """The parts of a key, without those of wrappers."""
    *owners, name = key.split(".")
    return (*(owner for owner in owners if not (has_wrappers and owner in _WRAPPERS)), name)


def _common(names: Iterable[Sequence[str]]) -> _Segments:
    """The segments that all names begin with."""
    return tuple(parts[0] for parts in takewhile(lambda parts: len({*parts}) == 1, zip(*names, strict=False)))


def _stay_different(saved: Iterable[Saved], expected: Iterable[str]) -> bool:
    """Whether no two keys of the file or of the module become one without the parts of wrappers."""
    in_module = [_segments(key, True) for key in expected]
    in_file = [(one.path, _segments(one.key, True)) for one in saved]
    return len({*in_module}) == len(in_module) and len({*in_file}) == len(in_file)
