"""model.pt: a plain state_dict, with the signature in its metadata.

Exactly what `torch.save(model.state_dict(), "model.pt")` writes, so that anybody's class with the same attributes loads
it, and what anybody's script saved that way can be loaded here. Nothing is unpickled but tensors and plain types.
"""

import io
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from edge_runtime.errors import InvalidModel
from edge_train.errors import CheckpointError
from edge_train.files import write_files
from edge_train.network import NeuralNet

_KEYS = {"linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"}
_STANDARDIZE_KEYS = {"standardize.mean", "standardize.scale"}


def save_checkpoint(model: NeuralNet, path: Path) -> None:
    """Write the state_dict of `model` to `path`; the same weights and signature give the same bytes.

    Raises:
        CannotWrite: it cannot be written there; an earlier file stays as it was.
    """
    # Into memory first: given a path, torch.save puts the file's name into its content.
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    write_files({path: content.getvalue()})


def load_checkpoint(path: Path) -> NeuralNet:
    """The network in `path`, in evaluation mode on the CPU; its sizes follow from the shapes of the weights.

    Raises:
        CheckpointError: there is no such file, or it is not the state_dict of a `NeuralNet` in finite float32.
    """
    state = _read(path)
    _check(state, path)
    hidden_size, input_size = state["linear_1.weight"].shape
    model = NeuralNet(input_size, hidden_size, standardize=set(state) >= _STANDARDIZE_KEYS)
    try:
        model.load_state_dict(state)
    except InvalidModel as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # shapes that do not fit, or metadata that is none
        raise CheckpointError(f"{path} does not fit NeuralNet: {error}") from error
    if len(model.signature.features) != input_size:
        raise CheckpointError(
            f"{path}: its signature names {len(model.signature.features)} features, its weights take {input_size}"
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


def _check(state: Mapping[str, Tensor], path: Path) -> None:
    keys = set(state)
    expected = _KEYS | (_STANDARDIZE_KEYS if keys & _STANDARDIZE_KEYS else set())
    if keys != expected:
        found = ", ".join(sorted(map(str, keys))[:8]) or "nothing"
        raise CheckpointError(
            f"{path} is not the state_dict of a NeuralNet: {sorted(expected)} expected, found {found}"
        )
    for key, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32:
            found = str(tensor.dtype) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise CheckpointError(f"{path}: {key} is {found}; save the state_dict of model.float()")
        if tensor.layout != torch.strided or tensor.is_meta:
            raise CheckpointError(f"{path}: {key} is a sparse or meta tensor; save it as a dense one")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {key} holds NaN or infinity; train again with a lower learning rate")
    if "standardize.scale" in state and not (state["standardize.scale"] > 0).all():
        raise CheckpointError(f"{path}: standardize.scale is not positive")
    first = state["linear_1.weight"]
    if first.ndim != 2 or not first.numel() or state["linear_2.weight"].shape[:1] != (1,):
        shapes = f"{list(first.shape)} and {list(state['linear_2.weight'].shape)}"
        raise CheckpointError(f"{path}: the weights have the shapes {shapes}; (hidden, input) and (1, hidden) expected")
