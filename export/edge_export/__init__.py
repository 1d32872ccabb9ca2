"""edge_export: from any torch module to files that are verified to compute what torch computes.

```python
from edge_export import export

export(module, example_inputs, "model.onnx")
```
"""

from typing import TYPE_CHECKING

from edge_runtime.contract.lazy import lazy_names

if TYPE_CHECKING:
    from edge_export.budget import Budget
    from edge_export.errors import BudgetExceeded, ExportError
    from edge_export.formats.choices import Format, Precision
    from edge_export.pipeline.export import export, export_checkpoint
    from edge_export.results import Export
    from edge_export.verify.compare import Comparison, ParityError
    from edge_export.verify.quantization_budget import Measured

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
        "Budget": "edge_export.budget",
        "BudgetExceeded": "edge_export.errors",
        "Comparison": "edge_export.verify.compare",
        "Export": "edge_export.results",
        "ExportError": "edge_export.errors",
        "Format": "edge_export.formats.choices",
        "Measured": "edge_export.verify.quantization_budget",
        "ParityError": "edge_export.verify.compare",
        "Precision": "edge_export.formats.choices",
        "export": "edge_export.pipeline.export",
        "export_checkpoint": "edge_export.pipeline.export",
    },
)
