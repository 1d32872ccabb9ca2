"""What all networks have in common: a signature, which their state_dict carries, and a loss."""

from typing import Any

from torch import Tensor, nn

from edge_runtime.contract.metadata_keys import CHECKPOINT_DATA_KEY, CHECKPOINT_SIGNATURE_KEY
from edge_runtime.contract.signature import Signature


class Network(nn.Module):
    """A module whose state_dict says what its features and labels are.

    Attributes:
        signature: the inputs and outputs; the state_dict's metadata carries it.
        data_sha256: the SHA-256 of the rows that the network was trained on, None if not known; carried likewise.
        members: how many networks it averages, which are trained at once.
    """

    members = 1

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.signature = signature
        self.data_sha256: str | None = None
        self.register_state_dict_post_hook(_write_metadata)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_read_metadata)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        features, size = len(self.signature.features), sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({self.signature.task}, {features:,} features, {size:,} parameters)"

    @property
    def dropout_widths(self) -> tuple[int, ...]:
        """The widths of the layers that dropout applies to, in the order in which `loss` takes their masks."""
        return ()

    def prepare(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """What `loss` takes of rows: all that no parameter changes, which training computes for many rows at once.

        Args:
            inputs: the tensors of the signature's inputs, in their order.

        Returns:
            A tensor for each of them, with the same rows; what it says of a row depends on that row alone.
        """
        return inputs

    def loss(
        self, inputs: tuple[Tensor, ...], target: Tensor, weight: Tensor | None, masks: tuple[Tensor, ...]
    ) -> Tensor:
        """The mean loss over rows, which training makes small, a float32 scalar: the sum of all members'.

        Args:
            inputs: what `prepare` returned.
            target: shape (rows,), as `Part.target`; or to learn what another network answers, its values or
                probabilities of `labels[1]`, float32 of shape (rows,), or of each of more classes, (rows, classes);
                or its values and the scales of their errors, (rows, 2).
            weight: of each row, float32 of shape (rows,), or of each row to each member, of shape (rows, members); None
                if all count the same.
            masks: of dropout: what the values of each of these layers are multiplied by, float32 of shape
                (rows, width); none outside training, or without dropout.
        """
        raise NotImplementedError


def _write_metadata(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
    local_metadata[CHECKPOINT_SIGNATURE_KEY] = module.signature.to_dict()
    if module.data_sha256 is not None:
        local_metadata[CHECKPOINT_DATA_KEY] = module.data_sha256


def _read_metadata(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
    if CHECKPOINT_SIGNATURE_KEY in local_metadata:
        module.signature = Signature.from_dict(local_metadata[CHECKPOINT_SIGNATURE_KEY])
    if isinstance(data_sha256 := local_metadata.get(CHECKPOINT_DATA_KEY), str):
        module.data_sha256 = data_sha256
