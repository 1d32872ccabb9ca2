"""What tests and benchmarks make of captured programs."""

from edge_export.capture.program import Program
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_export.formats.string_inputs import with_string_inputs


def onnx_bytes(program: Program) -> bytes:
    """The ONNX file of `program`, without a certificate; with string inputs if its signature has any."""
    return serialized(with_string_inputs(onnx_model(program), program.signature))
