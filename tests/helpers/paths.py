"""Where things lie in this repository."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Small models that the runtime's tests answer by; models/make.py makes them.
MODELS = ROOT / "tests" / "runtime" / "models"
FOUR_BLOBS = MODELS / "four_blobs.onnx"
EXAMPLE_TABLES = ROOT / "examples" / "tables.py"


def tracked_files(*patterns: str) -> dict[str, Path]:
    """The files of this repository that match, by their names in it: those that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: ROOT / name for name in names if (ROOT / name).exists()}
