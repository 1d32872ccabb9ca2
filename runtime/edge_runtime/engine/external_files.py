"""The files that a model refers to, found in its bytes before ONNX Runtime opens it.

Tensors may lie in other files (https://onnx.ai/onnx/repo-docs/ExternalData.html), wherever tensors may be: among the
weights of the graph and of subgraphs, in attributes of nodes and functions, in sparse tensors. Some providers read what
they have compiled before from a file that an EPContext node names. Files in ORT format do not refer to others.
"""

import ntpath
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.metadata_keys import CERTIFICATE_KEY
from edge_runtime.contract.terminal import printable, shortened
from edge_runtime.engine.model_outline import Outline
from edge_runtime.engine.protobuf import Bytes, Damaged, content, fields

# The number of a field of TensorProto in onnx.proto.
_DATA_LOCATION = 14
# How many fields a model with references may have: ten times those of the largest language models.
_MOST_FIELDS = 5_000_000

# With this, some versions of ONNX Runtime take weights from anywhere in the memory of the process.
_IN_MEMORY = "_ORT_MEM_ADDR_"

_Kinds: TypeAlias = dict[int, str]

# Of each message, the fields that lead to tensors and to EPContext nodes.
_MESSAGES: dict[str, _Kinds] = {
    "model": {7: "graph", 14: "metadata", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {
        **{5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {},
    "metadata": {},
}


@dataclass(frozen=True)
class References:
    """What a model refers to.

    Attributes:
        locations: the places of other files, each as the model names it.
        is_certified: whether the model carries a certificate.
    """

    locations: tuple[str, ...] = ()
    is_certified: bool = False

    def check(self, name: str, data_file: str | None) -> None:
        """Refuse what leads out of the folder of the model, and what its certificate does not cover.

        Args:
            name: what to call the model in messages.
            data_file: the name of the data file that the model's metadata describes; None if it describes none.

        Raises:
            InvalidModel: it is refused.
        """
        for location in self.locations:
            shown = shortened(printable(location)) or "a file without a name"
            parts = location.replace("\\", "/").split("/")
            is_elsewhere = ".." in parts or not parts[0] or ntpath.splitdrive(location)[0] or "\0" in location
            if is_elsewhere or _IN_MEMORY in location:
                raise InvalidModel(f"{name} has its weights in {shown}, which is not a file below its folder")
            if self.is_certified and location != data_file:
                raise InvalidModel(
                    f"{name} has a certificate that does not cover its weights in {shown}; export the model again"
                )


def references_in(data: Bytes, outline: Outline, name: str) -> References:
    """What a model refers to.

    Args:
        data: the file of the model.
        outline: where its parts are.
        name: what to call it in messages.

    Raises:
        InvalidModel: it is not an ONNX file, or has too many parts to be looked at.
    """
    if not outline.may_refer:
        return References()
    try:
        return _Search(data, name).references()
    except Damaged:
        raise InvalidModel(
            f"{name} is not a model that ONNX Runtime can load (it is not an ONNX file, or damaged)"
        ) from None


class _Search:
    """Finds what a model refers to. Of a field that stands there several times each counts, as messages are merged."""

    def __init__(self, data: Bytes, name: str) -> None:
        self._data, self._name = data, name
        self._fields_left = _MOST_FIELDS
        self._locations: list[bytes] = []
        self._contexts: list[bytes] = []
        self._has_external_data = self._is_certified = False

    def references(self) -> References:
        """All of them.

        Raises:
            Damaged: it is not a message.
            InvalidModel: see `references_in`.
        """
        left = [("model", 0, len(self._data))]
        while left:
            kind, start, stop = left.pop()
            for number, has_length, first, last in self._fields(start, stop, kind == "tensor"):
                if has_length and (part := _MESSAGES[kind].get(number)) is not None:
                    left.append((part, first, last))
                elif kind == "tensor" and number == _DATA_LOCATION:
                    self._has_external_data |= self._data[first] != 0
            if kind == "entry":
                texts = self._texts(start, stop, 1, 2)
                self._locations += texts[2] if b"location" in texts[1] else []
            elif kind == "metadata":
                self._is_certified |= CERTIFICATE_KEY.encode() in self._texts(start, stop, 1)[1]
            elif kind == "node" and b"EPContext" in self._texts(start, stop, 4)[4]:
                self._contexts += self._context(start, stop)
        found = (self._locations if self._has_external_data else []) + self._contexts
        return References(tuple(dict.fromkeys(map(os.fsdecode, found))), self._is_certified)

    def _context(self, start: int, stop: int) -> list[bytes]:
        """The files that an EPContext node names, if it does not hold them itself."""
        names, is_file = [], False
        for number, has_length, first, last in self._fields(start, stop):
            if number == 5 and has_length:
                texts = self._texts(first, last, 1, 4)
                if b"embed_mode" in texts[1]:
                    numbers = (
                        content(self._data, *at) for part, _, *at in self._fields(first, last, True) if part == 3
                    )
                    # A zero may take several bytes.
                    values = [any(byte & 127 for byte in one) for one in numbers]
                    is_file |= not all(values) or not values
                elif b"ep_cache_context" in texts[1]:
                    names += texts[4]
        return names if is_file else []

    def _texts(self, start: int, stop: int, *numbers: int) -> dict[int, list[bytes]]:
        """The texts of a message in these fields."""
        found: dict[int, list[bytes]] = {number: [] for number in numbers}
        for number, has_length, first, last in self._fields(start, stop):
            if has_length and number in found:
                found[number].append(content(self._data, first, last))
        return found

    def _fields(self, start: int, stop: int, numbers: bool = False) -> Iterator[tuple[int, bool, int, int]]:
        for one in fields(self._data, start, stop, numbers):
            self._fields_left -= 1
            if self._fields_left < 0:
                raise InvalidModel(
                    f"{self._name} has weights in other files, and more than {_MOST_FIELDS:,} parts that may have some"
                )
            yield one
