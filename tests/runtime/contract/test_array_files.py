import io
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime import InvalidInput, Limits
from edge_runtime.contract.array_files import npy_content, npz_content, read_arrays

arrays = st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.bool_]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0, max_side=3))
)
# What operators are named, and what numpy.savez has for names of its own.
names = st.sampled_from(["x", "input_ids", "file", "allow_pickle", "model/layer/Add:0", "ü"])


@given(st.dictionaries(names, arrays, min_size=1))
def test_arrays_come_back(tmp_path_factory: pytest.TempPathFactory, written: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("arrays") / "arrays.npz"
    path.write_bytes(npz_content(written))
    found = read_arrays(path, InvalidInput)
    assert isinstance(found, dict)
    assert list(found) == list(written)
    for name, array in written.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert npz_content(written) == path.read_bytes()


def test_one_array(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    path.write_bytes(npy_content(np.arange(6).reshape(2, 3)))
    np.testing.assert_array_equal(read_arrays(path, InvalidInput), [[0, 1, 2], [3, 4, 5]])


def test_strings_are_no_objects() -> None:
    strings = np.array(["a", "ßß"], np.object_)
    assert np.load(io.BytesIO(npy_content(strings)), allow_pickle=False).tolist() == ["a", "ßß"]
    with pytest.raises(TypeError, match="dict is not a number or a string"):
        npy_content(np.array(["a", {}], np.object_))


class _Trap:
    """Shows that it was unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_nothing_is_unpickled(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"objects{ending}"
    trap = np.array([_Trap()], np.object_)
    if ending == ".npz":
        np.savez(path, x=trap)
    else:
        np.save(path, trap)
    with pytest.raises(InvalidInput, match="cannot be read without running code from it"):
        read_arrays(path, InvalidInput)
    path.write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(InvalidInput, match=f"is not an {ending} file; make one with numpy.save"):
        read_arrays(path, InvalidInput)


@pytest.mark.parametrize("cut", [0, 3, 40, -1])
def test_damaged(tmp_path: Path, cut: int) -> None:
    for content, ending in ((npz_content({"x": np.zeros(9)}), ".npz"), (npy_content(np.zeros(9)), ".npy")):
        path = tmp_path / f"damaged{ending}"
        path.write_bytes(content[:cut])
        with pytest.raises(InvalidInput, match=f"is not an {ending} file"):
            read_arrays(path, InvalidInput)
    with pytest.raises(InvalidInput, match="no such file"):
        read_arrays(tmp_path / "nothing.npz", InvalidInput)


def _npy(header: str, content: bytes = b"", version: int = 1) -> bytes:
    """An .npy file with any header."""
    text = header.encode() + b"\n"
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + content


def _told(shape: object, descr: object = "<f8") -> str:
    return repr({"descr": descr, "fortran_order": False, "shape": shape})


HEADERS = {
    "more elements than bytes": _npy(_told((2**40,)), bytes(80)),
    "one element too many": _npy(_told((11,)), bytes(80)),
    "a negative size": _npy(_told((-5, -2)), bytes(80)),
    "elements without bytes": _npy(_told((2**62,), "<U0")),
    "sizes that overflow": _npy(_told((2**62, 2**62, 0)), bytes(80))[:-80] + b"x",
    "an array in each element": _npy(_told((2,), ("<f8", (2**40,))), bytes(80)),
    "a size that is not a number": _npy(_told((1.5,)), bytes(80)),
    "brackets": _npy("(" * 9000, bytes(80)),
    "minus signs": _npy("-" * 9000 + "1", bytes(80)),
    "a call": _npy("__import__('os').abort()", bytes(80)),
    "no header": b"\x93NUMPY\x01\x00\xff\xff{",
    "another version": _npy(_told((1,)), bytes(8), version=9),
}


@pytest.mark.parametrize("ending", [".npy", ".npz"])
@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_lie(tmp_path: Path, header: str, ending: str) -> None:
    path = tmp_path / f"array{ending}"
    if ending == ".npy":
        path.write_bytes(HEADERS[header])
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", HEADERS[header])
    tracemalloc.start()
    with pytest.raises(InvalidInput, match=r"is not an \.np[yz] file"):
        read_arrays(path, InvalidInput)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_an_archive_that_unpacks_to_more_than_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(10_000_000), b=np.zeros(10_000_000))
    limits = Limits(unpacked_bytes=100_000_000)
    tracemalloc.start()
    with pytest.raises(
        InvalidInput, match=r"bomb\.npz holds more than 100,000,000 bytes; .*--limit unpacked_bytes=\.\.\."
    ):
        read_arrays(path, InvalidInput, limits)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
    found = read_arrays(path, InvalidInput, Limits(unpacked_bytes=200_000_000))
    assert {name: array.nbytes for name, array in dict(found).items()} == {"a": 80_000_000, "b": 80_000_000}


def test_a_member_that_holds_more_than_it_says(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(10_000_000))
    content = bytearray(path.read_bytes())
    # The sizes in the list of members, and before the member itself.
    for signature, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        begin = content.index(signature)
        content[begin + place : begin + place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(InvalidInput, match=r"is not an \.npz file"):
        read_arrays(path, InvalidInput)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_an_array_of_holes(tmp_path: Path) -> None:
    path = tmp_path / "holes.npy"
    header = _npy(_told((2**37,)))
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 2**40)
    with pytest.raises(InvalidInput, match=r"holds more than 4,294,967,296 bytes"):
        read_arrays(path, InvalidInput)


def test_a_large_array_on_the_disk_is_read_whatever_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    with path.open("wb") as file:
        np.save(file, np.arange(100_000.0))
        file.flush()
        os.fsync(file.fileno())
    assert np.asarray(read_arrays(path, InvalidInput, Limits(unpacked_bytes=10))).size == 100_000


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither devices nor named pipes in folders")
def test_what_is_not_a_file_of_arrays(tmp_path: Path) -> None:
    (tmp_path / "zero.npy").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.npz")
    reader = os.open(tmp_path / "pipe.npz", os.O_RDONLY | os.O_NONBLOCK)
    with (tmp_path / "pipe.npz").open("wb", buffering=0) as writer:
        writer.write(b"PK")
        for name, message in (
            ("zero.npy", "it is a device, not a file"),
            ("pipe.npz", "it is a pipe; arrays are read"),
        ):
            with pytest.raises(InvalidInput, match=f"{name} cannot be read: {message}"):
                read_arrays(tmp_path / name, InvalidInput)
    os.close(reader)
