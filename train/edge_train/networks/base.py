"""The network of the example, and what all networks have in common."""

from typing import Any

from torch import Tensor, nn

from edge_runtime.contract.metadata_keys import CHECKPOINT_DATA_KEY, CHECKPOINT_SIGNATURE_KEY
from edge_runtime.contract.signature import Signature


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


def _write_signature(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
    local_metadata[CHECKPOINT_SIGNATURE_KEY] = module.signature.to_dict()
    if module.data_sha256 is not None:
        local_metadata[CHECKPOINT_DATA_KEY] = module.data_sha256


def _read_signature(module: Network, state: Any, prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
    if CHECKPOINT_SIGNATURE_KEY in local_metadata:
        module.signature = Signature.from_dict(local_metadata[CHECKPOINT_SIGNATURE_KEY])
    if isinstance(data_sha256 := local_metadata.get(CHECKPOINT_DATA_KEY), str):
        module.data_sha256 = data_sha256
