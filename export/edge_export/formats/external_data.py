"""Models that are larger than one ONNX file can hold: their weights lie in a data file beside it.

See https://onnx.ai/onnx/repo-docs/ExternalData.html. `edge_runtime.contract.data_file` says what the data file adds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import onnx
from onnx import ModelProto
from onnxscript import ir

from edge_export.capture.program import Program, state_of
from edge_runtime.contract.data_file import DataFile
from edge_runtime.contract.errors import CannotWrite

# The most bytes of weights that go into the .onnx file itself. protobuf's limit is 2 GiB: this leaves room for the
# graph, for what the exporter computes from the weights, and for the metadata.
MOST_BYTES = 1792 * 1024**2

# Weights that are smaller than this stay in the .onnx file, where shape inference sees them.
_SMALLEST = 1024
# Readers map large weights into memory, and Windows maps from multiples of 64 KiB only.
_LARGE, _LARGE_ALIGNMENT, _ALIGNMENT = 1024 * 1024, 64 * 1024, 64


@dataclass(frozen=True)
class WithData:
    """The content of an .onnx file that refers to a data file.

    Attributes:
        model: its bytes.
        data: where the data file is until both are put in place.
        described: the same file, as the certified .onnx file describes it.
    """

    model: bytes
    data: Path
    described: DataFile


# The content of a file, and its data file if it has one.
Content: TypeAlias = bytes | WithData


def data_path(model: Path) -> Path:
    """The path of the data file of the .onnx file `model`: model.onnx.data."""
    return model.with_name(f"{model.name}.data")


def size_of(content: Content) -> int:
    """Its size in bytes, with that of the data file."""
    return len(content.model) + content.described.size if isinstance(content, WithData) else len(content)


def needs_data_file(program: Program) -> bool:
    """Whether the weights of `program` are more than one ONNX file holds."""
    return sum(tensor.nbytes for tensor in state_of(program.exported).values()) > MOST_BYTES


def move_weights(model: ir.Model, data: Path) -> None:
    """Write the weights of `model` to the file `data`, one by one, and let the model refer to them there.

    Raises:
        CannotWrite: it cannot be written.
    """
    try:
        with data.open("xb") as file:
            for name, value in model.graph.initializers.items():
                tensor = value.const_value
                if tensor is None or tensor.nbytes < _SMALLEST or tensor.dtype == ir.DataType.STRING:
                    continue
                alignment = _ALIGNMENT if tensor.nbytes < _LARGE else _LARGE_ALIGNMENT
                file.seek(-(-file.tell() // alignment) * alignment)
                offset = file.tell()
                if hasattr(tensor, "tofile"):
                    tensor.tofile(file)
                else:  # before onnx-ir 0.1.11
                    file.write(tensor.tobytes())
                value.const_value = ir.ExternalTensor(
                    data.name,
                    offset,
                    tensor.nbytes,
                    tensor.dtype,
                    shape=ir.Shape(map(int, tensor.shape.numpy())),
                    name=name,
                    base_dir=data.parent,
                )
    except OSError as error:
        raise CannotWrite(f"{data} cannot be written: {error.strerror}") from error


def check_model(model: ModelProto, data: Path | None) -> None:
    """Raise ONNX's own exceptions if `model`, whose weights are in `data` if there is one, is not valid."""
    if data is None:
        onnx.checker.check_model(model, full_check=True)
        return
    # A model with a data file is checked where that is.
    path = data.with_suffix("")
    path.write_bytes(model.SerializeToString())
    try:
        onnx.checker.check_model(path, full_check=True)
    finally:
        path.unlink()
