"""The example's data: four normal blobs in the plane."""

import numpy as np
from sklearn.datasets import make_blobs

from edge_runtime.contract.signature import Feature, Input, Signature
from edge_train.dataset import NUMBERS, Dataset, Part

_CENTERS = ((1.0, 1.0), (-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0))
_LABELS = (0, 0, 1, 1)
_STANDARD_DEVIATION = 0.3
_TRAINING_ROWS, _TEST_ROWS = 80, 20


def four_blobs(seed: int) -> Dataset:
    """80 rows to train and 20 to test, of two features, x1 and x2; opposite blobs have the same label, 0 or 1."""
    random = np.random.RandomState(seed)
    parts = []
    for rows in (_TRAINING_ROWS, _TEST_ROWS):
        x, blob = make_blobs(
            n_samples=rows, centers=np.array(_CENTERS), cluster_std=_STANDARD_DEVIATION, random_state=random
        )
        parts.append(Part({NUMBERS: x.astype(np.float32)}, np.array(_LABELS, dtype=np.float32)[blob]))
    train, test = parts
    x = train.inputs[NUMBERS]
    # The median too: of the two in the middle the lower one, which occurs.
    found = (np.quantile(x, part, axis=0, method="lower").tolist() for part in (0, 1, 0.5))
    ranges = zip(("x1", "x2"), *found, strict=True)
    features = tuple(Feature(name, "numeric", low, high, baseline=middle) for name, low, high, middle in ranges)
    return Dataset(train, test, Signature((Input(NUMBERS, features),), "probability", (0, 1)))
