"""edge_export: from model.pt to an ONNX and a TorchScript file that are proven to compute what torch computes.

from pathlib import Path

from edge_export import export_checkpoint

export_checkpoint(Path("model.pt"))
"""

from typing import TYPE_CHECKING

from edge_runtime.lazy import lazy_names

if TYPE_CHECKING:
    from edge_export.errors import ExportError, ParityError
    from edge_export.exporting import Export, export_checkpoint
    from edge_export.parity import Comparison

__all__ = ["Comparison", "Export", "ExportError", "ParityError", "export_checkpoint"]

__getattr__ = lazy_names(
    __name__,
    {
        "Comparison": "parity",
        "Export": "exporting",
        "ExportError": "errors",
        "ParityError": "errors",
        "export_checkpoint": "exporting",
    },
)
