"""The network of the example: two linear layers."""

from torch import Tensor, nn

from edge_runtime.contract.labels import Label
from edge_runtime.contract.signature import Feature, Input, Signature, default_features
from edge_train.networks.base import Network


class NeuralNet(Network):
    """Two linear layers with a ReLU between them, and a sigmoid.

    The state_dict has the keys linear_1.weight, linear_1.bias, linear_2.weight and linear_2.bias and no others, so that
    any class with these two attributes loads it. Unless training or a checkpoint sets another signature, the features
    are x1, x2, ... and the labels 0 and 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        """Make an untrained network of `input_size` features and `hidden_size` hidden units."""
        super().__init__(network_signature(default_features(input_size), (0, 1)))
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.linear_2 = nn.Linear(hidden_size, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The probability of label 1, float32 of shape (batch, 1).

        Args:
            x: the rows, float32 of shape (batch, input_size).
        """
        return self.sigmoid(self.linear_2(self.relu(self.linear_1(x))))  # type: ignore[no-any-return]

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """The binary cross-entropy in nats; see `Network.loss`."""
        (x,) = inputs
        return nn.functional.binary_cross_entropy(self(x).squeeze(1), target, weight)


def network_signature(features: tuple[Feature, ...], labels: tuple[Label, Label]) -> Signature:
    """The signature of a `NeuralNet`, whose forward takes `x` and returns the probability of `labels[1]`."""
    return Signature(inputs=(Input("x", features),), output="probability", labels=labels)
