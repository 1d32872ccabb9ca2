"""Attention in the steps that torch computes it in, also where a mask leaves nothing to attend to."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from layers import in_file, layer
from torch import Tensor, nn
from torch.export import Dim

from edge_export.capture.attention import attention_in_steps, without_fast_path
from edge_export.capture.capture import adopt, capture


def tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def some(*shape: int) -> Tensor:
    """A mask that leaves something to the second row, and nothing to the first."""
    mask = tensor(*shape) > 0
    mask[..., 0, :] = False
    mask[..., 1, 0] = True
    return mask


@pytest.mark.parametrize(
    ("shapes", "options"),
    [
        (((2, 5, 4), (2, 6, 4)), {}),
        (((2, 3, 5, 4), (2, 3, 6, 4)), {"scale": 0.3}),
        (((2, 3, 5, 4), (2, 3, 6, 4)), {"is_causal": True}),
        (((2, 3, 6, 4), (2, 3, 5, 4)), {"is_causal": True}),
        (((2, 5, 4), (2, 6, 4)), {"attn_mask": some(2, 5, 6)}),
        (((2, 3, 5, 4), (2, 3, 6, 4)), {"attn_mask": some(5, 6)}),
        (((2, 3, 5, 4), (2, 3, 6, 4)), {"attn_mask": tensor(2, 1, 5, 6)}),
        (((2, 3, 5, 4), (2, 3, 6, 4)), {"attn_mask": torch.zeros(5, 6).masked_fill(~some(5, 6), -torch.inf)}),
        (((2, 4, 5, 4), (2, 2, 6, 4)), {"enable_gqa": True}),
    ],
)
def test_the_steps_give_what_torch_gives(shapes: Any, options: dict[str, Any]) -> None:
    query, key, value = tensor(*shapes[0]), tensor(*shapes[1], seed=1), tensor(*shapes[1], seed=2)
    expected = F.scaled_dot_product_attention(query, key, value, **options)
    found = attention_in_steps(query, key, value, **options)
    torch.testing.assert_close(found, expected)
    assert not torch.isnan(found).any()


def attend(self: object, query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, key, attn_mask=mask)


def test_a_mask_that_leaves_nothing_in_a_file() -> None:
    """torch gives zeros there, and torch's own ONNX exporter NaN."""
    tensors = (tensor(3, 4, 8), tensor(3, 5, 8, seed=1), some(3, 4, 5))
    program = capture(layer(attend), tensors)
    (found,) = in_file(program)(program.example).values()
    np.testing.assert_allclose(found, attend(None, *tensors).numpy(), atol=1e-6)
    assert (found[:, 0] == 0).all()


class Encoder(nn.Module):
    """Padding and a mask, as Transformers take them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

    def forward(self, sequence: Tensor, padding: Tensor) -> Any:
        length = sequence.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool).triu(1)
        return self.encoder(sequence, mask=mask, src_key_padding_mask=padding, is_causal=True)


@pytest.mark.slow
@pytest.mark.parametrize("saved", [False, True])
def test_an_encoder_with_padding(saved: bool) -> None:
    module = Encoder().eval()
    example = (tensor(3, 5, 8), torch.arange(5) >= torch.tensor([[5], [3], [0]]))
    if saved:
        program = adopt(torch.export.export(module, example, dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},) * 2))
    else:
        axes = ("batch", "length")
        program = capture(module, example, {"sequence": axes, "padding": axes})
    run = in_file(program)
    for batch, length, seed in ((3, 5, 0), (1, 1, 1), (2, 9, 2)):
        sequence = tensor(batch, length, 8, seed=seed)
        padding = torch.arange(length) >= torch.arange(batch)[:, None] * 3
        # With gradients torch takes no fast path; the values at padded places are those of training then.
        expected = module(sequence, padding).detach().numpy()
        tensors = {"sequence": sequence.numpy(), "padding": padding.numpy()}
        np.testing.assert_allclose(program.run(tensors)["output"], expected, atol=1e-5)
        np.testing.assert_allclose(run(tensors)["output"], expected, atol=1e-5)


def test_torch_is_left_as_it_was() -> None:
    def fails() -> None:
        with without_fast_path():
            assert not torch.backends.mha.get_fastpath_enabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert torch.backends.mha.get_fastpath_enabled()


class Viewed(nn.Module):
    """Views the result of attention, as torch's kernel lays it out in memory."""

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        heads = x.view(batch, length, 2, width // 2).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads).transpose(1, 2).view(batch, length, width)


def test_a_view_of_the_result() -> None:
    program = capture(Viewed(), tensor(3, 6, 8), {"x": ("batch", "length")})
    run = in_file(program)
    for shape in [(1, 1, 8), (2, 9, 8)]:
        tensors = {"x": tensor(*shape).numpy()}
        expected = program.run(tensors)["output"]
        np.testing.assert_allclose(program.run_captured(tensors)["output"], expected, atol=1e-6)
        np.testing.assert_allclose(run(tensors)["output"], expected, atol=1e-6)
