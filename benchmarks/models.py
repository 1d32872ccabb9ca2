"""The networks that are timed, as torch modules and as exported files.

    .venv/bin/python -m benchmarks.models FOLDER

exports them to FOLDER: name.onnx and name.torchscript, and name.pt with the weights. The GPU's benchmark takes such a
folder, so that the machine with the GPU needs nothing that export needs.
"""

import hashlib
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from edge_runtime import Input, Signature
from edge_runtime.contract.signature import default_features
from edge_train.networks.neural_net import NeuralNet

Array = npt.NDArray[np.float32]

CACHE = Path("build/bench")


@dataclass(frozen=True)
class Model:
    """A network to time.

    Attributes:
        name: its layers.
        row_shape: of one row, without the batch.
        make: makes the module, with weights of no use; the ones to use are in the checkpoint.
        labelled: whether the file has a signature, so that `predict_one` and `predict_proba` know it.
        floats: how many numbers one row takes in the widest place, input and output of a layer together.
        folder: where its files are.
    """

    name: str
    row_shape: tuple[int, ...]
    make: Callable[[], nn.Module]
    labelled: bool
    floats: int
    folder: Path = CACHE

    @property
    def onnx(self) -> Path:
        """The ONNX file."""
        return self.folder / f"{self.name}.onnx"

    @property
    def torchscript(self) -> Path:
        """The TorchScript file."""
        return self.folder / f"{self.name}.torchscript"

    @property
    def checkpoint(self) -> Path:
        """The weights."""
        return self.folder / f"{self.name}.pt"

    def module(self) -> nn.Module:
        """The network with its weights, in evaluation mode on the CPU."""
        module = self.make()
        module.load_state_dict(torch.load(self.checkpoint, weights_only=True))
        return module.eval()

    def rows(self, count: int) -> Array:
        """Random rows, shape (count, *row_shape), the same ones every time."""
        return np.random.default_rng(count).standard_normal((count, *self.row_shape), dtype=np.float32)


def _dense(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them and softmax behind."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1], nn.Softmax(-1))


def _convolutions() -> nn.Sequential:
    """Pictures of 28 by 28 to ten classes."""
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * 7 * 7, 10), nn.Softmax(-1)),
    )


EXAMPLE = "2-5-1"
CONVOLUTIONS = "CNN"

_MODELS = (
    Model(EXAMPLE, (2,), lambda: NeuralNet(2, 5), True, 10),
    Model("30-64-64-3", (30,), lambda: _dense(30, 64, 64, 3), True, 128),
    Model("784-512-512-10", (784,), lambda: _dense(784, 512, 512, 10), True, 1296),
    Model(CONVOLUTIONS, (1, 28, 28), _convolutions, False, 2 * 8 * 28 * 28),
)


def prepared(folder: Path | None = None) -> list[Model]:
    """The models with their files, which are exported where they are missing.

    Args:
        folder: where the files are or go; by default one that is named after the content of this file, so that
            a change of the networks makes new ones.
    """
    if folder is None:
        folder = CACHE / f"models-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    models = [Model(m.name, m.row_shape, m.make, m.labelled, m.floats, folder) for m in _MODELS]
    for model in models:
        if not (model.onnx.exists() and model.torchscript.exists() and model.checkpoint.exists()):
            print(f"exporting {model.name}", file=sys.stderr, flush=True)
            _export(model)
    return models


def _export(model: Model) -> None:
    # Whoever has the files need not have what makes them.
    from edge_export import Format, export

    torch.manual_seed(0)
    module = model.make().eval()
    signature = _signature(model, module) if model.labelled else None
    torch.save(module.state_dict(), model.checkpoint)
    rows = torch.from_numpy(model.rows(2))
    export(module, rows, model.onnx, signature=signature, formats=[Format.ONNX, Format.TORCHSCRIPT])


def _signature(model: Model, module: nn.Module) -> Signature:
    if isinstance(module, NeuralNet):
        return module.signature
    with torch.inference_mode():
        classes = module(torch.from_numpy(model.rows(1))).shape[1]
    return Signature(
        inputs=(Input("input", default_features(model.row_shape[0])),),
        output="probability",
        labels=tuple(range(classes)),
        task="multiclass_classification",
    )


if __name__ == "__main__":
    for written in prepared(Path(sys.argv[1])):
        print(written.onnx)
