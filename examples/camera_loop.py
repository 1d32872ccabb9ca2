"""A camera beside a program that must not wait: a thread answers the newest frame, and drops what it has no time for.

    python examples/camera_loop.py model.onnx

In place of a camera there is noise. A program with a window calls `newest()` from a timer of its own.
"""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime import Predictor


class Watcher:
    """Runs a model on frames in a thread of its own, which ends with the program."""

    def __init__(self, predictor: Predictor, frames: Iterable[npt.NDArray[Any]]) -> None:
        """Begin to watch. `frames` blocks until the camera has the next one, and gives the newest."""
        self._predictor, self._frames = predictor, frames
        self._newest: dict[str, npt.NDArray[Any]] | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def newest(self) -> dict[str, npt.NDArray[Any]] | None:
        """The outputs for the last frame, by name; None before the first one. It does not wait."""
        return self._newest

    def _watch(self) -> None:
        (source,) = self._predictor.inputs
        for frame in self._frames:
            self._newest = self._predictor.run({source.name: frame[np.newaxis]})


def noise(shape: tuple[int, ...], frames_per_second: float) -> Iterator[npt.NDArray[Any]]:
    """Frames of random numbers."""
    random = np.random.default_rng(0)
    while True:
        time.sleep(1 / frames_per_second)
        yield random.normal(size=shape).astype(np.float32)


def main(path: str) -> None:
    """Print the newest outputs ten times."""
    predictor = Predictor(path)
    _, *sizes = predictor.inputs[0].shape
    watcher = Watcher(predictor, noise(tuple(int(size or 1) for size in sizes), frames_per_second=100))
    shown = 0
    while shown < 10:
        time.sleep(0.05)
        if (outputs := watcher.newest()) is not None:
            print({name: values.round(2) for name, values in outputs.items()})
            shown += 1


if __name__ == "__main__":
    main(sys.argv[1])
