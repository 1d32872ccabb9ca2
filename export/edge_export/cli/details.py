"""What was compared or measured for a file, as lines for the terminal."""

from edge_export.results import Export
from edge_export.verify.comparison import Comparison
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.quantization_budget import MANY, Measured
from edge_runtime.contract.terminal import aligned

_HEADER = (
    "compared with torch in float64",
    "rows",
    "calls",
    "torch's error",
    "this file's",
    "tolerance",
    "tolerance used",
    "decided",
    "excluded",
)

LEGEND = (
    "calls: 12 of 14 means that the module itself raises on two, so that nothing can be compared on them",
    "tolerance used: the largest error of an element, as a fraction of its own tolerance",
    "decided: decisions, such as labels, that float32 can make, so that they are torch's in every file",
    "excluded: elements that float32 cannot resolve, and with --finite those that are not finite",
)


def details_of(made: Export) -> list[str]:
    """How a file did against torch, a line for each kind of probe inputs; or what a lower precision costs and gives."""
    if made.measured is not None:
        return _measured(made.measured)
    return aligned([_HEADER, *map(_compared, made.comparisons)], right=range(1, len(_HEADER)))


def _compared(comparison: Comparison) -> tuple[str, ...]:
    decided = comparison.decided
    return (
        comparison.probe.kind,
        f"{comparison.rows:,}" if comparison.probe.calls else "none found",
        _calls(comparison.probe),
        f"{comparison.torch_error:.1e}",
        f"{comparison.error:.1e}",
        f"{comparison.largest_tolerance:.1e}",
        f"{comparison.tolerance_used:.0%}" if comparison.holds else f"{comparison.failed:,} fail",
        "-" if decided is None else f"{decided[0]:,}",
        f"{comparison.excluded:,}",
    )


def _calls(probe: ProbeInputs) -> str:
    """How many calls were compared, and if the module itself raises on others, of how many."""
    count = len(probe.calls)
    return f"{count:,} of {count + probe.not_run:,}" if probe.not_run else f"{count:,}"


def _measured(measured: Measured) -> list[str]:
    change = measured.change
    rows = [("rows", f"{change.rows:,}"), ("largest change", f"{change.largest:.2g}")]
    if change.flipped is not None:
        rows.insert(1, ("labels that differ", f"{change.flips:,}"))
    rows += [
        ("size, of float32's", f"{measured.size_ratio:.2f}"),
        ("time of one row", f"{measured.one.median:.2f} ({measured.one.low:.2f} to {measured.one.high:.2f})"),
        (f"time of {MANY} rows", f"{measured.many.median:.2f} ({measured.many.low:.2f} to {measured.many.high:.2f})"),
    ]
    return aligned(rows)
