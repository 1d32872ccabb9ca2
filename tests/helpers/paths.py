"""Where things lie in this repository."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
# Small models that the runtime's tests answer by; models/make.py makes them.
MODELS = ROOT / "tests" / "runtime" / "models"
FOUR_BLOBS = MODELS / "four_blobs.onnx"
EXAMPLE_TABLES = ROOT / "examples" / "tables.py"
