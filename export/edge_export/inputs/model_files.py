"""Where programs come from at the shell: a checkpoint of edge-train, a saved torch.export program, or any weights."""

import contextlib
import hashlib
import importlib
import inspect
import io
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_export.capture.capture import adopt, capture
from edge_export.capture.classes import Classes
from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.errors import ExportError
from edge_export.inputs.data_files import read_tensors
from edge_export.inputs.weight_files import Contents, Kind, kind_of, read_contents, shards
from edge_export.inputs.weights import load_weights
from edge_export.options import split_factory
from edge_export.tensors import Axes
from edge_runtime import Signature
from edge_runtime.contract.data_file import blocks
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.opened_files import open_file
from edge_runtime.contract.terminal import suggestion, unreadable
from edge_train import load_checkpoint
from edge_train.errors import CheckpointError, UnknownNetwork
from edge_train.networks.base import Network
from edge_train.networks.torch_files import check_file

# What --module comes with.
_NEEDED = "name what makes it and the file of an example: --module package.module:name --example example.npz"


def load_program(
    path: Path,
    factory: str | None = None,
    example: Path | None = None,
    dynamic: Mapping[str, Axes] | None = None,
    note: Callable[[str], None] = warnings.warn,
    classes: Classes | None = None,
    limits: Limits = DEFAULTS,
) -> tuple[Program, dict[str, str]]:
    """The program in `path`, and the hashes of what it was made from.

    Args:
        path: a model.pt as edge-train writes it; a .pt2 as torch.export.save writes it; or, with `factory`, a
            file of weights.
        factory: "package.module:name" of what makes the module, called without arguments; found from the current
            folder too.
        example: an .npz file with the inputs of the module's forward by name.
        dynamic: see `capture`; for modules of a factory alone.
        note: see `Options`.
        classes: see `capture`.
        limits: how much the files may take.

    Raises:
        CheckpointError, ExportError: it cannot be read or captured.
    """
    try:
        # Before anything looks into it: a device would never end.
        open_file(path, limits).close()
    except OSError as error:
        is_checkpoint = factory is None and path.suffix != ".pt2"
        raise (CheckpointError if is_checkpoint else ExportError)(unreadable(path, error)) from error
    if factory is not None:
        if example is None:
            raise ExportError("--module needs --example, an .npz file with an array for each input of its forward")
        module = _make(factory)
        load_weights(module, path, note, limits)
        program = capture(module, _example(example, module, limits), dynamic, classes=classes)
    elif path.suffix == ".pt2" or kind_of(path) == Kind.EXPORTED:
        program = _load_exported(path, classes, limits)
    else:
        model = _load_network(path, limits)
        zeros = {
            tensor.name: torch.zeros(
                2,
                len(tensor.features),
                dtype=torch.int64 if tensor.holds_strings or tensor.holds_dates else torch.float32,
            )
            for tensor in model.signature.inputs
        }
        program = capture(model, zeros, classes=classes)
        if model.data_sha256 is not None:
            return program, {"checkpoint": _sha256(path), "training_data": model.data_sha256}
    return program, {"checkpoint": _sha256(path)}


def _make(factory: str) -> nn.Module:
    module_name, name = split_factory(factory)
    # As `python -m` does; a command's own folder is first otherwise.
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        home = importlib.import_module(module_name)
        if not hasattr(home, name):
            raise ExportError(f"{module_name} has no {name}{suggestion(name, vars(home))}")
        made = getattr(home, name)()
    except ExportError:
        raise
    except (Exception, SystemExit) as error:  # a script that reads the command line may end the process
        raise ExportError(f"{factory} cannot be made: {cause(error)}") from error
    if not isinstance(made, nn.Module):
        raise ExportError(f"{factory} gives {type(made).__name__}, not a torch.nn.Module")
    return made


def _example(path: Path, module: nn.Module, limits: Limits) -> dict[str, Tensor]:
    """The arrays in an .npz file, which are the arguments of the module's forward by name."""
    tensors: dict[str, Tensor] = {}
    for name, values in read_tensors(path, limits).items():
        try:
            tensors[name] = torch.from_numpy(values)
        except TypeError as error:
            raise ExportError(f"{path}: {name} is {values.dtype}; torch has no tensors of that type") from error
    forward = inspect.signature(module.forward)
    try:
        forward.bind(**tensors)
    except TypeError as error:
        held, taken = ", ".join(tensors) or "nothing", ", ".join(forward.parameters)
        raise ExportError(f"{path} holds {held}; the module's forward takes {taken}") from error
    return tensors


def _load_network(path: Path, limits: Limits) -> Network:
    contents = Contents()
    if kind_of(path) != Kind.OTHER:
        contents = read_contents(path, limits)
    else:
        try:
            return load_checkpoint(path, limits)
        except UnknownNetwork as error:
            raise ExportError(f"{error}; for a module of your own, {_NEEDED}") from error
        except CheckpointError as error:
            if isinstance(error.__cause__, pickle.UnpicklingError):
                with contextlib.suppress(ExportError):
                    contents = read_contents(path, limits)
            if not contents.saved:
                raise
    of_whole = "".join(f" of a whole module ({origin}), which is not made" for origin in contents.classes.values())
    raise ExportError(f"{path} holds the weights{of_whole or ' of a module'}; {_NEEDED}")


def _load_exported(path: Path, classes: Classes | None, limits: Limits) -> Program:
    extra = {SIGNATURE_KEY: ""}
    try:
        check_file(path, limits)
        content = path.read_bytes()
    except OSError as error:
        raise ExportError(unreadable(path, error)) from error
    try:
        with quiet():
            exported = torch.export.load(io.BytesIO(content), extra_files=extra)
    except Exception as error:  # the reader raises many kinds of errors for bytes that are not an archive
        raise ExportError(
            f"{path} is not a program of torch.export, or was saved by another torch version: {cause(error)}; "
            "save one with torch.export.save"
        ) from error
    signature = Signature.from_json(extra[SIGNATURE_KEY]) if extra[SIGNATURE_KEY] else None
    return adopt(exported, signature, classes)


def _sha256(path: Path) -> str:
    """The hash of a file; of weights in several files, that of the index and of them, one after the other."""
    digest = hashlib.sha256()
    for one in [path, *(shards(path) if kind_of(path) == Kind.SHARDED else [])]:
        for block in blocks(one):
            digest.update(block)
    return digest.hexdigest()
