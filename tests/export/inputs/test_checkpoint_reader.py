"""Files of torch.save and pickle with anything in them, read without running code from them."""

import argparse
import collections
import contextlib
import datetime
import enum
import io
import os
import pickle
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pickled import PROTOCOLS, WRITERS, Write, zipped
from torch import Tensor, nn

from edge_export.inputs.checkpoint_reader import Placeholder, read_without_classes


class Options:
    """An object of the user's own class, with one of a class inside it."""

    class Inner:
        def __init__(self) -> None:
            self.width = 3

    def __init__(self) -> None:
        self.inner, self.names = self.Inner(), ["a"]


class Color(enum.Enum):
    RED = 1


class EasyDict(dict[str, Any]):
    pass


class Records(list[int]):
    pass


class SlotState:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


BESIDE: dict[Any, Any] = {
    "epoch": np.float64(3),
    "curve": np.arange(3.0),
    "dtype": np.dtype("float32"),
    "hyper_parameters": argparse.Namespace(width=1, path=Path("data")),
    "when": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    "color": Color.RED,
    "options": Options(),
    "inner": Options.Inner(),
    "easy": EasyDict(a=1),
    "records": Records([1, 2]),
    "slots": SlotState(),
    "defaults": collections.defaultdict(list, {1: [2]}),
    "counts": collections.Counter("aab"),
    "queue": collections.deque([1]),
    "function": os.path.join,
    "bytes": b"\xff\x00",
    "sets": ({1, 2}, frozenset({3})),
    "range": range(3),
    "numbers": (1j, 1 << 70, -1, None, True),
    "device": torch.device("cuda:1"),
    "loss": nn.MSELoss(),
    Color.RED: 1,
    Path("key"): {Color.RED: Path("value")},
}


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 3, dtype=torch.bfloat16))


def checkpoint() -> dict[Any, Any]:
    trained = module()
    optimizer = torch.optim.Adam(trained.parameters())
    return {**BESIDE, "state_dict": trained.state_dict(), "optimizer": optimizer.state_dict()}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("write", WRITERS)
def test_weights_among_all_kinds_of_objects(write: Write, protocol: int) -> None:
    found: Any = read_without_classes(write(checkpoint(), protocol))
    expected = module().state_dict()
    assert list(found["state_dict"]) == list(expected)
    for key, tensor in expected.items():
        assert torch.equal(found["state_dict"][key], tensor)
        assert found["state_dict"][key].dtype == tensor.dtype
    assert vars(found["state_dict"])["_metadata"]["1"] == {"version": 2}
    assert found["numbers"][1:] == BESIDE["numbers"][1:]
    assert found["hyper_parameters"].state["width"] == 1
    assert dict(found["easy"]) == {"a": 1}
    assert found["options"].origin.endswith("Options")
    foreign = ("epoch", "curve", "hyper_parameters", "when", "options", "inner", "slots", "queue", "range")
    assert all(isinstance(found[name], Placeholder) for name in foreign)
    # Some releases of Python 3.11 write the member of an enumeration as an attribute of it, like a class in a class.
    color = found["color"]
    assert issubclass(color if isinstance(color, type) else type(color), Placeholder)


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.float8_e4m3fn),
    ],
)
@pytest.mark.parametrize("write", WRITERS[:2])
def test_every_dtype(write: Write, dtype: torch.dtype) -> None:
    values = torch.arange(6).reshape(2, 3).to(dtype)
    found: Any = read_without_classes(write({"weight": values, "other": Color.RED}, 2))
    assert found["weight"].dtype == dtype
    assert torch.equal(found["weight"].view(torch.uint8), values.view(torch.uint8))


@pytest.mark.parametrize("write", WRITERS)
def test_shapes_and_what_tensors_share(write: Write) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "slice": base[1:3, ::2],
        "transposed": base.T,
        "same": base,
        "parameter": nn.Parameter(base[0]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
        "expanded": torch.ones(1).expand(5),
    }
    found: Any = read_without_classes(write({**tensors, "other": Color.RED}, 2))
    for name, tensor in tensors.items():
        assert torch.equal(found[name], tensor), name
    if write is not pickle.dumps:
        assert found["same"].data_ptr() == found["transposed"].data_ptr()


def test_a_tensor_of_a_subclass_and_one_with_attributes() -> None:
    tagged = torch.ones(2)
    tagged.tag = Color.RED  # type: ignore[attr-defined]
    found: Any = read_without_classes(zipped({"tagged": tagged}, 2))
    assert type(found["tagged"]) is Tensor
    assert torch.equal(found["tagged"], torch.ones(2))


def test_the_other_order_of_bytes() -> None:
    content = io.BytesIO()
    values = torch.arange(3.0)
    with zipfile.ZipFile(io.BytesIO(zipped({"weight": values}, 2))) as archive, zipfile.ZipFile(content, "w") as other:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("byteorder"):
                data = b"big" if sys.byteorder == "little" else b"little"
            if name.endswith("data/0"):
                data = np.frombuffer(data, np.float32).byteswap().tobytes()
            other.writestr(name, data)
    found: Any = read_without_classes(content.getvalue())
    assert torch.equal(found["weight"], values)


def test_values_that_would_be_wrong_are_refused() -> None:
    conjugate = torch.ones(2, dtype=torch.complex64).conj()
    with pytest.raises(pickle.UnpicklingError, match="conjugated"):
        read_without_classes(zipped({"weight": conjugate}, 2))


class FormerTensor:
    """A tensor on a part of a storage, as torch 0.4 and earlier pickled it."""

    class Storage:
        pass

    def __reduce__(self) -> Any:
        return torch._utils._rebuild_tensor, (self.Storage(), 1, (3,), (1,))


class FormerPickler(pickle.Pickler):
    def persistent_id(self, saved: object) -> object:
        if isinstance(saved, FormerTensor.Storage):
            return "storage", torch.FloatStorage, "0", "cuda:0", 6, ("1", 2, 4)
        return None


def test_a_tensor_on_a_part_of_a_storage() -> None:
    content = io.BytesIO()
    for header in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
        pickle.dump(header, content, 2)
    FormerPickler(content, 2).dump({"weight": FormerTensor(), "path": Path("data")})
    pickle.dump(["0"], content, 2)
    content.write((6).to_bytes(8, "little") + np.arange(6, dtype="<f4").tobytes())
    expected = torch.tensor([3.0, 4.0, 5.0])
    found: Any = read_without_classes(content.getvalue())
    assert torch.equal(found["weight"], expected)


@pytest.mark.parametrize(
    "opcodes",
    [
        # The place of an object among those that may come again, and the lengths of a string, of bytes and of a frame.
        b"Nr\xff\xff\xff\xff.",
        b"X\xff\xff\xff\x7f.",
        b"\x8e" + b"\xff" * 7 + b"\x7f.",
        b"\x95" + b"\xff" * 7 + b"\x7fN.",
    ],
)
def test_numbers_in_a_pickle_take_no_memory(opcodes: bytes) -> None:
    tracemalloc.start()
    with contextlib.suppress(Exception):
        read_without_classes(b"\x80\x04" + opcodes)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**26
