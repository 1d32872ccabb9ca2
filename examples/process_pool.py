"""A pool of processes that predict, for programs whose own work on the rows needs several processors.

    python examples/process_pool.py model.onnx spawn

The last word says how processes are started: fork, spawn or forkserver.
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from edge_runtime import Predictor

predictor: Predictor


def begin(opened: Predictor) -> None:
    """Keep the predictor that this process is given: pickled it is a path, and opened here once."""
    global predictor
    predictor = opened


def work(seed: int) -> Any:
    """Make 1,000 rows, and count how many have label 1."""
    rows = np.random.default_rng(seed).normal(size=(1_000, 2))
    return int(predictor.predict(rows).sum())


def main(path: str, method: str) -> None:
    """Print the counts of eight seeds."""
    # The processes are the threads.
    opened = Predictor(path, threads=1)
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, context, initializer=begin, initargs=(opened,)) as pool:
        print(*pool.map(work, range(8)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
