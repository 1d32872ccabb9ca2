"""A user's own class, without this project, with the same four attributes."""

import torch
from torch import nn


class PlainNet(nn.Module):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.linear_2 = nn.Linear(hidden_size, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        probability: torch.Tensor = self.sigmoid(self.linear_2(self.relu(self.linear_1(x))))
        return probability
