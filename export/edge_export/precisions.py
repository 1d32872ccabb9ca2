"""The precisions a file can have; apart from what converts to them, since that takes a second to import."""

from enum import StrEnum


class Precision(StrEnum):
    """How a file holds its weights and computes with them."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    # Weights in 8 bits; the ranges of activations are fixed beforehand, from data.
    INT8 = "int8"
    # Weights in 8 bits; the ranges of activations are found anew in each call.
    INT8_DYNAMIC = "int8-dynamic"
