"""From a captured program to an ONNX model, and from that to the bytes of a file."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import torch
from google.protobuf.message import Message
from onnx import GraphProto, ModelProto
from onnx.helper import find_min_ir_version_for

from edge_export.capture.diagnostics import cause
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.capture.recurrent import any_length, with_projections_unrolled
from edge_export.errors import ExportError
from edge_export.formats.choices import LOWEST_OPSET
from edge_export.formats.external_data import Content, check_model, move_weights
from edge_export.formats.lowerings import CARRYING_NAN, LOWERINGS
from edge_export.formats.pooling import drop_windows
from edge_export.formats.rewriting import exact_constants
from edge_export.formats.string_inputs import as_strings
from edge_export.formats.torchlib import unread
from edge_export.tensors import Run, Tensors
from edge_runtime import InferenceFailed, InvalidModel, Predictor
from edge_runtime.contract.metadata_keys import DATA_KEY, SIGNATURE_KEY
from edge_runtime.contract.terminal import one_line


def onnx_model(
    program: Program,
    opset: int = LOWEST_OPSET,
    custom_translation_table: Mapping[Any, Any] | None = None,
    data: Path | None = None,
    carries_nan: bool = False,
) -> ModelProto:
    """`program` as an ONNX model, with its signature in the metadata; equal programs give equal models.

    It takes what the program takes: category codes, not strings.

    Args:
        program: what is exported.
        opset: the version of ONNX's operators that it is written in; the IR version is the lowest that goes with it.
        custom_translation_table: for operations of torch, functions of onnxscript, as torch.onnx.export takes them.
        data: the data file to write its weights to, if they are too large for one file.
        carries_nan: whether maximum pooling gives NaN for NaN, as torch's does; it takes twice as long then.

    Raises:
        ExportError: torch cannot export the program, or the graph is not as promised.
        CannotWrite: `data` cannot be written.
    """
    with quiet():
        exported = with_projections_unrolled(program.exported)
    # torch traces the program once more, which would fix the length of what a recurrent layer goes along.
    with quiet(), any_length(), unread(), exact_constants():
        try:
            made = torch.onnx.export(
                exported,
                dynamo=True,
                external_data=False,
                opset_version=opset,
                custom_translation_table={
                    **LOWERINGS,
                    **(CARRYING_NAN if carries_nan else {}),
                    **(custom_translation_table or {}),
                },
                input_names=[spec.name for spec in program.inputs],
                output_names=[f"{name}__output" for name in program.outputs],
                verbose=False,
            )
        except Exception as error:
            raise ExportError(f"torch cannot export this module to ONNX: {cause(error)}") from error
    assert made is not None
    if data is not None:
        move_weights(made.model, data)
    model: ModelProto = made.model_proto
    drop_windows(model.graph)
    _remove_traces(model)
    _name_outputs(model, program)
    _name_dimensions(model, program)
    written = {known.domain: known.version for known in model.opset_import}[""]
    if written != opset:
        raise ExportError(
            f"the installed torch and onnxscript cannot write this module in opset {opset}; choose a lower one with "
            f"--opset (opset=...): {written} works"
        )
    model.ir_version = find_min_ir_version_for(list(model.opset_import))
    model.producer_name, model.producer_version = "edge-predict", ""
    if program.signature is not None:
        model.metadata_props.add(key=SIGNATURE_KEY, value=program.signature.to_json())
    _check(model, program, data)
    return model


def serialized(model: ModelProto) -> bytes:
    """The bytes of an ONNX file; equal models give equal bytes.

    Raises:
        ExportError: the model is larger than one file can hold.
    """
    try:
        return model.SerializeToString(deterministic=True)  # type: ignore[no-any-return]
    except Exception as error:
        raise ExportError("the graph without its large weights is larger than 2 GiB, protobuf's limit") from error


def with_metadata(content: Content, entries: Mapping[str, str]) -> Content:
    """An ONNX file with more entries of metadata: `content`, and the entries behind it, that of a data file last.

    The fields of a protobuf message may be written one after the other, in any order
    (https://protobuf.dev/programming-guides/encoding/#last-one-wins), so the file that was compared with torch is in
    the result, byte for byte.
    """
    metadata = ModelProto()
    for key, value in entries.items():
        metadata.metadata_props.add(key=key, value=value)
    if isinstance(content, bytes):
        return content + serialized(metadata)
    metadata.metadata_props.add(key=DATA_KEY, value=content.described.to_json())
    return replace(content, model=content.model + serialized(metadata))


def opened(content: Content) -> Predictor:
    """The model in a file as the runtime runs it on the CPU, on one thread.

    Raises:
        InvalidModel, RuntimeNotInstalled: as `Predictor`.
    """
    if isinstance(content, bytes):
        return Predictor(content, device="cpu", threads=1)
    path = content.data.with_suffix("")
    path.write_bytes(content.model)
    return Predictor(path, device="cpu", threads=1)


def load_onnx(content: Content) -> Run:
    """The model in an ONNX or ORT file as `opened` opens it; given codes, it is run on strings.

    Raises:
        ExportError: ONNX Runtime cannot load it; or, when it is called, cannot run it.
        RuntimeNotInstalled: there is no ONNX Runtime.
    """
    try:
        predictor = opened(content)
    except InvalidModel as error:
        problem = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ExportError(f"ONNX Runtime cannot load what was made of this module: {cause(problem)}") from error

    def run(tensors: Tensors) -> Tensors:
        try:
            return predictor.run(as_strings(tensors, predictor.signature))
        except InferenceFailed as error:
            shapes = " and ".join(str(list(values.shape)) for values in tensors.values())
            raise ExportError(
                f"ONNX Runtime fails on what was made of this module, for inputs of the shapes {shapes}, which the "
                f"module takes: {one_line(error.__cause__ or error)}"
            ) from error

    return run


def _remove_traces(message: Message) -> None:
    """Clear the stack traces and source paths of this machine, which the exporter notes at every depth."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                _remove_traces(child)


def _name_outputs(model: ModelProto, program: Program) -> None:
    """Give outputs their names, and other ones to values within the graph that torch named alike, such as linear."""
    graph = model.graph
    kept = {tensor.name for tensor in (*graph.input, *graph.output)}
    inner = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    names = {name: f"{name}__inner" for name in (inner - kept) & set(program.outputs)}
    names |= {tensor.name: name for tensor, name in zip(graph.output, program.outputs, strict=True)}
    _rename(graph, names)


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    for tensor in (*graph.output, *graph.initializer):
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename(attribute.g, names)


def _name_dimensions(model: ModelProto, program: Program) -> None:
    """Give dimensions the names that the program has for them, in place of torch's symbols such as s77."""
    del model.graph.value_info[:]
    names: dict[str, str] = {}
    for spec, tensor in zip(program.inputs, model.graph.input, strict=True):
        for known, found in zip(spec.shape, tensor.type.tensor_type.shape.dim, strict=True):
            if isinstance(known, str):
                names[found.dim_param] = known
                found.dim_param = known
    for tensor in model.graph.output:
        for found in tensor.type.tensor_type.shape.dim:
            symbols = set(re.findall(r"[A-Za-z_]\w*", found.dim_param))
            if symbols and symbols <= set(names):
                found.dim_param = re.sub(r"[A-Za-z_]\w*", lambda symbol: names[symbol[0]], found.dim_param)
            elif found.dim_param:
                found.ClearField("dim_param")


def _check(model: ModelProto, program: Program, data: Path | None = None) -> None:
    try:
        check_model(model, data)
    except Exception as error:
        raise ExportError(f"the exported graph is not valid ONNX: {cause(error)}") from error
    found = {
        tensor.name: (
            onnx.helper.tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type),
            tuple(size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim),
        )
        for tensor in model.graph.input
    }
    expected = {spec.name: (spec.dtype, spec.shape) for spec in program.inputs}
    if found != expected:
        raise ExportError(f"the exported graph takes {found}, not {expected}")
    outputs = [tensor.name for tensor in model.graph.output]
    if outputs != list(program.outputs):
        raise ExportError(f"the exported graph gives {outputs}, not {list(program.outputs)}")
