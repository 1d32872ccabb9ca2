"""From an ONNX model in float32 to the same model in float16 or with 8-bit weights.

ONNX Runtime's own tools convert. This module decides which parts of a model they may touch, and checks that the result
is valid, opens, takes and gives the same tensors, and is the same every time. How far its answers are from float32's
cannot be known here; `edge_export.verify.quantization_budget` measures it.

- 8-bit weights use 7 of their 8 bits, -64 to 64, and activations 0 to 255: CPUs without VNNI add pairs of such products
  in 16 bits, where 2 * 255 * 127 saturates and 2 * 255 * 64 does not, so that answers do not depend on the CPU
  (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). Unsigned weights are safe with all
  their bits, but take twice the time.
- Only products of activations and weights are computed in 8 bits, and the sums of linear layers stay in floating point.
  Softmax, Sigmoid and attention scores would round probabilities and masks to 256 steps.
- int8-dynamic leaves convolutions alone: ONNX Runtime takes five times as long for them as in float32, and 1.17 has no
  kernel for them at all.
"""

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, TensorProto
from onnxscript import ir, optimizer

from edge_export.errors import ExportError
from edge_export.formats.batched_weights import batched_products, with_channel_scales_apart
from edge_export.formats.choices import Precision
from edge_export.formats.onnx_file import serialized
from edge_export.tensors import Tensors
from edge_runtime import OpenedModel, Signature
from edge_runtime.contract.terminal import one_line
from edge_runtime.engine.installation import import_onnxruntime

# Its tools would import it with telemetry on.
import_onnxruntime()
from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static  # noqa: E402
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16  # noqa: E402

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_BRANCHES = ("If", "Loop", "Scan")
_LAYERS = (*_PRODUCTS, *_BRANCHES, "GRU", "LSTM", "RNN")
# These pass 8-bit values on as they are.
_TRANSPARENT = ("Clip", "Flatten", "MaxPool", "Relu", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
_SMALL = (TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8)
# At opset 18 ONNX has no float16 for these two; the tool knows of the others.
_ONLY_FLOAT32 = (*DEFAULT_OP_BLOCK_LIST, "Celu", "IsInf")


def to_float16(model: ModelProto, signature: Signature | None = None) -> ModelProto:
    """`model` with float16 weights and arithmetic.

    Inputs and outputs keep their types. What is computed from numbers and dates before the first layer, such as
    standardisation, stays in float32: float16 cannot tell 2,049 from 2,048 and ends at 65,504. Weights beyond that
    become 65,504, those closer to zero than 6e-8 become 6e-8. On x86-64 CPUs ONNX Runtime casts back to float32 for
    nearly every operator: there such a file is smaller, but as a rule slower.

    Args:
        model: takes codes, if the artifact will take strings.
        signature: which inputs hold dates.

    Raises:
        ExportError: the model cannot be converted, or it has nothing to convert.
    """

    def convert(folded: ModelProto) -> ModelProto:
        kept = [*_before_layers(folded.graph, signature), *_unsafe_transposes(folded.graph)]
        half = convert_float_to_float16(folded, keep_io_types=True, op_block_list=_ONLY_FLOAT32, node_block_list=kept)
        _skip_detours(half.graph)
        return half  # type: ignore[no-any-return]

    return _converted(model, Precision.FLOAT16, convert)


def to_int8_dynamic(model: ModelProto) -> ModelProto:
    """`model` with 8-bit weights in its linear layers, LSTMs and embeddings.

    An activation is rounded to 256 steps between the smallest and the largest value in its whole tensor. A row's answer
    therefore depends on the rows that are in the batch with it, and an infinity in one row makes them all NaN. A NaN
    itself is lost: its row gets an answer like any other.

    Raises:
        ExportError: the model cannot be converted, or it has nothing to convert.
    """

    def convert(folded: ModelProto) -> ModelProto:
        made = with_channel_scales_apart(folded)
        batched = [*batched_products(made.graph)]
        types = ["Gather", "LSTM", "MatMul"]  # a Gemm is made a MatMul first
        made = _quantized(made, quantize_dynamic, op_types_to_quantize=types, nodes_to_exclude=batched)
        if batched:
            made = _quantized(made, quantize_dynamic, per_channel=False, nodes_to_quantize=batched)
        return made

    return _converted(model, Precision.INT8_DYNAMIC, convert)


def to_int8(model: ModelProto, batches: Sequence[Tensors], signature: Signature | None = None) -> ModelProto:
    """`model` with 8-bit weights in its convolutions, linear layers and embeddings.

    An activation is rounded to 256 steps between the smallest and the largest value that `batches` lead to there, and
    clipped to that range, so that a row's answer depends on that row alone. NaN and infinity are lost: such a row gets
    an answer like any other.

    Args:
        model: takes codes, if the artifact will take strings.
        batches: input tensors by name, of the types and shapes that the model declares, all finite except missing
            values. A few hundred rows like those that the model will meet are enough.
        signature: which columns may be missing, NaN, which the model replaces before its first layer.

    Raises:
        ExportError: the model cannot be converted, or it has nothing to convert; there are no `batches`, or they do not
            fit the model, or hold NaN or infinity.
    """

    def convert(folded: ModelProto) -> ModelProto:
        made = with_channel_scales_apart(folded)
        return _quantized(
            made,
            quantize_static,
            calibration_data_reader=_Reader(batches),
            activation_type=QuantType.QUInt8,
            op_types_to_quantize=[*_PRODUCTS, *_TRANSPARENT, "Gather"],
            nodes_to_exclude=_unfit_for_int8(made.graph),
            extra_options={
                # A convolution's kernel needs 8 bits at both ends, that of a linear layer does not.
                "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"],
                # An override without an axis: one scale for all.
                "TensorQuantOverrides": {weights: [{}] for weights in batched_products(made.graph).values()},
            },
        )

    if not batches:
        raise ExportError("int8 needs rows to calibrate on; give some, or choose int8-dynamic")
    # ONNX Runtime ignores NaN in some places and fails in others.
    if not all(_is_finite(batch, signature) for batch in batches):
        raise ExportError("the rows to calibrate int8 on hold NaN or infinity; drop such rows")
    return _converted(model, Precision.INT8, convert)


