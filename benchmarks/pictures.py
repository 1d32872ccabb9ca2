"""Pictures of a run, on a white ground, so that they read the same on light and dark pages."""

from pathlib import Path

from benchmarks.results import Results


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured."""
    return []
