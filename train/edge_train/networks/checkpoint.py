"""model.pt: a plain state_dict, with the signature in its metadata.

It is exactly what `torch.save(model.state_dict(), "model.pt")` writes. Any class with the same attributes loads it, and
what any script saved that way can be loaded here. Only tensors and plain types are unpickled.
"""

import io
import pickle
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edge_runtime.contract.atomic_files import write_files
from edge_runtime.contract.errors import InvalidModel
from edge_runtime.contract.limits import DEFAULTS, Limits
from edge_runtime.contract.metadata_keys import CHECKPOINT_SIGNATURE_KEY
from edge_runtime.contract.signature import Signature
from edge_runtime.contract.terminal import one_line, unreadable
from edge_train.errors import CheckpointError, UnknownNetwork
from edge_train.networks.base import Network
from edge_train.networks.neural_net import NeuralNet
from edge_train.networks.table_net import TableNet
from edge_train.networks.torch_files import check_file, check_tensors

_KEYS = {"linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias"}
_LAYER = re.compile(r"layers\.(\d+)\.weight")
_LAYER_BIAS = re.compile(r"layers\.(\d+)\.bias")
_EMBEDDING = re.compile(r"embeddings\.(\d+)\.weight")
_DEVIATIONS = ("numeric.standard_deviation", "dates.numbers.standard_deviation")
# Those that are not float32: seconds, which columns of the calendar are taken, and whose bins there are.
_TYPES = {"dates.origin": torch.int64, "dates.varies": torch.bool, "numeric.bins.column": torch.int64}


def save_checkpoint(model: Network, path: Path) -> None:
    """Write the state_dict of `model` to `path`.

    Raises:
        CannotWrite: the file cannot be written; an earlier file stays as it was.
    """
    write_files({path: checkpoint_bytes(model)})


def checkpoint_bytes(model: Network) -> bytes:
    """The content that `save_checkpoint` writes; the same weights and signature give the same bytes."""
    # In memory: given a path, torch.save writes the file's name into the file.
    content = io.BytesIO()
    torch.save(model.state_dict(), content)
    return content.getvalue()


def load_checkpoint(path: Path, limits: Limits = DEFAULTS) -> Network:
    """The network in the file at `path`, in evaluation mode on the CPU.

    The shapes of the weights give its sizes.

    Raises:
        UnknownNetwork: it is not the state_dict of a `NeuralNet` or a `TableNet`.
        CheckpointError: the file does not exist, is not a state_dict, is beyond `limits`, or its weights are not finite
            float32 numbers.
    """
    state = _read(path, limits)
    _check_keys(state, path)
    _check_tensors(state, path)
    _with_members(state)
    try:
        model = _neural_net(state, path) if set(state) == _KEYS else _table_net(state, path)
        model.load_state_dict(state)
    except CheckpointError:
        raise
    except InvalidModel as error:
        raise CheckpointError(f"{path}: {error}") from error
    except Exception as error:  # shapes that do not fit, or metadata of another form
        raise CheckpointError(f"{path} does not fit its network: {one_line(error)[:300]}") from error
    if isinstance(model, NeuralNet) and len(model.signature.features) != model.linear_1.in_features:
        raise CheckpointError(
            f"{path}: its signature has {len(model.signature.features)} features, but its weights take "
            f"{model.linear_1.in_features}"
        )
    return model.eval()


def _read(path: Path, limits: Limits) -> MutableMapping[str, Tensor]:
    try:
        most = check_file(path, limits)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says what is wrong with the file
            state = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(unreadable(path, error)) from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} cannot be read without running code that is in it; save a state_dict with "
            "torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:  # the unpickler raises anything on bytes that are not a checkpoint
        raise CheckpointError(
            f"{path} is not a checkpoint, or a damaged one; save one with torch.save(model.state_dict(), ...)"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} does not hold a state_dict; save one with torch.save(model.state_dict(), ...)")
    # A file can give a dictionary attributes of any kind, which hide its methods.
    plain = OrderedDict(dict.items(state))
    check_tensors(path, plain.values(), most)
    if isinstance(metadata := getattr(state, "_metadata", None), dict):
        vars(plain)["_metadata"] = {name: one for name, one in dict.items(metadata) if isinstance(one, dict)}
    return plain


