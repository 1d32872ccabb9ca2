"""From a captured program to the bytes of an ONNX file."""

import re
from collections.abc import Mapping

import onnx
import torch
from google.protobuf.message import Message

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.errors import ExportError
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY

# The lowest opset that torch's exporter writes without converting, and the lowest IR version that goes with it: ONNX
# Runtime loads them from 1.14 on (https://onnxruntime.ai/docs/reference/compatibility.html).
OPSET = 18
IR_VERSION = 8


def onnx_bytes(program: Program) -> bytes:
    """An ONNX file for `program`: one file, its signature in the metadata; equal programs, equal bytes.

    Raises:
        ExportError: torch could not export it, or the graph is not as promised.
    """
    with quiet():
        try:
            made = torch.onnx.export(
                program.exported,
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[spec.name for spec in program.inputs],
                output_names=list(program.outputs),
                verbose=False,
            )
        except Exception as error:
            raise ExportError(f"torch cannot export this module to ONNX: {cause(error)}") from error
    assert made is not None
    proto = made.model_proto
    _remove_traces(proto)
    _name_dimensions(proto, program)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "edge-predict", ""
    if program.signature is not None:
        proto.metadata_props.add(key=SIGNATURE_KEY, value=program.signature.to_json())
    _check(proto, program)
    return _serialized(proto)


def with_metadata(content: bytes, entries: Mapping[str, str]) -> bytes:
    """The ONNX file `content` with `entries` added to its metadata."""
    proto = onnx.load_from_string(content)
    for key, value in entries.items():
        proto.metadata_props.add(key=key, value=value)
    return _serialized(proto)


def _serialized(proto: onnx.ModelProto) -> bytes:
    try:
        return proto.SerializeToString(deterministic=True)  # type: ignore[no-any-return]
    except Exception as error:
        # protobuf's limit; an artifact is one file, so that its weights cannot go missing.
        raise ExportError("the model is larger than 2 GiB, which one ONNX file cannot hold") from error


def _remove_traces(message: Message) -> None:
    """Clear, at every depth, where the exporter notes stack traces and source paths of the machine it ran on."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                _remove_traces(child)


def _name_dimensions(proto: onnx.ModelProto, program: Program) -> None:
    """Give dimensions the names that the program knows them by, in place of torch's symbols such as s77."""
    del proto.graph.value_info[:]
    names: dict[str, str] = {}
    for spec, tensor in zip(program.inputs, proto.graph.input, strict=True):
        for known, found in zip(spec.shape, tensor.type.tensor_type.shape.dim, strict=True):
            if isinstance(known, str):
                names[found.dim_param] = known
                found.dim_param = known
    for tensor in proto.graph.output:
        for found in tensor.type.tensor_type.shape.dim:
            symbols = set(re.findall(r"[A-Za-z_]\w*", found.dim_param))
            if not symbols or not symbols <= set(names):
                found.ClearField("dim_param") if found.dim_param else None
                continue
            found.dim_param = re.sub(r"[A-Za-z_]\w*", lambda symbol: names[symbol[0]], found.dim_param)


def _check(proto: onnx.ModelProto, program: Program) -> None:
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:
        raise ExportError(f"the exported graph is not valid ONNX: {cause(error)}") from error
    found = {
        tensor.name: (
            onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type),
            tuple(size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim),
        )
        for tensor in proto.graph.input
    }
    expected = {spec.name: (spec.dtype, spec.shape) for spec in program.inputs}
    if found != expected:
        raise ExportError(f"the exported graph takes {found}, not {expected}")
    outputs = [tensor.name for tensor in proto.graph.output]
    if outputs != list(program.outputs):
        raise ExportError(f"the exported graph gives {outputs}, not {list(program.outputs)}")
