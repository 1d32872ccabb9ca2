"""LSTM, GRU and max_pool1d along an axis of any length, which torch.export would fix."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from layers import assert_same, in_file, refusal, rows
from torch import nn

from edge_export.capture.capture import capture
from edge_export.capture.recurrent import _max_pool1d, any_length

RECURRENT: dict[str, Callable[[], nn.Module]] = {
    "LSTM": partial(nn.LSTM, 3, 2, batch_first=True),
    "GRU": partial(nn.GRU, 3, 2, batch_first=True),
    "two directions": partial(nn.LSTM, 3, 2, num_layers=2, bidirectional=True, batch_first=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECURRENT)
def test_any_length(name: str) -> None:
    torch.manual_seed(0)
    program = capture(RECURRENT[name](), rows(2, 5, 3), {"input": ("batch", "length")})
    assert program.dimensions == {"batch": (1, None), "length": (1, None)}
    run = in_file(program)
    for count, length in ((1, 1), (3, 9)):
        tensors = {"input": rows(count, length, 3).numpy()}
        assert_same(run(tensors), program.run(tensors))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation", "ceil_mode"),
    [(3, (), 0, 1, False), ((3,), (2,), (1,), (2,), True), (2, 3, 1, 1, False), (3, None, 0, 1, True)],
)
def test_max_pool1d_by_max_pool2d(
    kernel: int | list[int],
    stride: int | list[int],
    padding: int | list[int],
    dilation: int | list[int],
    ceil_mode: bool,
) -> None:
    for x in (rows(2, 3, 11), rows(3, 11)):
        expected = F.max_pool1d(x, kernel, stride or None, padding, dilation, ceil_mode)
        assert torch.equal(_max_pool1d(x, kernel, stride or (), padding, dilation, ceil_mode), expected)


def test_projections_are_written_step_by_step() -> None:
    torch.manual_seed(0)
    module = nn.LSTM(3, 5, num_layers=2, proj_size=2, bidirectional=True, batch_first=True)
    program = capture(module, rows(2, 4, 3))
    run = in_file(program)
    for count in (1, 3):
        tensors = {"input": rows(count, 4, 3).numpy()}
        assert_same(run(tensors), program.run(tensors))


def test_projections_along_any_length_are_refused() -> None:
    module = nn.LSTM(3, 5, proj_size=2, batch_first=True)
    message = refusal(module, rows(2, 4, 3), {"input": ("batch", "length")})
    assert message.startswith("an LSTM with proj_size is written step by step")
    assert "give that axis no name in --dynamic" in message


def test_pooling_along_any_length() -> None:
    program = capture(nn.MaxPool1d(3, 2, padding=1, ceil_mode=True), rows(2, 3, 20), {"input": ("batch", None, "n")})
    assert program.dimensions == {"batch": (1, None), "n": (1, None)}


def test_torch_is_left_as_it_was() -> None:
    kernels = torch.ops.aten.max_pool1d.default.py_kernels
    before = dict(kernels)

    def fails() -> None:
        with any_length():
            assert kernels != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert kernels == before
    x = rows(2, 3, 6)
    np.testing.assert_array_equal(F.max_pool1d(x, 2), F.max_pool2d(x.unsqueeze(-2), (1, 2)).squeeze(-2))