def _neural_net(state: Mapping[str, Tensor], path: Path) -> NeuralNet:
    first, second = state["linear_1.weight"], state["linear_2.weight"]
    if first.ndim != 2 or not first.numel() or second.shape[:1] != (1,):
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise CheckpointError(f"{path}: the weights have the shapes {shapes}, not (hidden, input) and (1, hidden)")
    return NeuralNet(first.shape[1], first.shape[0])


def _table_net(state: Mapping[str, Tensor], path: Path) -> TableNet:
    layers, embeddings = _in_order(_LAYER, state), _in_order(_EMBEDDING, state)
    for key in _DEVIATIONS:
        if key in state and not (state[key] > 0).all():
            raise CheckpointError(f"{path}: {key} is not positive")
    signature, bins = Signature.from_dict(_signature(state)), state.get("numeric.bins.column")
    numbers = next((one.feature_count for one in signature.inputs if not (one.holds_strings or one.holds_dates)), 0)
    if bins is not None and not ((bins >= 0) & (bins < numbers)).all():
        raise CheckpointError(f"{path} does not fit its network: a bin is of a column that its signature does not have")
    if not len(layers[0]):
        raise CheckpointError(f"{path} does not fit its network, which has no members")
    return TableNet(
        signature,
        [layer.shape[2] for layer in layers[:-1]],
        [vectors.shape[-1] for vectors in embeddings],
        varies=state.get("dates.varies"),
        members=len(layers[0]),
        bins=bins,
        scaled="scale.weight" in state,
    )


def _with_members(state: MutableMapping[str, Tensor]) -> None:
    """Give the weights of a file from before networks had members the shapes of one member's."""
    for key, value in state.items():
        if _LAYER.fullmatch(key) and value.ndim == 2:
            state[key] = value.t()[None].contiguous()
        elif _LAYER_BIAS.fullmatch(key) and value.ndim == 1:
            state[key] = value[None, None]
        elif _EMBEDDING.fullmatch(key) and value.ndim == 2 and value.shape[0] != value.shape[1]:
            state[key] = value[None]


def _signature(state: Mapping[str, Tensor]) -> Any:
    return getattr(state, "_metadata", {}).get("", {}).get(CHECKPOINT_SIGNATURE_KEY)


def _check_keys(state: Mapping[str, Tensor], path: Path) -> None:
    is_table_net = _signature(state) is not None and any(_LAYER.fullmatch(str(key)) for key in state)
    if set(state) != _KEYS and not is_table_net:
        found = ", ".join(sorted(map(str, state))[:8]) or "nothing"
        raise UnknownNetwork(
            f"{path} is not the state_dict of a NeuralNet or a TableNet; it should have the keys "
            f"{', '.join(sorted(_KEYS))}, but has {found}"
        )


def _in_order(key: re.Pattern[str], state: Mapping[str, Tensor]) -> list[Tensor]:
    found = {int(match[1]): tensor for name, tensor in state.items() if (match := key.fullmatch(name))}
    return [found[place] for place in sorted(found)]


def _check_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    for key, tensor in state.items():
        wanted = _TYPES.get(key, torch.float32)
        if not isinstance(tensor, Tensor) or tensor.dtype != wanted:
            found = str(tensor.dtype) if isinstance(tensor, Tensor) else type(tensor).__name__
            raise CheckpointError(f"{path}: {key} is {found}, not {wanted}; save the state_dict of model.float()")
        if tensor.layout != torch.strided or tensor.is_meta:
            raise CheckpointError(f"{path}: {key} is a sparse or meta tensor; save it as a dense one")
        if not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {key} has NaN or infinity in it; train again with a lower learning rate")
