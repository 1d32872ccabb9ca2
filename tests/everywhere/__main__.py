"""Artifacts exported today pass under old and new ONNX Runtimes and numpys, on arm64, under Node and in browsers.

    .venv/bin/python -m tests.everywhere WHEEL

exports the example in every precision, tables, and modules of many kinds, as ONNX and ORT files, and replays every
certificate under each of the runtimes (the Python ones with WHEEL, without torch). Prints how much of a tolerance each
artifact uses at most under each runtime. Exits with 1 unless all pass but those that show a known fault of an old ONNX
Runtime, and these do not pass there.
"""

import sys

from tests.everywhere.artifacts import made_artifacts
from tests.everywhere.debian import BUILD
from tests.everywhere.runtimes import PROCESSES, runtimes
from tests.everywhere.table import Column, is_in_order, table


def main(wheel: str) -> int:
    """Print the table; 1 if a verdict is not as it should be."""
    paths = made_artifacts("onnx", BUILD / "artifacts", PROCESSES)
    columns = [Column(runtime, runtime.verify(paths) if runtime.verify else None) for runtime in runtimes(wheel)]
    print(*table(paths, columns), sep="\n")
    return 0 if all(is_in_order(paths, column) for column in columns) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
