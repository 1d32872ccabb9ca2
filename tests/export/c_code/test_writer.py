"""Loops, places in arrays, and as few axes as can be."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_export.c_code.literals import Names
from edge_export.c_code.static_graph import Value
from edge_export.c_code.writer import Stored, Writer, broadcast, contiguous, merged, place

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


def test_elements_are_copied_only_if_they_are_not_in_order() -> None:
    writer = Writer(Names())
    value = Value("x", FLOAT, (2, 3))
    writer.put(value, Stored("x", (3, 1)))
    assert writer.in_order(value).name == "x"
    turned = Value("t", FLOAT, (3, 2))
    writer.put(turned, Stored("x", (1, 3)))
    assert writer.in_order(turned).name == "t_in_order"
    assert any("t_in_order[i * 2 + j] = x[i + j * 3];" in line for line in writer.lines)
