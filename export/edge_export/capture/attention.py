"""Attention in the steps that torch computes it in.

torch's own ONNX exporter knows only attention with heads. If a mask leaves nothing to attend to, its file attends to
everything, or gives NaN; torch gives zeros.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, fx
from torch.export import ExportedProgram


@contextlib.contextmanager
def without_fast_path() -> Iterator[None]:
    """In here Transformer layers compute as in training, and as torch.export captures them.

    Their fast path, which torch takes only in evaluation mode, gives zeros for what is padded.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def any_layout(exported: ExportedProgram) -> Iterator[None]:
    """In here `exported` copies what it cannot view: attention in steps lays out its result differently in memory."""
    view, reshape = torch.ops.aten.view.default, torch.ops.aten.reshape.default
    graphs = [part.graph for part in exported.graph_module.modules() if isinstance(part, fx.GraphModule)]
    views = [node for graph in graphs for node in graph.nodes if node.target is view]
    for node in views:
        node.target = reshape
    try:
        yield
    finally:
        for node in views:
            node.target = view


def attention_in_steps(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The result of torch's scaled_dot_product_attention, as a softmax between products."""
    if enable_gqa:
        heads = query.size(-3)
        key = key.repeat_interleave(heads // key.size(-3), -3)
        value = value.repeat_interleave(heads // value.size(-3), -3)
    if is_causal:
        # Compared, since ONNX Runtime 1.17 and 1.18 have no kernel for the triangle of a boolean matrix.
        attn_mask = torch.arange(query.size(-2))[:, None] >= torch.arange(key.size(-2))
    scores = query * (query.size(-1) ** -0.5 if scale is None else scale) @ key.transpose(-2, -1)
    if attn_mask is None:
        return torch.dropout(scores.softmax(-1), dropout_p, dropout_p > 0) @ value
    scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    nothing = (scores == -torch.inf).all(-1, keepdim=True)
    weights = scores.softmax(-1).masked_fill(nothing, 0.0)
    return torch.dropout(weights, dropout_p, dropout_p > 0) @ value
