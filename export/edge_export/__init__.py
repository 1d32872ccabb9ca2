"""edge_export: from any torch module to files that are proven to compute what torch computes.

from edge_export import export

export(module, example_inputs, "model.onnx")
"""

from typing import TYPE_CHECKING

from edge_runtime.lazy import lazy_names

if TYPE_CHECKING:
    from edge_export.budget import Budget, Measured
    from edge_export.errors import BudgetExceeded, ExportError, ParityError
    from edge_export.exporting import Export, export, export_checkpoint
    from edge_export.formats import Format
    from edge_export.parity import Comparison
    from edge_export.precisions import Precision

__all__ = [
    "Budget",
    "BudgetExceeded",
    "Comparison",
    "Export",
    "ExportError",
    "Format",
    "Measured",
    "ParityError",
    "Precision",
    "export",
    "export_checkpoint",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Budget": "budget",
        "BudgetExceeded": "errors",
        "Comparison": "parity",
        "Export": "exporting",
        "ExportError": "errors",
        "Format": "formats",
        "Measured": "budget",
        "ParityError": "errors",
        "Precision": "precisions",
        "export": "exporting",
        "export_checkpoint": "exporting",
    },
)
