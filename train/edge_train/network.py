"""The network of the example, and what all networks have in common."""

from typing import Any

from torch import Tensor, nn

from edge_runtime.signature import Feature, Input, Label, Signature, default_features

# Under these keys of the state_dict's metadata, where torch keeps the versions of modules, these ride along.
METADATA_KEY = "edge_predict"
DATA_KEY = "edge_predict.data_sha256"


class Network(nn.Module):
    """A module whose state_dict says what its features and labels are.

    Attributes:
        signature: stored in and read from the state_dict's metadata.
        data_sha256: of the rows that it was trained on; stored there too once it is known.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.signature = signature
        self.data_sha256: str | None = None
        self.register_state_dict_post_hook(_write_signature)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read_signature)  # type: ignore[no-untyped-call]

    @property
    def dropped(self) -> tuple[int, ...]:
        """The widths of the layers that dropout applies to, in the order in which `loss` takes their masks."""
        return ()

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """What training makes small, the mean over rows: a scalar.

        Args:
            inputs: the tensors of the signature's inputs, in their order.
            target: shape (rows,), as `Part.target`.
            weight: of each row, shape (rows,); None if all count the same.
            masks: what the dropped layers are multiplied by, each of shape (rows, width); none outside training.
        """
        raise NotImplementedError


class NeuralNet(Network):
    """Two linear layers: rows of shape (batch, input_size) to the probability of label 1, shape (batch, 1).

    The state_dict has the keys linear_1.weight, linear_1.bias, linear_2.weight and linear_2.bias and nothing else, so
    that any class with these two attributes loads it. Until training or a checkpoint gives another signature, the
    features are x1, x2, ... and the labels 0 and 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(network_signature(default_features(input_size), (0, 1)))
        self.linear_1 = nn.Linear(input_size, hidden_size)
        self.relu = nn.ReLU()
        self.linear_2 = nn.Linear(hidden_size, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """The probability of label 1, shape (batch, 1), for `x`, shape (batch, input_size)."""
        return self.sigmoid(self.linear_2(self.relu(self.linear_1(x))))  # type: ignore[no-any-return]

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """The binary cross-entropy in nats; see `Network.loss`."""
        (x,) = inputs
        return nn.functional.binary_cross_entropy(self(x).squeeze(1), target, weight)


def network_signature(features: tuple[Feature, ...], labels: tuple[Label, Label]) -> Signature:
    """The signature of a `NeuralNet`, whose forward takes `x` and gives the probability of `labels[1]`."""
    return Signature(inputs=(Input("x", features),), output="probability", labels=labels)


def _write_signature(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
    local_metadata[METADATA_KEY] = module.signature.to_dict()
    if module.data_sha256 is not None:
        local_metadata[DATA_KEY] = module.data_sha256


def _read_signature(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
    if METADATA_KEY in local_metadata:
        module.signature = Signature.from_dict(local_metadata[METADATA_KEY])
    if isinstance(data_sha256 := local_metadata.get(DATA_KEY), str):
        module.data_sha256 = data_sha256
