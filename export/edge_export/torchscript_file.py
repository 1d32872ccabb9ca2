"""From a trained network to the bytes of a TorchScript file."""

import io
import warnings
import zipfile

import torch

from edge_runtime.signature import METADATA_KEY
from edge_train import NeuralNet


def torchscript_bytes(model: NeuralNet) -> bytes:
    """A TorchScript archive for `model`, its signature as an extra file in it.

    Equal models give equal bytes from one process to the next; within one process torch numbers the classes that it
    traces, so that a second trace has other names in it. torch.jit.script would give other bytes in every process.
    """
    example = torch.zeros(2, len(model.signature.features))
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit works on, but is no longer developed
        traced = torch.jit.trace(model, (example,))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, content, _extra_files={METADATA_KEY: model.signature.to_json()})
    return _without_source_paths(content.getvalue())


def _without_source_paths(archive: bytes) -> bytes:
    """`archive` less its .debug_pkl files, which hold source paths of this machine and serve stack traces alone."""
    slim = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(slim, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(zipfile.ZipInfo(entry.filename), old.read(entry))
    return slim.getvalue()
