"""What tests and benchmarks make of captured programs and of exports."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from edge_export import Export
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_export.formats.string_inputs import with_string_inputs


def onnx_bytes(program: Program) -> bytes:
    """The ONNX file of `program`, without a certificate; with string inputs if its signature has any."""
    return serialized(with_string_inputs(onnx_model(program), program.signature))


def the_one(exports: Sequence[Export], kind: str, precision: str = "float32") -> Export:
    """The file of this format and precision."""
    (found,) = [made for made in exports if (made.format, made.precision) == (kind, precision)]
    return found


def from_torchscript(file: Path | bytes, extra: dict[str, str] | None = None) -> Any:
    """The module in a TorchScript archive, and in `extra` what stands beside it."""
    source = io.BytesIO(file) if isinstance(file, bytes) else file
    return torch.jit.load(source, _extra_files=extra or {})  # type: ignore[no-untyped-call]
