"""From an ONNX file to the same model in ORT format, the only one that ONNX Runtime's minimal builds read."""

import struct
import tempfile
from pathlib import Path

from edge_export.errors import ExportError
from edge_runtime import Predictor
from edge_runtime.contract.terminal import one_line
from edge_runtime.engine.installation import import_onnxruntime


def ort_bytes(content: bytes) -> bytes:
    """The model in an ONNX file in ORT format.

    See https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html. Such a file runs the way it
    was optimised when it was made, here at the level "extended": the next one lays out convolutions for the vectors of
    one kind of processor, and the one before does not form products in 8 bits, so that int8 is slower than float32. The
    price is that convolutions in float32 take about twice as long on x86-64 as in the ONNX file.

    Files made by ONNX Runtime 1.32 were read by 1.17, except for float16 models with a LayerNormalization: 1.17 has no
    kernel for it, and only from an ONNX file would it compute it in float32.

    Args:
        content: the ONNX file. Equal files give equal bytes; the metadata is kept, and the signature with it.

    Raises:
        ExportError: ONNX Runtime cannot convert the model.
        RuntimeNotInstalled: there is no ONNX Runtime to convert it with.
    """
    ort = import_onnxruntime()
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    settings.add_session_config_entry("session.save_model_format", "ORT")
    # Errors come as exceptions; ONNX Runtime need not print them as well.
    settings.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.ort")
        settings.optimized_model_filepath = str(path)
        try:
            ort.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
            converted = _rebuilt(path.read_bytes())
            Predictor(converted, device="cpu")
        except Exception as error:
            reason = one_line(error)
            raise ExportError(f"ONNX Runtime cannot convert this model to ORT format: {reason}") from error
    return converted


def _rebuilt(content: bytes) -> bytes:
    """An ORT file with its list of kernels laid out in order; ONNX Runtime does so in that of a hash table, at random.

    The file is a flatbuffer, which is built from its end to its start: the model, kept here as it is; that list; the
    root, which refers to both (onnxruntime/core/flatbuffers/schema/ort.fbs). No field but these is in use.
    """
    # Both come with ONNX Runtime; the error for its absence is `import_onnxruntime`'s.
    import flatbuffers  # type: ignore[import-untyped]
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

    root = InferenceSession.GetRootAs(content)
    resolver, model = root.KernelTypeStrResolver(), root.Model()._tab.Pos
    operators = []
    for operator in map(resolver.OpKernelTypeStrArgs, range(resolver.OpKernelTypeStrArgsLength())):
        kinds = []
        for kind in map(operator.KernelTypeStrArgs, range(operator.KernelTypeStrArgsLength())):
            arguments = [(item.ArgType(), item.Index()) for item in map(kind.Args, range(kind.ArgsLength()))]
            kinds.append((kind.KernelTypeStr(), arguments))
        operators.append((operator.OpId(), kinds))

    builder = flatbuffers.Builder(len(content))
    builder.minalign = 16  # no less than what the model was aligned to
    # A table begins with the distance to the description of its fields, which lies before it.
    builder.CreateByteVector(content[model - struct.unpack_from("<i", content, model)[0] :])

    def table(*fields: int) -> int:
        builder.StartObject(len(fields))
        for slot, field in enumerate(fields):
            builder.PrependUOffsetTRelativeSlot(slot, field, 0)
        return int(builder.EndObject())

    def argument(kind: int, index: int) -> int:
        builder.StartObject(2)
        builder.PrependInt8Slot(0, kind, 0)
        builder.PrependUint32Slot(1, index, 0)
        return int(builder.EndObject())

    def vector(items: list[int]) -> int:
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return int(builder.EndVector())

    entries = []
    for name, kinds in operators:
        types = [
            table(builder.CreateString(kind), vector([argument(*item) for item in items])) for kind, items in kinds
        ]
        entries.append(table(builder.CreateString(name), vector(types)))
    version = builder.CreateString(root.OrtVersion())
    # Offsets count from the end, where the model has stayed.
    builder.Finish(table(version, len(content) - model, 0, table(vector(entries))), b"ORTM")
    return bytes(builder.Output())
