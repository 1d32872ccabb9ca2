"""The runtime on an emulated arm64: tests of what it computes, and the certificates of today's artifacts.

    .venv/bin/python -m tests.everywhere.arm64_tests WHEEL

An emulated processor takes ten times as long as this one. So those tests run there whose outcome may depend on the
processor: how rows become tensors, what ONNX Runtime and numpy compute of them, addresses that are passed to C code,
and what a replay makes of them. Not those of the system (processes, files, limits, servers), which is this machine's;
and forks and signals of a process that is emulated are the emulator's.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.everywhere.arm64 import arm64_python
from tests.everywhere.artifacts import made_artifacts
from tests.everywhere.debian import BUILD, Absent
from tests.everywhere.runtimes import PROCESSES, emulated
from tests.everywhere.table import Column, is_in_order, table

ENGINE = (
    *("bound_buffers", "coded_placement", "coded_rows", "coded_strings", "feed_runner", "ml_values", "output_shapes"),
    *("placement", "session", "string_inputs"),
)
PREDICTOR = (
    *("answering", "novelty", "opened_model", "opened_model_arrays", "opened_model_kinds", "predictor"),
    *("predictor_dates", "predictor_labels", "predictor_tables", "predictor_tensors", "predictor_verify"),
    "verification",
)
TESTS = (
    "tests/runtime/rows",
    *(f"tests/runtime/engine/test_{name}.py" for name in ENGINE),
    *(f"tests/runtime/test_{name}.py" for name in PREDICTOR),
)
# By their names, the tests of those files that start processes or wait for signals, and two that take a minute there.
UNLIKE = "not fork and not process and not handlers_that_raise and not blank_lines and not million_columns"


def main(wheel: str) -> int:
    """Run the tests and replay the artifacts; 1 if either fails."""
    try:
        python = arm64_python(wheel)
    except Absent as reason:
        print(f"test-arm64 is skipped: {reason}")
        return 0
    failed = _tests(python)
    paths = made_artifacts("onnx", BUILD / "artifacts", PROCESSES)
    columns = [Column(runtime, runtime.verify(paths) if runtime.verify else None) for runtime in emulated(python)]
    print(*table(paths, columns), sep="\n")
    return 1 if failed or not all(is_in_order(paths, column) for column in columns) else 0


def _tests(python: Path) -> int:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "EDGE_PREDICT_WHEEL": "cpu"}
    # Of this machine's packages.
    environment.pop("PYTHONPATH", None)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow",
        "-k",
        UNLIKE,
        "-n",
        str(PROCESSES),
        "--dist",
        "worksteal",
    ]
    return subprocess.run([python, "-m", "pytest", *options, *TESTS], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
