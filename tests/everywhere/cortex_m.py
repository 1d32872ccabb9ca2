"""Models in C on emulated Cortex-M processors: their own tests, what they need, and changes that must be refused.

    .venv/bin/python -m tests.everywhere.cortex_m

Prints a table, and how many changes of each kind the test refuses. Exits with 1 if a model does not pass, if a change
to a constant is not refused, or if the processor and this machine do not agree on one.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.everywhere.artifacts import made_artifacts
from tests.everywhere.c_mutations import survey
from tests.everywhere.cortex_m_tools import provide_tools
from tests.everywhere.debian import BUILD, Absent
from tests.everywhere.runtimes import PROCESSES

from edge_export import ExportError
from edge_export.c_code.cortex_m import CORES, Footprint, footprint

MUTATED = ("four_blobs", "table_1", "convolutions")
CHANGES = 120


def main() -> int:
    """Print the table and the counts."""
    try:
        provide_tools()
    except Absent as reason:
        print(f"test-cortex-m is skipped: {reason}")
        return 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/export/c_code/test_cortex_m.py"]
    failed = subprocess.run(command).returncode
    folder = BUILD / "c"
    names = [path.stem for path in made_artifacts("c", folder, PROCESSES) if not path.stem.endswith("_test")]
    for line, is_in_order in _lines(folder, names):
        print(line)
        failed += not is_in_order
    counts = survey(folder, MUTATED, CHANGES)
    for (kind, key), number in counts.items():
        print(f"changed {kind}: {key} {number}")
    return 1 if failed or not _are_refused(counts) else 0


def _lines(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """What each model needs on each core, and whether its test passes there or does not fit."""
    width = max(map(len, names))
    yield f"{'':<{width}}  {'core':<9}  {'flash':>9}  {'RAM':>7}  {'instructions':>12}  its test", True
    for name in names:
        for core in CORES:
            try:
                found = footprint(folder, name, core)
            except ExportError as error:
                # What does not fit the large board is a fault.
                yield f"{name:<{width}}  {core.name}: {error}", core is not CORES[0]
                continue
            assert found is not None
            yield f"{name:<{width}}  {_numbers(found)}  {found.said}", found.passed


def _numbers(found: Footprint) -> str:
    flash, ram = found.text + found.data, found.data + found.bss + found.stack
    return f"{found.core:<9}  {flash:>9,}  {ram:>7,}  {found.instructions:>12,}"


def _are_refused(counts: Counter[tuple[str, str]]) -> bool:
    made = counts["constants", "made"]
    return counts["constants", "refused natively"] == counts["constants", "refused on the M4"] == made and all(
        counts[kind, "the same verdict"] == number for (kind, key), number in counts.items() if key == "made"
    )


if __name__ == "__main__":
    sys.exit(main())
