"""model.pt: a plain state_dict, with the signature in its metadata.

Exactly what `torch.save(model.state_dict(), "model.pt")` writes, so that anybody's class with the same attributes loads
it, and what anybody's script saved that way can be loaded here. Nothing is unpickled but tensors and plain types.
"""

import io
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_runtime.contract.atomic_files import write_files
from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.metadata_keys import CHECKPOINT_SIGNATURE_KEY
from edge_runtime.contract.signature import Signature
from edge_train.errors import CheckpointError
from edge_train.networks.base import Network
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.table_net import TableNet

_KEYS = {"linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"}
_LAYER = re.compile(r"layers\.(\d+)\.weight")
_CATEGORIES = re.compile(r"categories\.(\d+)\.weight")


def save_checkpoint(model: Network, path: Path) -> None:
    """Write the state_dict of `model` to `path`.

    Raises:
        CannotWrite: it cannot be written there; an earlier file stays as it was.
    """
    write_files({path: checkpoint_bytes(model)})


def checkpoint_bytes(model: Network) -> bytes:
    """What `save_checkpoint` writes; the same weights and signature give the same bytes."""
    # Into memory: given a path, torch.save puts the file's name into its content.
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return content.getvalue()


def load_checkpoint(path: Path) -> Network:
    """The network in `path`, in evaluation mode on the CPU; its sizes follow from the shapes of the weights.

    Raises:
        CheckpointError: there is no such file, or it is not the state_dict of a `NeuralNet` or a `TableNet` in finite
            float32.
    """
    state = _read(path)
    _check_keys(state, path)
    _check_tensors(state, path)
    try:
        model = _neural_net(state, path) if set(state) == _KEYS else _table_net(state, path)
        model.load_state_dict(state)
    except CheckpointError:
        raise
    except InvalidModel as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # shapes that do not fit, or metadata that is none
        raise CheckpointError(f"{path} does not fit its network: {' '.join(str(error).split())[:300]}") from error
    if isinstance(model, NeuralNet) and len(model.signature.features) != model.linear_1.in_features:
        raise CheckpointError(
            f"{path}: its signature names {len(model.signature.features)} features, its weights take "
            f"{model.linear_1.in_features}"
        )
    return model.eval()


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how odd the file is, which the error will say
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is no state_dict that can be read without running code from it; "
            "save it with torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:  # bytes that are no checkpoint end in whatever the unpickler stumbles over
        raise CheckpointError(
            f"{path} is not a checkpoint, or a damaged one; save one with torch.save(model.state_dict(), ...)"
        ) from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{path} holds no state_dict; save it with torch.save(model.state_dict(), ...)")
    return state


def _neural_net(state: Mapping[str, Tensor], path: Path) -> NeuralNet:
    first, second = state["linear_1.weight"], state["linear_2.weight"]
    if first.ndim != 2 or not first.numel() or second.shape[:1] != (1,):
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise CheckpointError(f"{path}: the weights have the shapes {shapes}; (hidden, input) and (1, hidden) expected")
    return NeuralNet(first.shape[1], first.shape[0])


def _table_net(state: Mapping[str, Tensor], path: Path) -> TableNet:
    layers, categories = _in_order(_LAYER, state), _in_order(_CATEGORIES, state)
    if "numbers.scale" in state and not (state["numbers.scale"] > 0).all():
        raise CheckpointError(f"{path}: numbers.scale is not positive")
    hidden = [layer.shape[0] for layer in layers[:-1]]
    return TableNet(Signature.from_dict(_signature(state)), hidden, [points.shape[1] for points in categories])


def _signature(state: Mapping[str, Tensor]) -> Any:
    return getattr(state, "_metadata", {}).get("", {}).get(CHECKPOINT_SIGNATURE_KEY)


def _check_keys(state: Mapping[str, Tensor], path: Path) -> None:
    is_table_net = _signature(state) is not None and any(_LAYER.fullmatch(str(key)) for key in state)
    if set(state) != _KEYS and not is_table_net:
        found = ", ".join(sorted(map(str, state))[:8]) or "nothing"
        raise CheckpointError(
            f"{path} is not the state_dict of a NeuralNet or a TableNet: {sorted(_KEYS)} expected, found {found}"
        )


def _in_order(key: re.Pattern[str], state: Mapping[str, Tensor]) -> list[Tensor]:
    found = {int(match[1]): tensor for name, tensor in state.items() if (match := key.fullmatch(name))}
    return [found[place] for place in sorted(found)]


def _check_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    for key, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32:
            found = str(tensor.dtype) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise CheckpointError(f"{path}: {key} is {found}; save the state_dict of model.float()")
        if tensor.layout != torch.strided or tensor.is_meta:
            raise CheckpointError(f"{path}: {key} is a sparse or meta tensor; save it as a dense one")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {key} holds NaN or infinity; train again with a lower learning rate")
