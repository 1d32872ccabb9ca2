"""Files of weights: what kind a file is of, and all tensors in it with their places."""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_export.capture.quiet import quiet
from edge_export.errors import ExportError
from edge_export.inputs.checkpoint_reader import Placeholder, read_without_classes
from edge_runtime.contract.errors import EdgePredictError
from edge_runtime.contract.json_depth import is_too_deep, too_deep
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.terminal import unreadable
from edge_runtime.contract.text_files import open_text
from edge_train.networks.torch_files import check_file, check_tensors

# Deeper than people nest their dictionaries, and far from Python's limit of recursion.
_DEEPEST = 20


class Kind(Enum):
    """What a file is by its content, whatever its name."""

    EXPORTED = "a program of torch.export"
    TORCHSCRIPT = "a TorchScript file"
    SAFETENSORS = "a file of safetensors"
    SHARDED = "the index of weights in several files"
    OTHER = "what torch.save wrote, or something else"


@dataclass(frozen=True)
class Saved:
    """A tensor in a file.

    Attributes:
        path: the keys of the dictionaries around the state_dict, from outside.
        key: its key in the state_dict.
        value: the tensor; for the key of an extra state, what was saved of it.
    """

    path: tuple[str, ...]
    key: str
    value: Any


@dataclass
class Contents:
    """What a file holds.

    Attributes:
        saved: all tensors.
        versions: the paths of state_dicts that have metadata, and the metadata: a dict by module.
        classes: the class of each whole module, by its path.
        others: the keys at the top of the file.
    """

    saved: list[Saved] = field(default_factory=list)
    versions: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)
    classes: dict[tuple[str, ...], str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


def kind_of(path: Path) -> Kind:
    """The kind of the file at `path`; OTHER if it cannot be read."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = {name.rpartition("/")[2] for name in archive.namelist()}
            if names & {"archive_format", "serialized_exported_program.json"}:
                return Kind.EXPORTED
            return Kind.TORCHSCRIPT if "constants.pkl" in names else Kind.OTHER
        with path.open("rb") as file:
            beginning = file.read(9)
            size = os.fstat(file.fileno()).st_size
    except Exception:  # zipfile raises errors of many classes for a damaged archive
        return Kind.OTHER  # whoever reads it says what is wrong with it
    if beginning[8:] == b"{" and int.from_bytes(beginning[:8], "little") <= size:
        return Kind.SAFETENSORS
    return Kind.SHARDED if path.name.endswith(".index.json") else Kind.OTHER


def shards(index: Path, limits: Limits = DEFAULTS) -> list[Path]:
    """The files that an index of weights names, which stand beside it.

    Raises:
        ExportError: it is not an index, or names files elsewhere.
        InvalidInput: it is longer than a line may be by `limits`.
    """
    try:
        with open_text(str(index), limits) as opened:
            text = opened.whole()
        if is_too_deep(text, limits):
            raise ExportError(f"{index}: {too_deep(limits)}")
        names = sorted(set(json.loads(text)["weight_map"].values()))
        paths = [index.with_name(name) for name in names]
    except OSError as error:
        raise ExportError(unreadable(index, error)) from error
    except EdgePredictError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"{index} is not an index of weights: it has no weight_map from keys to files") from error
    return paths


def read_contents(path: Path, limits: Limits = DEFAULTS) -> Contents:
    """All tensors in a file, on the CPU. No class is imported and no code is run from it.

    Args:
        path: a file of torch.save, pickle or safetensors, or the index of several.
        limits: how much the files may take.

    Raises:
        ExportError: it cannot be read, or is something else.
        CheckpointError: it holds more than `limits` allow.
    """
    kind = kind_of(path)
    if kind == Kind.TORCHSCRIPT:
        raise ExportError(
            f"{path} is a TorchScript file; save its weights by themselves, with "
            f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt'), and give these with --module"
        )
    if kind == Kind.EXPORTED:
        raise ExportError(f"{path} is a program of torch.export, which has the module in it: give it without --module")
    contents = Contents()
    for file in shards(path, limits) if kind == Kind.SHARDED else [path]:
        try:
            most = check_file(file, limits)
        except OSError as error:
            raise ExportError(unreadable(file, error)) from error
        before = len(contents.saved)
        if kind_of(file) == Kind.SAFETENSORS:
            _collect(_safetensors(file), (), contents, set())
        else:
            _collect_pickled(file, contents)
        check_tensors(file, [saved.value for saved in contents.saved[before:]], most)
    return contents


def _safetensors(path: Path) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except OSError as error:
        raise ExportError(unreadable(path, error)) from error
    except SafetensorError as error:
        raise ExportError(f"{path} is a damaged file of safetensors: {error}") from error


def _collect_pickled(path: Path, contents: Contents) -> None:
    try:
        _collect(_unpickled(path), (), contents, set())
    except OSError as error:
        raise ExportError(unreadable(path, error)) from error
    except ExportError:
        raise
    except MemoryError as error:
        raise ExportError(f"there is not enough memory for {path}, or it is damaged") from error
    except Exception as error:  # what is in a file can raise errors of any class
        raise ExportError(
            f"{path} is not a file of weights, or a damaged one; save one with torch.save(module.state_dict(), ...)"
        ) from error


def _unpickled(path: Path) -> object:
    try:
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception:  # for bytes that are not a checkpoint, and for classes that are not tensors or plain types
        content = path.read_bytes()
    if content.startswith(b"version https://git-lfs"):
        raise ExportError(f"{path} is a pointer of Git LFS in place of the file: fetch the file with git lfs pull")
    return read_without_classes(content)


def _collect(node: object, path: tuple[str, ...], contents: Contents, seen: set[int]) -> None:
    """Add to `contents` every tensor in `node`, an object at `path` in the file."""
    if id(node) in seen or len(path) > _DEEPEST:
        return
    seen.add(id(node))
    if isinstance(node, Placeholder):
        if _is_module(node):
            contents.classes[path] = node.origin
            contents.saved += [Saved(path, key, tensor) for key, tensor in _module_tensors(node, "", 0)]
            return
        if not isinstance(node.state, Placeholder):
            _collect(node.state, path, contents, seen)
    if isinstance(node, dict):
        # A file can give an OrderedDict attributes that hide its methods.
        if isinstance(versions := getattr(node, "_metadata", None), dict):
            contents.versions[path] = versions
        items = [(str(key), value) for key, value in dict.items(node)]
    elif isinstance(node, list | tuple):
        items = [(str(place), value) for place, value in enumerate(node)]
    else:
        return
    if not path:
        contents.others = [key for key, _ in items]
    for key, value in items:
        is_extra_state = key.endswith("_extra_state") and not isinstance(value, Placeholder)
        if isinstance(value, Tensor) or is_extra_state:
            contents.saved.append(Saved(path, key, value))
        else:
            _collect(value, (*path, key), contents, seen)


def _is_module(node: object) -> bool:
    """Whether `node` is an nn.Module, as its attributes show."""
    return (
        isinstance(node, Placeholder)
        and isinstance(node.state, dict)
        and all(isinstance(node.state.get(name), dict) for name in ("_parameters", "_buffers", "_modules"))
    )


def _module_tensors(module: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """The state_dict of a module that was saved whole."""
    attributes = module.state
    not_saved = attributes.get("_non_persistent_buffers_set")
    for name, tensor in [*dict.items(attributes["_parameters"]), *dict.items(attributes["_buffers"])]:
        if isinstance(tensor, Tensor) and not (isinstance(not_saved, set) and name in not_saved):
            yield f"{prefix}{name}", tensor
    for name, child in dict.items(attributes["_modules"]):
        if _is_module(child) and depth < _DEEPEST:
            yield from _module_tensors(child, f"{prefix}{name}.", depth + 1)
