"""The models of tensors that tests/runtime/models/make.py makes, in numpy."""

from typing import Any

import numpy as np

from edge_runtime import Input, Signature

IMAGE = (2, 3, 4)
# Four decimals, so that the file is the same wherever it is made.
IMAGE_WEIGHT = np.random.default_rng(0).normal(size=(24, 3)).round(4).astype(np.float32)
IMAGES = Signature((Input("image"),), "probabilities", ("cat", "dog", "fox"), "multiclass_classification")
WORDS = Signature((Input("ids"), Input("mask")), "probability", ("dull", "witty"))


def image_probabilities(images: Any) -> Any:
    """What images.onnx answers: float64, shape (rows, 3)."""
    logits = np.asarray(images, np.float64).reshape(len(images), -1) @ IMAGE_WEIGHT
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def word_probabilities(ids: Any, mask: Any) -> Any:
    """What words.onnx answers: float64, shape (rows, 2)."""
    mean = ((np.asarray(ids) / 10 - 1) * mask).sum(axis=1) / np.sum(mask, axis=1)
    positive = 1 / (1 + np.exp(-mean))
    return np.stack([1 - positive, positive], axis=1)
