from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import InvalidInput, TensorSpec
from edge_runtime.rows.tensor_reader import TensorReader

IMAGE = TensorSpec("image", "tensor(float)", ("batch", 3, "height", "width"))
IDS, MASK = (TensorSpec(name, "tensor(int64)", ("batch", "length")) for name in ("ids", "mask"))
WEIGHTS = TensorSpec("weights", "tensor(float)", ("length",))


@given(st.lists(st.sampled_from(["batch", "a", "b", 2, 3, None]), max_size=4), st.data())
def test_every_shape(axes: list[Any], data: st.DataObject) -> None:
    """A tensor of the declared shape passes; without the batch axis it is one row; any other size is refused."""
    spec = TensorSpec("x", "tensor(float)", tuple(axes))
    sizes = {axis: data.draw(st.integers(0, 3)) for axis in ("batch", "a", "b", None)}
    shape = [axis if isinstance(axis, int) else sizes[axis] for axis in axes]
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    reader = TensorReader([spec], "batch")
    for given_array in (array, {"x": array}, array.tolist() if array.size else array):
        (found,) = reader.tensors(given_array).values()
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, array)
    if axes[:1] == ["batch"] and "batch" not in axes[1:] and sizes["batch"]:
        (found,) = reader.tensors(array[0]).values()
        np.testing.assert_array_equal(found, array[:1])
    for axis, size in enumerate(axes):
        if isinstance(size, int) or (axes.count(size) > 1 and size is not None):
            longer = np.repeat(array, 2, axis) if shape[axis] else np.zeros([*shape[:axis], 1, *shape[axis + 1 :]])
            with pytest.raises(InvalidInput):
                reader.tensors(longer)
    # ONNX Runtime reports no axes for a tensor of any shape too.
    if axes:
        with pytest.raises(InvalidInput):
            reader.tensors(array[None, None])


def test_several_inputs() -> None:
    reader = TensorReader([IDS, MASK, WEIGHTS], "batch")
    ids, weights = np.arange(6).reshape(2, 3), np.ones(3)
    feed = reader.tensors({"mask": ids > 1, "weights": weights, "ids": ids.astype(np.int16)})
    assert {name: (array.dtype.name, array.shape) for name, array in feed.items()} == {
        "ids": ("int64", (2, 3)),
        "mask": ("int64", (2, 3)),
        "weights": ("float32", (3,)),
    }
    one = reader.tensors({"mask": ids[0], "weights": weights, "ids": ids[0]})
    assert one["ids"].shape == one["mask"].shape == (1, 3)
    assert one["weights"].shape == (3,)
    with pytest.raises(InvalidInput, match=r"weights: float32 \[length\], found shape \[\]$"):
        reader.tensors({"mask": ids, "weights": 1.0, "ids": ids})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((2, 3)), "mask: int64 [batch, length]: give an array for each of them, by its name"),
        ({"ids": [[1]]}, "the model takes ids: int64 [batch, length]; mask: int64 [batch, length]: missing mask"),
        ({"ids": [[1]], "msk": [[1]]}, "missing mask, unknown msk; did you mean 'mask'?"),
        ({"ids": [[1]], "mask": [[1], [2]]}, "batch must be the same everywhere: ids has 1, mask 2"),
        ({"ids": [[1, 2]], "mask": [[1]]}, "length must be the same everywhere: ids has 2, mask 1"),
        ({"ids": [[1, 2], [3]], "mask": [[1]]}, "ids: all must have the same length, found 1 and 2 values"),
        ({"ids": [[1.5]], "mask": [[1]]}, "ids: int64 is expected, found float64"),
        ({"ids": [[2**63]], "mask": [[1]]}, "ids: 9223372036854775808 does not fit int64"),
        ({"ids": [["a"]], "mask": [[1]]}, "ids: int64 is expected, found strings"),
        ({"ids": [[None]], "mask": [[1]]}, "ids: int64 is expected, found None"),
        ({"ids": [[[1]]], "mask": [[1]]}, "the model takes ids: int64 [batch, length], found shape [1, 1, 1]"),
    ],
)
def test_what_does_not_fit(given: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        TensorReader([IDS, MASK], "batch").tensors(given)
    assert message in str(raised.value)


def test_an_image_of_any_size_is_one_row() -> None:
    reader = TensorReader([IMAGE], "batch")
    assert reader.tensors(np.zeros((3, 5, 7), np.uint8))["image"].shape == (1, 3, 5, 7)
    with pytest.raises(InvalidInput, match=r"found shape \[3, 5\]"):
        reader.tensors(np.zeros((3, 5)))
    assert repr(reader) == "TensorReader(the model takes image: float32 [batch, 3, height, width])"


def test_a_batch_of_fixed_size() -> None:
    spec = TensorSpec("x", "tensor(float)", (1, 2))
    assert TensorReader([spec], 1).tensors([1, 2])["x"].tolist() == [[1, 2]]
