"""edge_export: from model.pt to an ONNX and a TorchScript file that are proven to compute what torch computes.

from edge_export import export_checkpoint

export_checkpoint(Path("model.pt"))
"""

from edge_export.errors import ExportError, ParityError
from edge_export.exporting import Export, export_checkpoint
from edge_export.parity import Comparison

__all__ = ["Comparison", "Export", "ExportError", "ParityError", "export_checkpoint"]
