"""Operators that make images larger or smaller: what ONNX Runtime gives."""

from itertools import product

import numpy as np
import pytest
from c_models import Case, assert_like_onnxruntime, code_of, model_of
from onnx import helper

from edge_export.errors import ExportError
from edge_export.tensors import Array

RANDOM = np.random.default_rng(0)
IMAGE: Array = RANDOM.normal(size=(1, 4, 5, 6)).astype(np.float32)
SERIES: Array = RANDOM.normal(size=(2, 4, 7)).astype(np.float32)


def drawn(*shape: int) -> Array:
    values: Array = RANDOM.normal(size=shape).astype(np.float32)
    return values


def resized(
    sizes: tuple[int, ...] | None = None, scales: tuple[float, ...] | None = None, **attributes: object
) -> Case:
    constants = [None, None if scales is None else np.array(scales, np.float32)]
    return Case("Resize", [IMAGE], [*constants, *([] if sizes is None else [np.array(sizes)])], attributes=attributes)


def test_nearest_neighbours() -> None:
    ways = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    roundings = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    assert_like_onnxruntime(
        *(
            resized((1, 4, 8, 3), coordinate_transformation_mode=way, nearest_mode=rounding)
            for way, rounding in product(ways, roundings)
        ),
        resized(scales=(1, 1, 2, 2), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        resized(scales=(1, 1, 0.6, 2.5), coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    )


def test_linear_and_cubic() -> None:
    ways = ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    assert_like_onnxruntime(
        *(
            resized(sizes, coordinate_transformation_mode=way, mode=mode)
            for sizes, way, mode in product([(1, 4, 8, 3), (1, 4, 1, 13)], ways, ("linear", "cubic"))
        ),
        resized(scales=(1, 1, 1.5, 2.0), mode="linear"),
        resized(scales=(1, 1, 1.5, 2.0), mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
        tolerance=5e-6,
    )


def test_transposed_convolutions() -> None:
    assert_like_onnxruntime(
        Case("ConvTranspose", [IMAGE], [drawn(4, 3, 3, 3), drawn(3)]),
        Case(
            "ConvTranspose",
            [IMAGE],
            [drawn(4, 3, 3, 2)],
            attributes={
                "group": 2,
                "strides": [2, 3],
                "dilations": [2, 1],
                "pads": [1, 0, 2, 1],
                "output_padding": [1, 0],
            },
        ),
        *(
            Case("ConvTranspose", [IMAGE], [drawn(4, 2, 3, 3)], attributes={"auto_pad": how, "strides": [2, 2]})
            for how in ("SAME_UPPER", "SAME_LOWER")
        ),
        Case("ConvTranspose", [SERIES], [drawn(4, 2, 4), drawn(2)], attributes={"strides": [3], "pads": [1, 1]}),
        Case("ConvTranspose", [IMAGE, drawn(4, 2, 2, 2)], attributes={"group": 4}),
    )


def test_blocks_and_channels() -> None:
    assert_like_onnxruntime(
        *(
            Case("DepthToSpace", [drawn(2, 8, 2, 3)], attributes={"blocksize": 2, "mode": mode})
            for mode in ("DCR", "CRD")
        ),
        Case("SpaceToDepth", [drawn(2, 3, 4, 6)], attributes={"blocksize": 2}),
    )


def test_what_cannot_be_resized_is_named() -> None:
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], mode="linear", antialias=1)
    with pytest.raises(ExportError, match="Resize with antialias; interpolate with antialias=False"):
        code_of(model_of([node], {"x": IMAGE}, ["y"], {"sizes": np.array([1, 4, 3, 3])}))
