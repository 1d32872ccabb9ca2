"""What an export made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_export.c_code.cortex_m import Footprint
from edge_export.formats.choices import Format, Precision
from edge_export.verify.comparison import Comparison
from edge_export.verify.quantization_budget import Measured
from edge_runtime import Certificate
from edge_runtime.contract.terminal import printable


@dataclass(frozen=True, eq=False, repr=False)
class Export:
    """A file in place, and what was found before it was put there.

    Attributes:
        path: where it is.
        format: its kind.
        precision: of its weights and arithmetic.
        content: its bytes; without those of its data file.
        comparisons: how it did against torch, by kind of probe inputs; empty for lower precisions.
        measured: what a lower precision costs and gives; None for float32.
        certificate: the certificate that it carries; None for TorchScript and C, which carry none.
        data: its data file beside it, which holds the weights of a model that is too large for one file; else None.
        beside: the contents of other files that belong to it, by their paths: of C the header and the test.
        footprints: what C code needs on microcontrollers, if that was measured.
    """

    path: Path
    format: Format
    precision: Precision
    content: bytes
    comparisons: Sequence[Comparison]
    measured: Measured | None
    certificate: Certificate | None
    data: Path | None = None
    beside: Mapping[Path, bytes] = field(default_factory=dict)
    footprints: Sequence[Footprint] = ()

    def __repr__(self) -> str:
        return f"<Export {self.summary}>"

    @property
    def summary(self) -> str:
        """The file and what was found, in one line."""
        beside = [path.name for path in (*([] if self.data is None else [self.data]), *self.beside)]
        return f"{printable(', '.join([str(self.path), *beside]))} {_in_units(self.size)}: {self._finding}"

    @property
    def size(self) -> int:
        """The size of the file in bytes, with those of the files that belong to it."""
        others = sum(map(len, self.beside.values())) + (0 if self.data is None else self.data.stat().st_size)
        return len(self.content) + others

    @property
    def _finding(self) -> str:
        if self.measured is not None:
            change = self.measured.change
            flips = "" if change.flipped is None else f"{change.flips} of {change.rows:,} labels differ from float32, "
            size = f"{self.measured.size_ratio:.2f} of float32's size"
            return f"{flips}largest change {change.largest:.2g}; {size}; {self.measured.verdict}"
        held = [comparison for comparison in self.comparisons if comparison.holds]
        rows = sum(comparison.rows for comparison in held)
        used = max((comparison.tolerance_used for comparison in held), default=0.0)
        return f"verified against torch on {rows:,} rows; worst element at {used:.0%} of its tolerance"


def _in_units(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"
