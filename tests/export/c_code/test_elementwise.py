"""Elementwise operators in C: the numbers, NaN, infinity and wrapped integers that ONNX Runtime gives."""

from itertools import product

import numpy as np
import pytest
import torch
from c_models import Case, assert_like_onnxruntime, model_of, reporting, run_in_c
from onnx import helper

from edge_export.tensors import Array

SPECIAL: Array = np.array([-np.inf, -3.5, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 100.0, np.inf, np.nan], np.float32)
FINITE: Array = SPECIAL[np.isfinite(SPECIAL)]
BETWEEN: Array = np.linspace(-0.999, 0.999, 12, dtype=np.float32)
FROM_ONE: Array = np.array([1.0, 1.5, 2.0, 3.75, 1e3, 1e20], np.float32)
LARGE: Array = np.array([-(2**63), -7, -1, 0, 1, 2, 7, 2**63 - 1], np.int64)
SMALL: Array = np.array([-9, -2, -1, 0, 1, 3, 12, 30], np.int32)
DIVISORS: Array = np.array([-4, -3, 3, 5], np.int32)
FLAGS: Array = np.array([True, False, True, False])


ONE_NUMBER = """
Abs Ceil Elu Erf Exp Floor HardSigmoid HardSwish IsInf IsNaN LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Sigmoid
Sign Softplus Softsign Sqrt Tanh
"""


def test_one_number() -> None:
    assert_like_onnxruntime(*(Case(kind, [SPECIAL]) for kind in ONE_NUMBER.split()))


def test_angles() -> None:
    kinds = ["Acos", "Asin", "Atan", "Atanh", "Cosh", "Sinh", "Asinh"]
    assert_like_onnxruntime(
        *(Case(kind, [FINITE]) for kind in ("Sin", "Cos", "Tan")),
        *(Case(kind, [BETWEEN]) for kind in kinds),
        Case("Acosh", [FROM_ONE]),
    )


