"""From a captured program to the bytes of a TorchScript file."""

import inspect
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from edge_export.capture.attention import without_fast_path
from edge_export.capture.diagnostics import cause
from edge_export.capture.distributions import without_validation
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.errors import ExportError
from edge_export.tensors import Run, Tensors
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY


def torchscript_bytes(program: Program) -> bytes:
    """A TorchScript archive of `program`, with its signature as an extra file in it.

    Equal programs give equal bytes from one process to the next; within one process torch numbers the classes that it
    traces, so that a second trace contains other names. torch.jit.script would give other bytes in every process.

    Raises:
        ExportError: TorchScript cannot hold the module.
    """
    content = io.BytesIO()
    args, kwargs = program.arguments(program.example)
    extra = {} if program.signature is None else {SIGNATURE_KEY: program.signature.to_json()}
    # Tracing warns of what it fixes; that shows when the file is compared.
    with quiet(), without_fast_path(), without_validation():
        try:
            module = program.callable_module()
            inputs = {"example_kwarg_inputs": _by_name(module, args, kwargs)} if kwargs else {"example_inputs": args}
            traced = torch.jit.trace(module, **inputs, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
            torch.jit.save(traced, content, _extra_files=extra)
        except Exception as error:
            raise ExportError(f"TorchScript cannot hold this module: {cause(error)}") from error
    return _without_source_paths(content.getvalue())


def load_torchscript(content: bytes, program: Program) -> Run:
    """The model in a TorchScript archive, on the CPU."""
    module = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]

    def run(tensors: Tensors) -> Tensors:
        try:
            return program.call(module, tensors)
        except Exception as error:
            shapes = " and ".join(str(list(values.shape)) for values in tensors.values())
            raise ExportError(
                f"TorchScript cannot hold this module: it fails on inputs of the shapes {shapes}: {cause(error)}"
            ) from error

    return run


def _by_name(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments of a call by name: torch traces a module either by position or by name.

    Raises:
        ExportError: one of them has no name, or is in no place.
    """
    signature = inspect.signature(module.forward)
    arguments = signature.bind(*args, **kwargs).arguments
    for name in arguments:
        if signature.parameters[name].kind != inspect.Parameter.POSITIONAL_OR_KEYWORD:
            raise ExportError(f"its forward does not take {name} both by position and by name")
    return dict(arguments)


def _without_source_paths(archive: bytes) -> bytes:
    """`archive` without its .debug_pkl files, which hold source paths of this machine for stack traces."""
    slim = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(slim, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(entry.filename), old.read(entry))
    return slim.getvalue()
