"""edge_export: from any torch module to files that are verified to compute what torch computes.

```python
from edge_export import export

export(module, example_inputs, "model.onnx")
```
"""

# Before all else, with the runtime's package: the program may import ONNX Runtime next.
from edge_runtime.contract import telemetry as _telemetry  # noqa: F401

# Type checkers take this name for true. Neither typing nor anything else is imported before the first use of a name,
# so that the command can be interrupted quietly from the start.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from edge_export.budget import Budget
    from edge_export.errors import BudgetExceeded, ExportError
    from edge_export.formats.choices import Format, Precision
    from edge_export.pipeline.export import export, export_checkpoint
    from edge_export.results import Export
    from edge_export.signing import PassphraseNeeded, SigningKey
    from edge_export.verify.comparison import Comparison, ParityError
    from edge_export.verify.quantization_budget import Measured
else:

    def __getattr__(name):
        from edge_runtime.contract.lazy import lazy_names

        return lazy_names(__name__, _HOMES)(name)


__all__ = [
    "Budget",
    "BudgetExceeded",
    "Comparison",
    "Export",
    "ExportError",
    "Format",
    "Measured",
    "ParityError",
    "PassphraseNeeded",
    "Precision",
    "SigningKey",
    "export",
    "export_checkpoint",
]

_HOMES = {
    "Budget": "edge_export.budget",
    "BudgetExceeded": "edge_export.errors",
    "Comparison": "edge_export.verify.comparison",
    "Export": "edge_export.results",
    "ExportError": "edge_export.errors",
    "Format": "edge_export.formats.choices",
    "Measured": "edge_export.verify.quantization_budget",
    "ParityError": "edge_export.verify.comparison",
    "PassphraseNeeded": "edge_export.signing",
    "Precision": "edge_export.formats.choices",
    "SigningKey": "edge_export.signing",
    "export": "edge_export.pipeline.export",
    "export_checkpoint": "edge_export.pipeline.export",
}