def _is_finite(batch: Tensors, signature: Signature | None) -> bool:
    """Whether all numbers are finite except missing values."""
    may_be_missing = {
        tensor.name: [feature.missing is not None for feature in tensor.features]
        for tensor in (() if signature is None else signature.inputs)
        if tensor.features
    }
    return all(
        bool((np.isfinite(values) | (np.isnan(values) & may_be_missing.get(name, False))).all())
        for name, values in batch.items()
        if values.dtype.kind == "f"
    )


class _Reader:
    """Batches one after another, as ONNX Runtime's calibration asks for them."""

    def __init__(self, batches: Sequence[Tensors]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> Tensors | None:
        return next(self._batches, None)


def _quantized(model: ModelProto, tool: Callable[..., None], per_channel: bool = True, **options: Any) -> ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source.onnx"), Path(folder, "target.onnx")
        onnx.save(model, source)
        tool(source, target, per_channel=per_channel, reduce_range=True, weight_type=QuantType.QInt8, **options)
        return onnx.load(target)


def _converted(original: ModelProto, precision: Precision, convert: Callable[[ModelProto], ModelProto]) -> ModelProto:
    """What `convert` makes of `original`, tidied up and checked."""
    nothing = ExportError(f"this model has nothing to convert to {precision}; export it as float32")
    if not any(node.op_type in (*_LAYERS, "Gather") for node in original.graph.node):
        raise nothing
    try:
        with _quiet_tools():
            result = _tidied(convert(_folded(original)), original)
        if _small_weights(result) == _small_weights(original):
            raise nothing
        onnx.checker.check_model(result, full_check=True)
        before, after = (OpenedModel(serialized(model), "cpu", threads=1) for model in (original, result))
        if (before.inputs, before.outputs) != (after.inputs, after.outputs):
            raise ValueError(f"it would take {after.inputs} and give {after.outputs}")
    except ExportError:
        raise
    except Exception as error:
        reason = one_line(error)
        raise ExportError(f"{precision} is not possible for this model; export it as float32: {reason}") from error
    return result


def _small_weights(model: ModelProto) -> int:
    return sum(tensor.data_type in _SMALL for tensor in model.graph.initializer)


def _folded(original: ModelProto) -> ModelProto:
    """`original` with its weights as the layers take them, and a name of its own for each node.

    torch leaves an LSTM's weights in pieces for the graph to join.
    """
    model = ir.from_proto(original)
    largest = original.ByteSize() // 4  # as many values as all weights together
    optimizer.fold_constants(model, input_size_limit=largest, output_size_limit=largest)
    ir.passes.common.NameFixPass()(model)
    return ir.to_proto(model)


def _unfit_for_int8(graph: GraphProto) -> list[str]:
    """The names of the nodes that multiply activations with each other, and of activations that the tool gets wrong.

    The latter are a Relu or Clip whose input is needed elsewhere too: the tool clips that input as if it were not. It
    does see what other nodes need, but not the model's outputs and branches.
    """
    weights = {tensor.name for tensor in graph.initializer}
    outputs = {tensor.name for tensor in graph.output}
    branches = any(node.op_type in _BRANCHES for node in graph.node)
    return [
        node.name
        for node in graph.node
        if (node.op_type in _PRODUCTS and weights.isdisjoint(node.input))
        or (node.op_type in ("Clip", "Relu") and (branches or node.input[0] in outputs))
    ]


def _before_layers(graph: GraphProto, signature: Signature | None) -> list[str]:
    """The names of the nodes between the inputs in floating point, or of dates, and the first layers."""
    known = {tensor.name for tensor in (*graph.input, *graph.initializer)} | {""}
    kinds = (TensorProto.FLOAT, TensorProto.DOUBLE)
    floating = {tensor.name for tensor in graph.input if tensor.type.tensor_type.elem_type in kinds}
    floating |= {tensor.name for tensor in (() if signature is None else signature.inputs) if tensor.holds_dates}
    names = []
    for node in graph.node:
        if node.op_type in _LAYERS or not known.issuperset(node.input):
            continue
        known.update(node.output)
        if not floating.isdisjoint(node.input):
            floating.update(node.output)
            names.append(node.name)
    return names


def _unsafe_transposes(graph: GraphProto) -> list[str]:
    """The names of the nodes that move axis 0 of what a MatMul takes.

    On x86-64, ONNX Runtime 1.24 to 1.32 at least crash when they open a model that does so in float16
    (https://github.com/microsoft/onnxruntime/issues/28392).
    """
    factors = {name for node in graph.node if node.op_type == "MatMul" for name in node.input}
    return [
        node.name
        for node in graph.node
        if node.op_type == "Transpose" and node.output[0] in factors and list(node.attribute[0].ints)[:1] == [1]
    ]


def _skip_detours(graph: GraphProto) -> None:
    """Let what is cast to float16 and back to float32 be cast from what it was before."""
    casts = [(node, node.attribute[0].i) for node in graph.node if node.op_type == "Cast"]
    halved = {node.output[0]: node.input[0] for node, kind in casts if kind == TensorProto.FLOAT16}
    for node, kind in casts:
        if kind == TensorProto.FLOAT:
            node.input[0] = halved.get(node.input[0], node.input[0])


def _tidied(model: ModelProto, original: ModelProto) -> ModelProto:
    """`model` in order, without what the tools leave behind and with what `original` says of itself."""
    graph = ir.from_proto(model)
    for tidy in (ir.passes.common.RemoveUnusedNodesPass(), ir.passes.common.TopologicalSortPass()):
        tidy(graph)
    model = ir.to_proto(graph)
    del model.graph.value_info[:], model.metadata_props[:]
    model.metadata_props.extend(original.metadata_props)
    model.ir_version = original.ir_version
    model.producer_name, model.producer_version = original.producer_name, original.producer_version
    return model


@contextlib.contextmanager
def _quiet_tools() -> Iterator[None]:
    """Keep out what the tools log and warn of; all that matters is checked afterwards."""
    root = logging.getLogger()
    # They log on the root itself, where the first message would install a handler for good if there is none.
    silence = logging.NullHandler()
    root.addHandler(silence)
    root.addFilter(_silenced)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeFilter(_silenced)
        root.removeHandler(silence)


def _silenced(_: logging.LogRecord) -> bool:
    return False
