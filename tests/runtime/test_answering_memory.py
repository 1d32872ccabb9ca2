"""Memory does not grow with the number of calls, nor with that of their sizes, nor with that of refused rows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import MODELS

from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload

WithMetadata = Callable[[bytes, str, str], bytes]

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)

# In a process of its own: whatever other tests leave behind to be freed or kept would be counted too.
MEMORY = """
import os, sys
from pathlib import Path
import numpy as np
from edge_runtime import Predictor

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def call(sizes):
    for size in sizes:
        rows = np.ones((size, 2), np.float32)
        predictor.predict_proba(rows)
        predictor.run({"x": rows})
        predictor.predict_one([size, 1])

predictor, found = Predictor(sys.argv[1], device="cpu"), []
for first in range(1, 12):
    call(range(first, 3000, 13))
    found.append(resident())
print(min(after - before for before, after in zip(found, found[1:])))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read in /proc")
def test_memory_does_not_grow_with_calls_or_sizes(with_metadata: WithMetadata, tmp_path: Path) -> None:
    content = (MODELS / "four_blobs.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(with_metadata(content, WORKLOAD_KEY, COSTLY.to_json()))
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "m.onnx")]
    # Threads take memory now and then, and keep it. What leaks grows with each round of other sizes.
    assert int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) < 2**20


REFUSED = """
import gc, sys
import numpy as np
from edge_runtime import InvalidInput, Predictor

predictor = Predictor(sys.argv[1], device="cpu")
refused = [
    None, "x", 3, [1], [1, "x"], [[1, 2, 3]], [[1, 2], [3]], {"x1": 1}, {"x1": 1, "x2": "?!"}, {"x1": [1], "x2": [2]},
    [{"x1": 1, "x2": 2}, {"x1": 1}], [{"x1": 1, "x2": 2}, 3], np.zeros((2, 2, 2)), np.zeros(2, complex), {1, 2},
]
for rows in refused:
    for call in (predictor.predict, predictor.predict_one, predictor.run):
        counts = []
        for _ in range(6):
            for _ in range(200):
                try:
                    call(rows)
                except InvalidInput:
                    pass
            gc.collect()
            counts.append(sys.getallocatedblocks())
        if (grown := min(after - before for before, after in zip(counts, counts[1:]))) > 20:
            print(f"{rows!r}: {grown}")
"""


def test_refused_rows_leave_nothing_behind() -> None:
    command = [sys.executable, "-c", REFUSED, str(MODELS / "four_blobs.onnx")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == ""
