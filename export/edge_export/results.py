"""What an export made."""

from dataclasses import dataclass
from pathlib import Path

from edge_export.formats.choices import Format, Precision
from edge_export.verify.compare import Comparison
from edge_export.verify.quantization_budget import Measured
from edge_runtime import Certificate


@dataclass(frozen=True)
class Export:
    """A file in place, and what was found before it was put there.

    Attributes:
        path: where it is.
        format: its kind.
        precision: of its weights and arithmetic.
        content: its bytes.
        comparisons: how it did against torch, by kind of rows; empty for lower precisions.
        measured: what a lower precision costs and gives; None for float32.
        certificate: the proof that it carries; None for TorchScript, which carries none.
    """

    path: Path
    format: Format
    precision: Precision
    content: bytes
    comparisons: list[Comparison]
    measured: Measured | None
    certificate: Certificate | None