def test_two_numbers() -> None:
    others = np.array([2.0, -0.5, 3.0], np.float32)[:, None]
    remainders = np.array([-7.5, -1.0, 0.0, 2.25, 9.0], np.float32)[:, None]
    assert_like_onnxruntime(
        *(Case(kind, [others, SPECIAL]) for kind in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")),
        Case("Mod", [remainders, np.array([-2.0, 3.0, 0.75], np.float32)], attributes={"fmod": 1}),
    )


def test_integers_wrap_around() -> None:
    kinds = ("Add", "Sub", "Mul", "Max", "Min")
    assert_like_onnxruntime(
        *(Case(kind, [values, values[::-1].copy()]) for kind, values in product(kinds, (LARGE, SMALL))),
        *(Case("Mod", [SMALL[:, None], DIVISORS], attributes={"fmod": fmod}) for fmod in (0, 1)),
        Case("Div", [SMALL[:, None], DIVISORS]),
        Case("Neg", [LARGE]),
        Case("Abs", [SMALL]),
        Case("Sign", [LARGE]),
    )


def test_a_division_by_zero_ends_in_zero_and_not_in_a_crash() -> None:
    inputs = {"x": np.array([5, -(2**31)], np.int32), "by": np.array([0, -1], np.int32)}
    model = model_of([helper.make_node("Div", ["x", "by"], ["y"])], inputs, ["y"])
    (found,) = run_in_c(model, inputs).values()
    assert found.tolist() == [0, -(2**31)]


def test_the_lowest_integer_and_powers_wrap_around_as_in_torch(capfd: pytest.CaptureFixture[str]) -> None:
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        lowest = np.iinfo(dtype).min
        values = np.array([lowest, -3, 0, 5], dtype)
        names = [f"y{place}" for place in range(5)]
        nodes = [
            helper.make_node(kind, inputs, [name])
            for (kind, *inputs), name in zip(
                [("Abs", "x"), ("Neg", "x"), ("Mul", "x", "x"), ("Max", "x", "zero"), ("Add", "x", "x")],
                names,
                strict=True,
            )
        ]
        model = model_of(nodes, {"x": values}, names, {"zero": np.zeros(1, dtype)})
        found = run_in_c(model, {"x": values}, *reporting())
        x = torch.from_numpy(values)
        for here, there in zip(found.values(), (x.abs(), -x, x * x, x.clamp(min=0), x + x), strict=True):
            np.testing.assert_array_equal(here, there.numpy())
    bases, exponents = np.array([5, -7, 2, -1, 1], np.int64), np.array([50, 3, 63, 7, 9], np.int64)
    inputs: dict[str, Array] = {"x": bases, "n": exponents}
    model = model_of([helper.make_node("Pow", ["x", "n"], ["y"])], inputs, ["y"])
    (powers,) = run_in_c(model, inputs, *reporting()).values()
    assert "runtime error" not in capfd.readouterr().err
    np.testing.assert_array_equal(powers, (torch.from_numpy(bases) ** torch.from_numpy(exponents)).numpy())


def test_numbers_of_other_types() -> None:
    double = SPECIAL.astype(np.float64)
    assert_like_onnxruntime(
        Case("Pow", [FROM_ONE, np.array([2, 1, 0, 3, -1, 1], np.int64)]),
        Case("Pow", [SMALL, np.full(8, 2.0, np.float32)]),
        Case("HardSigmoid", [double], attributes={"alpha": 0.3}),
    )


def test_comparisons() -> None:
    kinds = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    assert_like_onnxruntime(
        *(Case(kind, [values[:, None], values]) for kind, values in product(kinds, (SPECIAL, LARGE)))
    )


def test_comparisons_with_the_limits_of_a_type() -> None:
    kinds = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")
    assert_like_onnxruntime(
        *(
            Case(kind, [np.array([limits.min, 0, 1, limits.max], limits.dtype)], [np.array(limit, limits.dtype)])
            for kind, limits in product(kinds, [np.iinfo(dtype) for dtype in (np.uint8, np.int32, np.int64)])
            for limit in (limits.min, limits.max)
        )
    )


def test_booleans_and_choices() -> None:
    assert_like_onnxruntime(
        *(Case(kind, [FLAGS[:, None], FLAGS]) for kind in ("And", "Or", "Xor")),
        Case("Not", [FLAGS]),
        Case("Where", [FLAGS[:, None], SPECIAL, SPECIAL[::-1].copy()]),
    )


def test_limits() -> None:
    limits = [(-1.0, 1.0), (2.0, -2.0)]
    # Without one limit, ONNX Runtime takes the largest number for it; torch leaves infinity as it is, and so does C.
    one_limit = [(None, 0.5), (0.25, None)]
    assert_like_onnxruntime(
        *(
            Case("Clip", [values], [None if one is None else np.array(one, np.float32) for one in pair])
            for values, pairs in ((SPECIAL, limits), (FINITE, one_limit))
            for pair in pairs
        )
    )


def test_casts() -> None:
    kinds = {np.float32: 1, np.float64: 11, np.int32: 6, np.int64: 7, np.bool_: 9}
    assert_like_onnxruntime(
        *(Case("Cast", [values], attributes={"to": kinds[to]}) for to, values in product(kinds, (FINITE, SMALL, FLAGS)))
    )


def test_casts_of_what_does_not_fit() -> None:
    values = np.array([np.nan, np.inf, 3e9, -3e9, 1e20, 70000, 300, -5], np.float32)
    kinds = {np.int8: 3, np.int16: 5, np.uint8: 2, np.int32: 6}
    inputs = {"x": values}
    nodes = [helper.make_node("Cast", ["x"], [f"y{kind}"], to=kind) for kind in kinds.values()]
    found = run_in_c(model_of(nodes, inputs, [f"y{kind}" for kind in kinds.values()]), inputs)
    lowest = -(2**31)
    for dtype, kind in kinds.items():
        expected = np.array([lowest, lowest, lowest, lowest, lowest, 70000, 300, -5], np.int64).astype(dtype)
        np.testing.assert_array_equal(found[f"y{kind}"], expected)


def test_bits() -> None:
    unsigned = [np.array([0, 1, 5, 200, 255], dtype) for dtype in (np.uint8, np.uint16, np.uint32, np.uint64)]
    places = [np.array([0, 7, 3, 1, 2], values.dtype) for values in unsigned]
    assert_like_onnxruntime(
        *(Case(f"Bitwise{kind}", [SMALL, SMALL[::-1].copy()]) for kind in ("And", "Or", "Xor")),
        *(Case("BitwiseNot", [values]) for values in (LARGE, SMALL, *unsigned)),
        *(
            Case("BitShift", pair, attributes={"direction": direction})
            for pair in zip(unsigned, places, strict=True)
            if pair[0].itemsize != 2
            for direction in ("LEFT", "RIGHT")
        ),
    )


def test_attributes_and_constant_exponents() -> None:
    assert_like_onnxruntime(
        *(Case("Pow", [SPECIAL], [np.array(exponent, np.float32)]) for exponent in (2.0, 3.0, -1.0, 2.7)),
        Case("Pow", [FROM_ONE], [np.array(0.5, np.float32)]),
        Case("LeakyRelu", [SPECIAL], attributes={"alpha": 0.3}),
        Case("Elu", [SPECIAL], attributes={"alpha": 0.7}),
        Case("Celu", [SPECIAL], attributes={"alpha": 1.7}),
        Case("PRelu", [SPECIAL], [np.array([0.2], np.float32)]),
        Case("ThresholdedRelu", [SPECIAL], attributes={"alpha": 0.7}),
        Case("IsInf", [SPECIAL], attributes={"detect_negative": 0}),
        Case("HardSigmoid", [SPECIAL], attributes={"alpha": 0.3, "beta": 0.4}),
    )
