"""ONNX files as torch's own exporter makes them, so that what converts them is tested on more than ours."""

import contextlib
import io
import warnings

import onnx
import torch
from torch import nn


def exported_by_torch(module: nn.Module, **inputs: torch.Tensor) -> onnx.ModelProto:
    """`module` with these inputs, the first axis of each being the batch."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            dynamo=True,
            external_data=False,
            opset_version=18,
            input_names=list(inputs),
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in inputs),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.ir_version = 8
    return proto
