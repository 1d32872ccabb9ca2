"""Forecasting: networks of one's own, and transformers' in small sizes."""

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Network, floats
from benchmarks.zoo.packages import hugging_face

_PAST, _AHEAD = 48, 12


class NBeats(nn.Module):
    """Blocks that each explain a part of what the ones before left over."""

    def __init__(self, blocks: int = 4, width: int = 64) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Linear(_PAST, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()),
                nn.Linear(width, _PAST + _AHEAD),
            )
            for _ in range(blocks)
        )

    def forward(self, past: Tensor) -> Tensor:
        """Forecasts of shape (rows, ahead)."""
        forecast = past.new_zeros(past.shape[0], _AHEAD)
        for block in self.blocks:
            back, ahead = block(past).split([_PAST, _AHEAD], dim=1)
            past, forecast = past - back, forecast + ahead
        return forecast


class DLinear(nn.Module):
    """A moving average and the rest, each by one linear layer."""

    def __init__(self, kernel: int = 25) -> None:
        super().__init__()
        self.kernel, self.average = kernel, nn.AvgPool1d(kernel, stride=1)
        self.trend, self.season = nn.Linear(_PAST, _AHEAD), nn.Linear(_PAST, _AHEAD)

    def forward(self, past: Tensor) -> Tensor:
        """Forecasts of shape (rows, ahead, series)."""
        series = past.transpose(1, 2)
        side = (self.kernel - 1) // 2
        padded = torch.cat(
            [series[..., :1].expand(-1, -1, side), series, series[..., -1:].expand(-1, -1, side)], dim=-1
        )
        trend = self.average(padded)
        return (self.trend(trend) + self.season(series - trend)).transpose(1, 2)


class TCN(nn.Module):
    """Causal convolutions whose dilation doubles, with weight normalisation and shortcuts."""

    def __init__(self, width: int = 16, layers: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv1d(3, width, 1)
        self.layers = nn.ModuleList(
            nn.utils.parametrizations.weight_norm(nn.Conv1d(width, width, 3, dilation=2**i)) for i in range(layers)
        )
        self.head = nn.Linear(width, _AHEAD)

    def forward(self, past: Tensor) -> Tensor:
        """Forecasts of shape (rows, ahead)."""
        x = self.enter(past.transpose(1, 2))
        for i, layer in enumerate(self.layers):
            x = x + layer(nn.functional.pad(x, (2 * 2**i, 0))).relu()
        return self.head(x[:, :, -1])


class AutoCorrelation(nn.Module):
    """In the manner of Autoformer: trend and season apart, and the season attends to itself at the likeliest lags."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.embed, self.qkv, self.mix = nn.Linear(3, width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head, self.trend = nn.Linear(width * _PAST, _AHEAD), nn.Linear(3 * _PAST, _AHEAD)
        shift = (torch.arange(_PAST)[:, None] + torch.arange(_PAST)[None]) % _PAST
        self.register_buffer("shift", shift)

    def forward(self, past: Tensor) -> Tensor:
        """Forecasts of shape (rows, ahead)."""
        series = nn.functional.pad(past.transpose(1, 2), (6, 6), mode="replicate")
        trend = nn.functional.avg_pool1d(series, 13, stride=1).transpose(1, 2)
        x = self.embed(past - trend)
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        moved = key[:, self.shift]
        scores = (query[:, None] * moved).sum(-1).mean(-1)
        weights, lags = scores.topk(4, dim=1)
        index = (lags[:, :, None] + torch.arange(_PAST, device=past.device)) % _PAST
        rows = torch.arange(past.shape[0], device=past.device)[:, None, None]
        mixed = (value[rows, index] * weights.softmax(1)[:, :, None, None]).sum(1)
        return self.head((x + self.mix(mixed)).flatten(1)) + self.trend(trend.flatten(1))


class NHits(nn.Module):
    """Blocks at several resolutions: pooled on the way in, interpolated on the way out."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.pools = (8, 4, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(_PAST // pool, width), nn.ReLU(), nn.Linear(width, _PAST + max(1, _AHEAD // pool)))
            for pool in self.pools
        )

    def forward(self, past: Tensor) -> Tensor:
        """Forecasts of shape (rows, ahead)."""
        parts = []
        for pool, block in zip(self.pools, self.blocks, strict=True):
            pooled = nn.functional.max_pool1d(past[:, None], pool, pool)[:, 0]
            made = block(pooled)
            past = past - made[:, :_PAST]
            knots = made[:, None, _PAST:]
            parts.append(nn.functional.interpolate(knots, size=_AHEAD, mode="linear", align_corners=False)[:, 0])
        return torch.stack(parts).sum(0)


class QuantileGRN(nn.Module):
    """Gated residual networks and variable selection, as in the temporal fusion transformer, with three quantiles."""

    def __init__(self, series: int = 3, width: int = 16) -> None:
        super().__init__()
        self.select, self.embed = nn.Linear(series, series), nn.Linear(series, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.gate, self.norm = nn.Linear(width, 2 * width), nn.LayerNorm(width)
        self.head = nn.Linear(width, 3 * _AHEAD)

    def forward(self, past: Tensor) -> Tensor:
        """Quantiles of shape (rows, ahead, 3)."""
        x = self.embed(past * self.select(past).softmax(-1))
        states, _ = self.lstm(x)
        mixed, _ = self.attention(states[:, -1:], states, states, need_weights=False)
        gated = nn.functional.glu(self.gate(nn.functional.elu(mixed)), dim=-1)
        return self.head(self.norm(states[:, -1:] + gated)).reshape(-1, _AHEAD, 3)


_MODEL = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
_SERIES = {"prediction_length": 6, "context_length": 24, "lags_sequence": [1, 2, 3], "num_time_features": 2, **_MODEL}


def _with_times(rows: int) -> Arguments:
    length = 24 + 3
    return {
        "past_values": torch.randn(rows, length),
        "past_time_features": torch.randn(rows, length, 2),
        "past_observed_mask": torch.ones(rows, length),
        "future_values": torch.randn(rows, 6),
        "future_time_features": torch.randn(rows, 6, 2),
    }


_PATCHES = {
    "num_input_channels": 3,
    "context_length": _PAST,
    "prediction_length": _AHEAD,
    "patch_length": 8,
    "patch_stride": 8,
    "d_model": 16,
}

NETWORKS = [
    Network("n_beats", NBeats, floats(_PAST)),
    Network("dlinear", DLinear, floats(_PAST, 3)),
    Network("tcn", TCN, floats(_PAST, 3)),
    Network("autocorrelation", AutoCorrelation, floats(_PAST, 3)),
    Network("n_hits", NHits, floats(_PAST)),
    Network("fusion_quantiles", QuantileGRN, floats(_PAST, 3)),
    Network(
        "patchtst",
        lambda: hugging_face(
            "PatchTST",
            "PatchTSTForPrediction",
            **_PATCHES,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=32,
        ),
        floats(_PAST, 3),
    ),
    Network(
        "patchtsmixer",
        lambda: hugging_face("PatchTSMixer", "PatchTSMixerForPrediction", **_PATCHES, num_layers=2),
        floats(_PAST, 3),
    ),
    Network(
        "time_series_transformer",
        lambda: hugging_face("TimeSeriesTransformer", "TimeSeriesTransformerModel", **_SERIES, use_cache=False),
        _with_times,
    ),
    Network(
        "informer",
        lambda: hugging_face("Informer", "InformerModel", **_SERIES, attention_type="full", use_cache=False),
        _with_times,
    ),
]
