"""Loops, places in arrays, and as few axes as can be."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from c_models import code_of, model_of, run_in_c
from hypothesis import given
from hypothesis import strategies as st
from onnx import NodeProto, helper

from edge_export.c_code.compiler import compilers, load_c
from edge_export.c_code.files import c_code
from edge_export.c_code.literals import Names
from edge_export.c_code.static_graph import Value, static_graph
from edge_export.c_code.writer import Stored, Writer, broadcast, contiguous, merged, place
from edge_export.tensors import Array, Tensors

FLOAT = np.dtype(np.float32)


@pytest.mark.parametrize(
    ("indices", "strides", "offset", "text"),
    [
        (["i", "j"], [33, 1], 0, "i * 33 + j"),
        (["0", "j"], [33, 1], 5, "j + 5"),
        (["2", "1"], [3, 1], 0, "7"),
        ([], [], 0, "0"),
        (["i - 1", "j"], [4, 0], 0, "(i - 1) * 4"),
    ],
)
def test_a_place(indices: list[str], strides: list[int], offset: int, text: str) -> None:
    assert place(indices, strides, offset) == text


@given(st.lists(st.integers(1, 4), max_size=4), st.randoms())
def test_merged_axes_go_through_the_same_places(shape: list[int], random: object) -> None:
    order = np.random.default_rng(len(shape)).permutation(len(shape))
    sizes = [shape[axis] for axis in order]
    turned = np.arange(int(np.prod(shape))).reshape(shape).transpose(order)
    strides = [[step // turned.itemsize for step in turned.strides], list(contiguous(sizes))]
    fewer, steps = merged(sizes, strides)

    def places(sizes: Sequence[int], strides: Sequence[int]) -> list[int]:
        return [
            sum(one * step for one, step in zip(index, strides, strict=True))
            for index in itertools.product(*map(range, sizes))
        ]

    for before, after in zip(strides, steps, strict=True):
        assert places(fewer, after) == places(sizes, before)
    assert len(fewer) <= len(sizes)


def test_broadcast_axes_stay_where_they_are() -> None:
    assert broadcast((3, 1), (2, 3), (4, 2, 3)) == (0, 3, 1)
    assert broadcast((1, 1), (1, 3), (2, 3)) == (0, 1)


def test_loops_run_over_axes_of_more_than_one() -> None:
    writer = Writer(Names())
    with writer.loops([3, 1, 2]) as indices:
        writer.line("work;")
    assert indices == ["i", "0", "j"]
    assert [line.strip() for line in writer.lines] == [
        "for (int i = 0; i < 3; i++) {",
        "for (int j = 0; j < 2; j++) {",
        "work;",
        "}",
        "}",
    ]


def test_a_single_constant_is_written_where_it_is_used_and_others_in_an_array() -> None:
    writer = Writer(Names())
    one = Value("one", FLOAT, (1,), np.array([2.5], np.float32))
    many = Value("layer.weight", FLOAT, (2,), np.array([1, 2], np.float32))
    assert writer.stored(one).element(["i"]) == "2.5f"
    assert writer.stored(many).element(["i"]) == "layer_weight[i]"
    assert list(writer.constants.values()) == ["layer_weight"]
    writer.derived(many, "twice", lambda array: array * 2)
    writer.derived(many, "twice", lambda array: array * 3)
    assert [array.tolist() for value in writer.constants if (array := value.constant) is not None] == [[1, 2], [2, 4]]


def normal(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def in_8_bits(node: NodeProto, inputs: Tensors, weights: Tensors) -> float:
    """How far an operator is from float32 with its weights in 8 bits, as a fraction of its largest output."""
    model = model_of([node], inputs, [node.output[0]], weights)
    code = c_code(static_graph(model, {}), None, "net", in_8_bits=True)
    found = load_c(code, compilers()[0], is_batched=False)(inputs)[node.output[0]]
    expected = run_in_c(model, inputs)[node.output[0]]
    assert code.constant_bytes < 0.5 * code_of(model).constant_bytes
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_weights_in_8_bits_have_a_scale_for_each_output() -> None:
    columns = np.float32(10.0) ** np.arange(-4, 4, dtype=np.float32)
    gemm = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    weights = {"w": normal(8, 40) * columns[:, None], "b": normal(8) * columns}
    model = model_of([gemm], inputs := {"x": normal(3, 40)}, ["y"], weights)
    code = c_code(static_graph(model, {}), None, "net", in_8_bits=True)
    found = load_c(code, compilers()[0], is_batched=False)(inputs)["y"]
    expected = run_in_c(model, inputs)["y"]
    assert (np.abs(found - expected).max(axis=0) < 0.02 * np.abs(expected).max(axis=0)).all()
    assert {array.dtype.name: array.shape for array in code.constants.values() if array.ndim == 2} == {
        "int8": (40, 8),
        "float32": (1, 8),
    }


def test_every_kind_of_layer_takes_weights_in_8_bits() -> None:
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=2)
    assert in_8_bits(conv, {"x": normal(1, 8, 9, 9)}, {"w": normal(6, 4, 3, 3), "b": normal(6)}) < 0.02
    depthwise = helper.make_node("Conv", ["x", "w"], ["y"], group=8)
    assert in_8_bits(depthwise, {"x": normal(1, 8, 9, 9)}, {"w": normal(8, 1, 3, 3)}) < 0.02
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert in_8_bits(product, {"x": normal(2, 3, 40)}, {"w": normal(40, 20)}) < 0.02
    rows = helper.make_node("Gather", ["w", "i"], ["y"])
    large = normal(30, 8) * np.arange(1, 31, dtype=np.float32)[:, None]
    assert in_8_bits(rows, {"i": np.array([1, 5, -3])}, {"w": large}) < 0.01
    of_members = helper.make_node("Gather", ["w", "i"], ["y"], axis=1)
    assert in_8_bits(of_members, {"i": np.array([1, 5, -3])}, {"w": normal(3, 30, 8)}) < 0.01
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        layer = helper.make_node(kind, ["x", "w", "r"], ["y"], hidden_size=12, direction="bidirectional")
        shapes = {"w": normal(2, gates * 12, 9), "r": normal(2, gates * 12, 12)}
        assert in_8_bits(layer, {"x": normal(5, 2, 9)}, shapes) < 0.05


def test_numbers_that_are_looked_up_one_by_one_stay_as_they_are() -> None:
    node = helper.make_node("Gather", ["w", "i"], ["y"], axis=1)
    model = model_of([node], {"i": np.array([1, 5])}, ["y"], {"w": normal(4, 50)})
    code = c_code(static_graph(model, {}), None, "net", in_8_bits=True)
    assert [array.dtype.name for array in code.constants.values()] == ["float32"]


def test_few_weights_and_weights_that_are_not_finite_stay_as_they_are() -> None:
    gemm = helper.make_node("Gemm", ["x", "w"], ["y"])
    infinite = np.full((10, 10), -np.inf, np.float32)
    for weights in (normal(7, 9), infinite):
        model = model_of([gemm], {"x": normal(1, len(weights))}, ["y"], {"w": weights})
        code = c_code(static_graph(model, {}), None, "net", in_8_bits=True)
        assert [array.dtype.name for array in code.constants.values()] == ["float32"]


def test_elements_are_copied_only_if_they_are_not_in_order() -> None:
    writer = Writer(Names())
    value = Value("x", FLOAT, (2, 3))
    writer.put(value, Stored("x", (3, 1)))
    assert writer.in_order(value).name == "x"
    turned = Value("t", FLOAT, (3, 2))
    writer.put(turned, Stored("x", (1, 3)))
    assert writer.in_order(turned).name == "t_in_order"
    assert any("t_in_order[i * 2 + j] = x[i + j * 3];" in line for line in writer.lines)
