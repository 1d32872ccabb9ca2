"""From a checkpoint to proven files: build, compare with torch, and only then put in place."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from edge_export.cases import Rows, draw_cases
from edge_export.errors import ExportError
from edge_export.formats import Format
from edge_export.onnx_file import onnx_bytes
from edge_export.parity import Comparison, Outputs, compare, compute_references
from edge_export.torchscript_file import torchscript_bytes
from edge_runtime import Predictor, Signature
from edge_train import NeuralNet, load_checkpoint
from edge_train.files import make_folder, write_files


@dataclass(frozen=True)
class Export:
    """A file in place, and what was compared before it was put there."""

    path: Path
    comparisons: list[Comparison]


def export_checkpoint(
    checkpoint: Path, folder: Path | None = None, formats: Sequence[str] = tuple(Format)
) -> list[Export]:
    """Export `checkpoint`, a model.pt, to files of its name in `folder`.

    All formats are built and proven before the first file is put in place.

    Args:
        checkpoint: as `edge_train.save_checkpoint` writes it, or a plain state_dict of a `NeuralNet`.
        folder: where the files go, made if missing; beside the checkpoint if None.
        formats: which files to make, as in `Format`.

    Raises:
        CheckpointError: `checkpoint` cannot be read.
        ExportError: torch cannot export it.
        ParityError: an exported model does not compute what torch computes; nothing is written then, and earlier files
            stay as they were.
        CannotWrite: a file cannot be written in `folder`.
        RuntimeNotInstalled: there is no ONNX Runtime to run the exported model with.
    """
    model = load_checkpoint(checkpoint)
    folder = checkpoint.parent if folder is None else folder
    paths = {name: folder / f"{checkpoint.stem}.{name}" for name in formats}
    if any(path.resolve() == checkpoint.resolve() for path in paths.values()):
        raise ExportError(f"{checkpoint} would be overwritten by its own export; rename it or choose another folder")
    references = compute_references(model, draw_cases(model))
    proven = []
    for name, path in paths.items():
        build, load = _FORMATS[name]
        content = build(model)
        comparisons = compare(load(content, model.signature), references, model.signature, str(path))
        proven.append((Export(path, comparisons), content))
    make_folder(folder)
    write_files({export.path: content for export, content in proven})
    return [export for export, _ in proven]


def load_onnx(content: bytes, signature: Signature) -> Callable[[Rows], Outputs]:
    """The model in an ONNX file, as the runtime runs it on the CPU: rows (batch, features) to outputs (batch, 1)."""
    predictor = Predictor(content, device="cpu")
    return lambda rows: predictor.run({signature.inputs[0].name: rows})[signature.output]


def load_torchscript(content: bytes, signature: Signature) -> Callable[[Rows], Outputs]:
    """The model in a TorchScript archive, on the CPU: rows (batch, features) to outputs (batch, 1)."""
    module = torch.jit.load(io.BytesIO(content))  # type: ignore[no-untyped-call]

    def run(rows: Rows) -> Outputs:
        with torch.inference_mode():
            return module(torch.from_numpy(rows)).numpy()  # type: ignore[no-any-return]

    return run


_FORMATS: dict[str, tuple[Callable[[NeuralNet], bytes], Callable[[bytes, Signature], Callable[[Rows], Outputs]]]] = {
    Format.ONNX: (onnx_bytes, load_onnx),
    Format.TORCHSCRIPT: (torchscript_bytes, load_torchscript),
}
