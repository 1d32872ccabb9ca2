"""What an isolated process answers: it may have been taken over by its model, so that anything may come."""

import io
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

import numpy as np

from edge_runtime.contract.limits import Limits
from edge_runtime.contract.tensors import TensorSpec
from edge_runtime.engine.model_outline import outline_of
from edge_runtime.engine.model_scan import check as check_model
from edge_runtime.isolate import replies
from edge_runtime.isolate.messages import MalformedMessage, encoded, read
from fuzzing.models import certified, named
from fuzzing.mutations import mutated_bytes, mutated_json
from fuzzing.protobuf import mutated_model
from fuzzing.target import Target

_MOST = 2**20
_EXPECTED = (TensorSpec("y", "tensor(float)", (None, 2)), TensorSpec("words", "seq(tensor(string))", ()))
# What the first byte of an input chooses among.
_KINDS: tuple[Callable[[Any], object], ...] = (
    lambda plain: replies.outputs(plain, _EXPECTED),
    replies.metadata,
    replies.verification,
    replies.specs,
    lambda plain: replies.named(plain, ["a", "b"]),
    replies.texts,
    replies.optional_text,
)


def _message(data: bytes) -> None:
    stream = io.BytesIO(data[1:])

    def receive(buffer: memoryview) -> None:
        # As the socket's reader does where the process has ended.
        if stream.readinto(buffer) < len(buffer):
            raise MalformedMessage("it is cut")

    try:
        value = read(receive, _MOST)
    except MalformedMessage:
        return
    repr(_KINDS[(data[0] if data else 0) % len(_KINDS)](value))


def _message_seeds() -> Iterable[bytes]:
    def of(kind: int, value: Any) -> bytes:
        return bytes([kind]) + b"".join(bytes(part) for part in encoded(value))

    words = np.array(["a", "é"], object)
    check = {"kind": "rows", "output": "y", "rows": 3, "error": 0.0, "tolerance": 1.0, "tolerance_used": 0.0}
    yield of(0, [np.ones((3, 2), np.float32), [words]])
    yield of(
        1,
        {"custom": {"a": "b"}, "opsets": {"ai.onnx": 17}, "version": None}
        | dict.fromkeys(("producer", "graph_name", "graph_description", "description", "domain"), ""),
    )
    yield of(
        2,
        {"provider": "CPUExecutionProvider", "onnxruntime": "1.32.0", "versions": {}, "rows": 3, "intact": True}
        | {"signature_intact": True, "checks": [{**check, "problem": None}], "problems": []},
    )
    yield of(3, [["x", "tensor(float)", ["batch", 2]]])
    yield of(4, {"a": b"bytes", "b": {1: 2.5}})
    yield of(5, {"a": "b"})
    yield of(6, None)


def _mutated_message(data: bytes, random: Random) -> bytes:
    if random.random() < 0.3 or len(data) < 13:
        return mutated_bytes(data, random)
    size = int.from_bytes(data[1:5], "little")
    text, following = data[13 : 13 + size], data[13 + size :]
    text = mutated_json(text, random)
    return data[:1] + len(text).to_bytes(4, "little") + len(following).to_bytes(8, "little") + text + following


def _scan(data: bytes) -> None:
    # Low, so that these are reached.
    limits = Limits(nodes=20, metadata_bytes=10_000)
    check_model(data, outline_of(data, limits, "the model"), limits, "the model")


def _scan_seeds() -> Iterable[bytes]:
    return [*named("outputs", "penguins", "kinds"), *certified()]


TARGETS = (
    Target(
        "answers of an isolated process", lambda: _message, _message_seeds, _mutated_message, memory=2**28, weight=2
    ),
    Target("scan of a model", lambda: _scan, _scan_seeds, mutated_model, memory=2**28, weight=2),
)
