"""Transformers for text: transformers' own in small sizes, MiniLM in its full one."""

from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Axes, Inputs, Network, sentences, tokens
from benchmarks.zoo.packages import hugging_face

_VOCABULARY, _LENGTH = 500, 16
_BERT: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
_ANY_LENGTH: dict[str, Axes] = {"input_ids": ("batch", "length"), "attention_mask": ("batch", "length")}


def _small(
    name: str,
    config: str,
    model: str,
    inputs: Inputs | None = None,
    axes: dict[str, Axes] | None = None,
    **options: Any,
) -> Network:
    options = {"vocab_size": _VOCABULARY, **(options or _BERT)}
    given = inputs or sentences(_VOCABULARY, _LENGTH)
    return Network(name, lambda: hugging_face(config, model, **options), given, axes or {})


class MiniLM(nn.Module):
    """The sentence encoder: BERT of 22.7 million parameters, the mean of its tokens, unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = hugging_face(
            "Bert",
            "BertModel",
            vocab_size=30522,
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=12,
            intermediate_size=1536,
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Embeddings of shape (rows, 384)."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask[:, :, None].to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, dim=1)


class RotaryDecoder(nn.Module):
    """A decoder with rotary positions, grouped queries, RMS norms and SwiGLU, written as papers' code has it."""

    def __init__(self, width: int = 64, heads: int = 4, groups: int = 2, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_VOCABULARY, width)
        self.blocks = nn.ModuleList(RotaryBlock(width, heads, groups) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.head = nn.Linear(width, _VOCABULARY, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of shape (rows, length, vocabulary)."""
        hidden = self.embedding(ids)
        for block in self.blocks:
            hidden = block(hidden)
        return self.head(self.norm(hidden))


class RotaryBlock(nn.Module):
    """One layer of `RotaryDecoder`."""

    def __init__(self, width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.heads, self.groups, self.size = heads, groups, width // heads
        self.query, self.keys = (
            nn.Linear(width, width, bias=False),
            nn.Linear(width, 2 * groups * self.size, bias=False),
        )
        self.mix = nn.Linear(width, width, bias=False)
        self.before, self.behind = nn.RMSNorm(width), nn.RMSNorm(width)
        self.gate, self.up = nn.Linear(width, 2 * width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.down = nn.Linear(2 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """The shape of `x`."""
        rows, length, width = x.shape
        normal = self.before(x)
        query = self.query(normal).view(rows, length, self.heads, self.size).transpose(1, 2)
        keys, values = self.keys(normal).view(rows, length, 2 * self.groups, self.size).transpose(1, 2).chunk(2, dim=1)
        query, keys = self._turned(query), self._turned(keys)
        mixed = nn.functional.scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)
        x = x + self.mix(mixed.transpose(1, 2).reshape(rows, length, width))
        normal = self.behind(x)
        return x + self.down(nn.functional.silu(self.gate(normal)) * self.up(normal))

    def _turned(self, x: Tensor) -> Tensor:
        steps = torch.arange(0, self.size, 2, device=x.device, dtype=x.dtype) / self.size
        angles = torch.outer(torch.arange(x.shape[-2], device=x.device, dtype=x.dtype), 10000.0**-steps)
        even, odd = x[..., 0::2], x[..., 1::2]
        turned = torch.stack(
            (even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()), dim=-1
        )
        return turned.flatten(-2)


_GPT2: dict[str, Any] = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64, "use_cache": False}
_T5: dict[str, Any] = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "use_cache": False}
_LLAMA: dict[str, Any] = {**_BERT, "num_key_value_heads": 2, "use_cache": False, "max_position_embeddings": 64}

NETWORKS = [
    Network("minilm", MiniLM, sentences(30522, 32), _ANY_LENGTH),
    _small("bert", "Bert", "BertModel", axes=_ANY_LENGTH),
    _small("bert_classifier", "Bert", "BertForSequenceClassification"),
    _small("distilbert", "DistilBert", "DistilBertModel", dim=64, n_layers=2, n_heads=4, hidden_dim=128),
    _small("roberta", "Roberta", "RobertaModel"),
    _small("albert", "Albert", "AlbertModel", embedding_size=32, **_BERT),
    _small("electra", "Electra", "ElectraForTokenClassification", embedding_size=32, **_BERT),
    _small("mpnet", "MPNet", "MPNetModel"),
    _small("deberta_v2", "DebertaV2", "DebertaV2Model"),
    _small("modernbert", "ModernBert", "ModernBertModel", **_BERT, pad_token_id=0),
    _small("gpt2", "GPT2", "GPT2LMHeadModel", tokens(_VOCABULARY, _LENGTH), None, **_GPT2),
    _small("gpt2_mask", "GPT2", "GPT2LMHeadModel", None, None, **_GPT2),
    _small("t5_encoder", "T5", "T5EncoderModel", **_T5),
    _small("llama", "Llama", "LlamaForCausalLM", tokens(_VOCABULARY, _LENGTH), None, **_LLAMA),
    _small("qwen2", "Qwen2", "Qwen2ForCausalLM", **_LLAMA),
    _small("mamba", "Mamba", "MambaModel", tokens(_VOCABULARY, 8), hidden_size=32, state_size=4, num_hidden_layers=2),
    Network("rope_decoder", RotaryDecoder, tokens(_VOCABULARY, _LENGTH), {"ids": ("batch", None)}),
]
