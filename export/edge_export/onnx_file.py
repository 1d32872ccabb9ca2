"""From a trained network to the bytes of an ONNX file."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from google.protobuf.message import Message

from edge_export.errors import ExportError
from edge_runtime import Signature
from edge_runtime.signature import METADATA_KEY
from edge_train import NeuralNet

# The lowest opset that torch's exporter writes without converting, and the lowest IR version that goes with it: ONNX
# Runtime loads them from 1.14 on (https://onnxruntime.ai/docs/reference/compatibility.html).
OPSET = 18
IR_VERSION = 8

BATCH = "batch"


def onnx_bytes(model: NeuralNet) -> bytes:
    """An ONNX file for `model`: one file, symbolic batch, its signature in the metadata; equal models, equal bytes.

    Raises:
        ExportError: torch could not export it, or the graph is not as promised.
    """
    signature = model.signature
    example = torch.zeros(2, len(signature.features))  # a batch of 1 would be taken for a constant
    with _quiet_exporter():
        try:
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=OPSET,
                input_names=[signature.inputs[0].name],
                output_names=[signature.output],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                verbose=False,
            )
        except Exception as error:
            raise ExportError(f"torch cannot export this model to ONNX: {error}") from error
    assert program is not None
    proto = program.model_proto
    _remove_traces(proto)
    proto.ir_version = IR_VERSION
    proto.producer_name, proto.producer_version = "edge-predict", ""
    proto.metadata_props.add(key=METADATA_KEY, value=signature.to_json())
    _check(proto, signature)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep out what torch's exporter says of itself: progress on stdout, notes on other libraries, deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _remove_traces(message: Message) -> None:
    """Clear, at every depth, where the exporter notes stack traces and source paths of the machine it ran on."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                _remove_traces(child)


def _check(proto: onnx.ModelProto, signature: Signature) -> None:
    try:
        onnx.checker.check_model(proto, full_check=True)
    except onnx.checker.ValidationError as error:
        raise ExportError(f"the exported graph is not valid ONNX: {error}") from error
    shapes = {
        tensor.name: [dimension.dim_param or dimension.dim_value for dimension in tensor.type.tensor_type.shape.dim]
        for tensor in (*proto.graph.input, *proto.graph.output)
    }
    expected = {signature.inputs[0].name: [BATCH, len(signature.features)], signature.output: [BATCH, 1]}
    if shapes != expected:
        raise ExportError(f"the exported graph has the shapes {shapes}, not {expected}")
