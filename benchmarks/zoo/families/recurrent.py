"""Recurrent networks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, floats, together, tokens


class LastState(nn.Module):
    """A recurrent layer and a linear one on its last output, as tutorials have it."""

    def __init__(self, layer: Callable[..., nn.Module], bidirectional: bool = False, layers: int = 1) -> None:
        super().__init__()
        self.recurrent = layer(6, 16, num_layers=layers, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(32 if bidirectional else 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (rows, 3)."""
        outputs, _ = self.recurrent(x)
        return self.head(outputs[:, -1])


class Tagger(nn.Module):
    """Embeddings, a bidirectional LSTM of two layers, a label for each word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(200, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 24, num_layers=2, bidirectional=True, dropout=0.3)
        self.head = nn.Linear(48, 5)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of shape (rows, length, 5)."""
        outputs, _ = self.lstm(self.embedding(ids).transpose(0, 1))
        return self.head(outputs.transpose(0, 1))


class Seq2Seq(nn.Module):
    """An encoder, and a decoder that looks at all of its states: Bahdanau's attention, teacher-forced."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(100, width), nn.Embedding(120, width)
        self.encoder = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.cell = nn.GRUCell(3 * width, width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.energy, self.head = nn.Linear(width, 1), nn.Linear(width, 120)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits of shape (rows, length of the target, 120)."""
        states, last = self.encoder(self.source(source))
        hidden, keys = last[0], self.key(states)
        words = []
        for step in range(target.shape[1]):
            weights = self.energy((self.query(hidden)[:, None] + keys).tanh()).softmax(1)
            context = (weights * states).sum(1)
            hidden = self.cell(torch.cat([self.target(target[:, step]), context], dim=1), hidden)
            words.append(self.head(hidden))
        return torch.stack(words, dim=1)


class Stepwise(nn.Module):
    """One step of an LSTM, whose states the caller keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 12, batch_first=True), nn.Linear(12, 2)

    def forward(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs of shape (rows, 2), and both states of shape (rows, 12)."""
        outputs, (hidden, cell) = self.lstm(x[:, None], (hidden[None], cell[None]))
        return self.head(outputs[:, 0]), hidden[0], cell[0]


class CrnnReader(nn.Module):
    """Convolutions, then a bidirectional LSTM along the line: text in images, for CTC."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d((2, 1)),
            nn.AdaptiveAvgPool2d((1, None)),
        )
        self.lstm, self.head = nn.LSTM(32, 24, bidirectional=True), nn.Linear(48, 27)

    def forward(self, image: Tensor) -> Tensor:
        """Logarithms of probabilities, of shape (rows, steps, 27)."""
        steps = self.features(image)[:, :, 0].permute(2, 0, 1)
        outputs, _ = self.lstm(steps)
        return self.head(outputs).log_softmax(-1).transpose(0, 1)


class ConvLSTM(nn.Module):
    """A convolutional LSTM over the frames of a short film."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.gates, self.head = nn.Conv2d(1 + width, 4 * width, 3, padding=1), nn.Conv2d(width, 1, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """The frame that follows, of shape (rows, 1, height, width)."""
        rows, steps, _, height, width = frames.shape
        hidden = frames.new_zeros(rows, self.width, height, width)
        cell = torch.zeros_like(hidden)
        for step in range(steps):
            gates = self.gates(torch.cat([frames[:, step], hidden], dim=1))
            enter, forget, leave, new = gates.chunk(4, dim=1)
            cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
            hidden = leave.sigmoid() * cell.tanh()
        return self.head(hidden)


NETWORKS = [
    Network("lstm", lambda: LastState(nn.LSTM), floats(12, 6)),
    Network("gru", lambda: LastState(nn.GRU), floats(12, 6)),
    Network("rnn_tanh", lambda: LastState(nn.RNN), floats(12, 6)),
    Network("lstm_bidirectional", lambda: LastState(nn.LSTM, True, 2), floats(12, 6)),
    Network("gru_bidirectional", lambda: LastState(nn.GRU, True, 2), floats(12, 6)),
    Network("lstm_tagger", Tagger, tokens(200, 14)),
    Network("seq2seq", Seq2Seq, together(tokens(100, 9), tokens(120, 7))),
    Network("lstm_step", Stepwise, together(floats(4), floats(12), floats(12))),
    Network("crnn", CrnnReader, floats(1, 32, 64)),
    Network("convlstm", ConvLSTM, floats(4, 1, 16, 16)),
]
