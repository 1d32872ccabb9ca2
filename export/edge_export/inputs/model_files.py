"""Where programs come from at the shell: a checkpoint of edge-train, a saved torch.export program, or any weights."""

import hashlib
import importlib
import inspect
import io
import sys
import textwrap
from collections.abc import Mapping
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
from edge_export.options import split_factory
from edge_export.tensors import Axes
from edge_runtime import Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.terminal import suggestion, unreadable
from edge_train import load_checkpoint
from edge_train.errors import UnknownNetwork


def load_program(
    path: Path,
    factory: str | None = None,
    example: Path | None = None,
    dynamic: Mapping[str, Axes] | None = None,
    classes: Classes | None = None,
) -> tuple[Program, dict[str, str]]:
    """The program in `path`, and the hashes of what it was made from.

    Args:
        path: a model.pt as edge-train writes it; a .pt2 as torch.export.save writes it; or, with `factory`, a
            state_dict.
        factory: "package.module:name" of what makes the module, called without arguments; found from the current
            folder too.
        example: an .npz file with the inputs of the module's forward by name.
        dynamic: see `capture`; for modules of a factory alone.
        classes: see `capture`.

    Raises:
        CheckpointError, ExportError: it cannot be read or captured.
    """
    if factory is not None:
        if example is None:
            raise ExportError("--module needs --example, an .npz file with an array for each input of its forward")
        module = _make(factory)
        _load_weights(module, path)
        program = capture(module, _example(example, module), dynamic, classes=classes)
    elif path.suffix == ".pt2":
        program = _load_exported(path, classes)
    else:
        try:
            model = load_checkpoint(path)
        except UnknownNetwork as error:
            raise ExportError(
                f"{error}; for a module of your own, name what makes it and the file of an example: "
                "--module package.module:name --example example.npz"
            ) from error
        zeros = {
            tensor.name: torch.zeros(
                2, len(tensor.features), dtype=torch.int64 if tensor.holds_strings else torch.float32
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


def _example(path: Path, module: nn.Module) -> dict[str, Tensor]:
    """The arrays in an .npz file, which are the arguments of the module's forward by name."""
    tensors: dict[str, Tensor] = {}
    for name, values in read_tensors(path).items():
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


def _load_weights(module: nn.Module, path: Path) -> None:
    try:
        with quiet():
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ExportError(unreadable(path, error)) from error
    except Exception as error:  # the unpickler raises many kinds of errors for bytes that are not a checkpoint
        raise ExportError(
            f"{path} is not a state_dict that can be read without running code from it; "
            "save it with torch.save(module.state_dict(), ...)"
        ) from error
    try:
        module.load_state_dict(state)
    except Exception as error:
        # torch lists all missing and unexpected keys; the beginning of the list says enough.
        raise ExportError(f"{path} does not fit the module: {textwrap.shorten(str(error), 300)}") from error


def _load_exported(path: Path, classes: Classes | None) -> Program:
    extra = {SIGNATURE_KEY: ""}
    try:
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
    return hashlib.sha256(path.read_bytes()).hexdigest()
