"""Certificates of outputs.onnx, made without torch: numpy computes what torch would."""

import dataclasses
from typing import Any

import numpy as np
from onnxruntime import InferenceSession
from paths import MODELS

from edge_runtime import ReferenceBatch

OUTPUTS = MODELS / "outputs.onnx"


def reference_batch(kind: str, rows: list[list[float]]) -> ReferenceBatch:
    """What outputs.onnx returns for `rows`. The integer of a row with NaN may be any."""
    x = np.array(rows, np.float32)
    y = x * np.array([2.5, -1.25], np.float32)
    unknown = np.isnan(y).any(axis=1)
    return ReferenceBatch(
        kind,
        inputs={"x": x},
        expected={"y": y, "largest": y.argmax(axis=1), "positive": y > 0},
        tolerance={
            "y": np.full(y.shape, 2**-16, np.float32),
            "largest": np.where(unknown, np.inf, 0).astype(np.float32),
            "positive": np.zeros(y.shape, np.float32),
        },
    )


def appended(content: bytes, key: str, value: str) -> bytes:
    """An ONNX file's content with one more entry of metadata: field 14 of its protobuf, which may stand anywhere."""

    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    return content + field(14, field(1, key.encode()) + field(2, value.encode()))


def entry_in(content: bytes, key: str) -> str:
    """The text of an entry of metadata as it stands in a model, whatever the runtime would write today."""
    text = InferenceSession(content).get_modelmeta().custom_metadata_map[key]
    assert isinstance(text, str)
    return text


def changed(
    reference: tuple[ReferenceBatch, ...], part: str, name: str, index: Any, value: Any
) -> tuple[ReferenceBatch, ...]:
    """`reference` with another value in the first batch; for "special" in the last, that with NaN and infinity."""
    position = 2 if part == "special" else 0
    part = "expected" if part == "special" else part
    arrays = dict(getattr(reference[position], part))
    arrays[name] = arrays[name].copy()
    arrays[name][index] = value
    changes: dict[str, Any] = {part: arrays}
    batch = dataclasses.replace(reference[position], **changes)
    return (*reference[:position], batch, *reference[position + 1 :])
