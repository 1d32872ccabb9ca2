import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime import InvalidInput
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
