"""ONNX models as torch's own exporter makes them, so that what converts them is tested on more than ours."""

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from google.protobuf.message import Message
from onnx import ModelProto
from torch import Tensor, nn

from edge_export.formats.choices import Precision
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic

Batch = Mapping[str, npt.NDArray[Any]]

LOWER = (Precision.FLOAT16, Precision.INT8, Precision.INT8_DYNAMIC)


@dataclass(frozen=True)
class Model:
    """A model, and some rows for it."""

    proto: ModelProto
    batch: Batch

    @property
    def content(self) -> bytes:
        """Its file."""
        return to_bytes(self.proto)

    def convert(self, precision: Precision) -> ModelProto:
        """It in a lower precision; int8 is calibrated on its rows."""
        convert: dict[Precision, Callable[[ModelProto], ModelProto]] = {
            Precision.FLOAT16: to_float16,
            Precision.INT8: lambda proto: to_int8(proto, [self.batch]),
            Precision.INT8_DYNAMIC: to_int8_dynamic,
        }
        return convert[precision](self.proto)


def to_bytes(proto: ModelProto) -> bytes:
    """The file of `proto`."""
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def exported_by_torch(module: nn.Module, **inputs: Tensor) -> Model:
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
    clear_traces(proto)
    proto.ir_version = 8
    proto.producer_name, proto.producer_version = "somebody", ""
    proto.metadata_props.add(key="signature", value="{}")
    return Model(proto, {name: tensor.numpy() for name, tensor in inputs.items()})


def clear_traces(message: Message) -> None:
    """Clear the stack traces that torch's exporter leaves at every depth."""
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in [value] if isinstance(value, Message) else value:
                clear_traces(child)


def written(nodes: str) -> Model:
    """A model from x [batch, 2, 8] to y [batch, n, m], in ONNX's own notation."""
    header = '<ir_version: 8, opset_import: ["" : 18]> written (float[batch, 2, 8] x) => (float[batch, n, m] y)'
    return Model(onnx.parser.parse_model(f"{header} {nodes}"), {"x": np.ones((2, 2, 8), np.float32)})


# ------------------------------------------------------------------------------------------------------------- modules


class Convolutions(nn.Module):
    """Gives what goes into a Relu, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16))
        self.second = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1))
        self.last = nn.Linear(32, 3)
        for _ in range(3):
            self.first(torch.randn(16, 1, 10, 10))  # so that the normalization does something

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        raw = self.first(x)
        return self.last(self.second(torch.relu(raw)).flatten(1)), raw


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(64, 64, batch_first=True)
        self.gru = nn.GRU(64, 16, batch_first=True)
        self.last = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Any:
        hidden: Tensor = self.gru(self.lstm(x)[0])[0]
        return self.last(hidden[:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(200, 32)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.last = nn.Linear(32, 4)

    def forward(self, tokens: Tensor, padding: Tensor) -> Any:
        hidden: Tensor = self.layer(self.embed(tokens), src_key_padding_mask=padding)
        return self.last(hidden.mean(1))


class Mixed(nn.Module):
    """Missing numbers and a category; a probability, a decision and a count."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.hidden = nn.Linear(12, 32)
        self.last = nn.Linear(32, 1)

    def forward(self, numbers: Tensor, category: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        known = torch.nan_to_num(numbers)
        hidden = torch.relu(self.hidden(torch.cat([known, self.embed(category)], -1)))
        probability = torch.sigmoid(self.last(hidden))
        return probability, probability > 0.5, category + 1


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(4, 8)
        self.left = nn.Linear(8, 3)
        self.right = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Any:
        hidden = torch.relu(self.hidden(x))
        return torch.cond(
            hidden.sum() > 2.0, lambda h: self.left(h) * 2, lambda h: torch.tanh(self.right(h)), (hidden,)
        )


class Raw(nn.Module):
    """A year, a large number and a tiny one, standardized inside."""

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([2020.0, 5e6, 3e-9]))
        self.register_buffer("scale", torch.tensor([3.0, 1e6, 1e-9]))
        self.layers = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x: Tensor) -> Any:
        return self.layers((x - self.mean) / self.scale)


MODELS = ("convolutions", "recurrent", "attention", "mixed", "branches", "raw")


@functools.cache
def model(name: str) -> Model:
    """One of `MODELS`, made once in a process."""
    torch.manual_seed(0)
    match name:
        case "convolutions":
            return exported_by_torch(Convolutions(), x=torch.randn(8, 1, 10, 10))
        case "recurrent":
            return exported_by_torch(Recurrent(), x=torch.randn(8, 5, 64))
        case "attention":
            tokens, padding = torch.randint(0, 200, (8, 6)), torch.arange(6).expand(8, 6) > 3
            return exported_by_torch(Attention(), tokens=tokens, padding=padding)
        case "mixed":
            return exported_by_torch(Mixed(), numbers=torch.randn(8, 4), category=torch.randint(0, 10, (8,)))
        case "branches":
            return exported_by_torch(Branches(), x=torch.randn(8, 4))
        case _:
            raw = Raw()
            return exported_by_torch(raw, x=torch.randn(64, 3) * raw.scale + raw.mean)


@functools.cache
def converted(name: str, precision: Precision) -> ModelProto:
    """One of `MODELS` in a lower precision, made once in a process."""
    return model(name).convert(precision)
