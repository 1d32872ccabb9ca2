"""What the runtime costs beside every other way of running the same networks: `python -m benchmarks`."""

import importlib.util
import sys
from pathlib import Path

# Where the packages are installed but not the project, the source tree serves.
if importlib.util.find_spec("edge_runtime") is None:
    sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("runtime", "train", "export")]

# It switches ONNX Runtime's telemetry off. The peers import ONNX Runtime too, and so do the scripts that are timed.
import edge_runtime  # noqa: F401
