"""A function of the user's that draws inputs, and mistakes in it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.inputs.own_sampler import own_sampler


@pytest.fixture(scope="module")
def program() -> Program:
    inputs = (rows(4, 3), torch.ones(4).long(), torch.ones(4, 6).long())
    dynamic = {"ids": ("batch", "length")}
    return capture(layer(lambda self, x, n, ids: x * n[:, None] + ids.sum(1, keepdim=True)), inputs, dynamic)


def drawn(program: Program, draw: Callable[..., Any], rows: int = 5) -> Any:
    return own_sampler(draw, program)(np.random.default_rng(0), rows)


def test_what_fits_is_as_the_program_takes_it(program: Program) -> None:
    found = drawn(
        program, lambda random, rows: {"n": random.integers(1, 9, rows).astype(np.int32), "x": [[1, 2, 3]] * rows}
    )
    assert list(found) == ["x", "n"]
    assert (found["n"].dtype, found["n"].shape) == (np.int64, (5,))
    assert (found["x"].dtype, found["x"].shape) == (np.float32, (5, 3))
    assert drawn(program, lambda random, rows: {"ids": np.ones((rows, 9), np.int64)})["ids"].shape == (5, 9)
    assert drawn(program, lambda random, rows: {}) == {}


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda random, rows: 1 / 0, "sampler fails for 5 rows: ZeroDivisionError"),
        (lambda random: {}, "sampler fails for 5 rows: TypeError"),
        (lambda random, rows: None, "sampler returns NoneType; a dict of arrays by input is needed"),
        (lambda random, rows: [1], "sampler returns list; a dict of arrays by input is needed"),
        (
            lambda random, rows: {"m": np.ones(rows)},
            "sampler returns m, which is not an input; the inputs are x, n, ids",
        ),
        (lambda random, rows: {"n": np.ones(rows)}, "sampler: n is float64; int64 is needed"),
        (lambda random, rows: {"n": np.ones((rows, 2), int)}, "sampler: n has the shape [5, 2]; [batch] is needed"),
        (lambda random, rows: {"x": np.ones((rows, 4))}, "sampler: x has the shape [5, 4]; [batch, 3] is needed"),
        (lambda random, rows: {"n": np.ones(4, int)}, "sampler returns 4 rows of n when it is asked for 5"),
        (
            lambda random, rows: {"n": np.ones(rows, int), "x": np.ones((3, 3))},
            "sampler: batch is 3 in one array and 5 in n",
        ),
        (lambda random, rows: {"ids": np.ones((rows, 0), int)}, "sampler is empty along length"),
    ],
)
def test_mistakes(program: Program, draw: Callable[..., Any], message: str) -> None:
    with pytest.raises(ExportError) as raised:
        drawn(program, draw)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
