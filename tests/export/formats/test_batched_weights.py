"""Batched matrix products in 8 bits: as accurate in every column of every matrix as a layer of one matrix."""

from collections.abc import Sequence

import numpy as np
import pytest
from c_models import model_of
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx_models import to_bytes
from tiers import examples

from edge_export.errors import ExportError
from edge_export.formats.batched_weights import batched_products, with_channel_scales_apart
from edge_export.formats.quantization import to_int8, to_int8_dynamic
from edge_export.tensors import Array, Tensors
from edge_runtime import Predictor

PRODUCT = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
PRECISIONS = ("int8", "int8-dynamic")


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def with_unequal_columns(*shape: int) -> Array:
    """Weights whose columns have magnitudes of 0.0001 to 10."""
    random = np.random.default_rng(sum(shape))
    columns = 10 ** random.uniform(-4, 1, (*shape[:-2], 1, shape[-1]))
    return (random.normal(size=shape) * columns).astype(np.float32)


def converted(model: ModelProto, inputs: Tensors, precision: str) -> ModelProto:
    return to_int8(model, [inputs]) if precision == "int8" else to_int8_dynamic(model)


def answers(model: ModelProto, inputs: Tensors) -> Tensors:
    return Predictor(to_bytes(model), device="cpu").run(inputs)


def assert_accurate(nodes: Sequence[NodeProto], x: Array, weights: Tensors, precision: str) -> ModelProto:
    """See that every product of x and weights is off by no more than 8 bits round, in every column; give the model."""
    outputs = [node.output[0] for node in nodes]
    model = model_of(nodes, {"x": x}, outputs, weights)
    made = converted(model, {"x": x}, precision)
    found, expected = answers(made, {"x": x}), answers(model, {"x": x})
    # The zero point is rounded besides.
    step = (max(x.max(), 0) - min(x.min(), 0)) / 255
    for node in nodes:
        w = weights[node.input[1]]
        sums = np.abs(w).sum(-2 if w.ndim > 1 else -1, keepdims=w.ndim > 1)
        scales = np.abs(w).max(-2 if w.ndim > 1 else -1, keepdims=w.ndim > 1) / 64
        of_row = (np.abs(x) + step).sum(-1, keepdims=w.ndim > 1)
        bound = step * sums + scales / 2 * of_row
        if w.ndim > 1 and x.ndim == 1:
            bound = bound.squeeze(-2)
        error = np.abs(found[node.output[0]] - expected[node.output[0]])
        assert (error <= 1.01 * bound + 1e-6 * np.abs(expected[node.output[0]])).all()
    return made


def size_of_weights(model: ModelProto) -> int:
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in model.graph.initializer)


@pytest.mark.parametrize("precision", PRECISIONS)
@examples(6, 60)
@given(
    members=st.integers(1, 6),
    before=st.integers(1, 40),
    after=st.integers(1, 20),
    batch=st.integers(1, 5),
    left=st.sampled_from(["shared", "of each", "of one"]),
    outer=st.sampled_from([(), (2,), (1,)]),
)
def test_every_column_of_every_member(
    precision: str, members: int, before: int, after: int, batch: int, left: str, outer: tuple[int, ...]
) -> None:
    axes = {"shared": (), "of each": (*outer, members), "of one": (1,)}[left]
    weights = {"w": with_unequal_columns(*outer, members, before, after)}
    made = assert_accurate([PRODUCT], normal(*axes, batch, before), weights, precision)
    (codes,) = (t for t in made.graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) > 2)
    assert tuple(codes.dims) == weights["w"].shape


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_quarter_of_the_weights(precision: str) -> None:
    weights = {"w": with_unequal_columns(5, 64, 32)}
    made = assert_accurate([PRODUCT], normal(3, 64), weights, precision)
    assert size_of_weights(made) < 0.32 * weights["w"].nbytes


@pytest.mark.parametrize("precision", PRECISIONS)
def test_weights_and_rows_that_several_products_share(precision: str) -> None:
    nodes = [
        PRODUCT,
        helper.make_node("MatMul", ["x", "w"], ["again"], name="again"),
        helper.make_node("MatMul", ["x", "one"], ["z"], name="other"),
    ]
    weights = {"w": with_unequal_columns(3, 32, 32), "one": with_unequal_columns(32, 8)}
    made = assert_accurate(nodes, normal(4, 32), weights, precision)
    assert [output.name for output in made.graph.output] == ["y", "again", "z"]
    assert size_of_weights(made) < 0.4 * sum(array.nbytes for array in weights.values())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("row", "shape"), [((16,), (3, 16, 4)), ((2, 16), (16,)), ((5, 2, 16), (16,))])
def test_rows_and_weights_of_one_axis(precision: str, row: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """The columns are not those of the product, or there are none: one scale for all."""
    assert_accurate([PRODUCT], normal(*row), {"w": normal(*shape) + 3}, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_columns_of_zeros(precision: str) -> None:
    weights = with_unequal_columns(3, 16, 4)
    weights[1, :, 2] = 0
    made = assert_accurate([PRODUCT], x := normal(2, 16), {"w": weights}, precision)
    assert not answers(made, {"x": x})["y"][1, :, 2].any()


def test_what_has_no_columns_to_scale_stays_as_it_is() -> None:
    infinite = normal(3, 8, 4)
    infinite[0, 0, 0] = np.inf
    for x, weights in ((normal(2, 8), normal(8, 4)), (normal(8), normal(3, 8, 4)), (normal(2, 8), infinite)):
        model = model_of([PRODUCT], {"x": x}, ["y"], {"w": weights})
        assert [node.op_type for node in with_channel_scales_apart(model).graph.node] == ["MatMul"]


def test_the_product_is_the_same_and_the_model_stays() -> None:
    model = model_of([PRODUCT], {"x": (x := normal(2, 8))}, ["y"], {"w": with_unequal_columns(3, 8, 4)})
    before = to_bytes(model)
    apart = with_channel_scales_apart(model)
    assert to_bytes(model) == before
    np.testing.assert_allclose(answers(apart, {"x": x})["y"], answers(model, {"x": x})["y"], rtol=1e-5, atol=1e-7)
    ((name, weights),) = batched_products(apart.graph).items()
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in apart.graph.initializer}
    assert name == "product"
    assert "w" not in arrays
    np.testing.assert_allclose(np.abs(arrays[weights]).max(-2), 1)


def test_weights_on_the_left_are_not_for_int8_dynamic() -> None:
    """ONNX Runtime's tool leaves them alone."""
    node = helper.make_node("MatMul", ["w", "x"], ["y"], name="product")
    model = model_of([node], {"x": (x := normal(16, 3))}, ["y"], {"w": normal(2, 8, 16)})
    with pytest.raises(ExportError, match="nothing to convert to int8-dynamic"):
        to_int8_dynamic(model)
    found, expected = answers(to_int8(model, [{"x": x}]), {"x": x})["y"], answers(model, {"x": x})["y"]
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
