"""Operators that compute each element of their output from one element of each input, as expressions of C99.

What they do to NaN, infinity and integers is what ONNX Runtime does on the CPU.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edge_export.c_code.literals import c_type, literal
from edge_export.c_code.static_graph import Operation
from edge_export.errors import ExportError

# The elements of the inputs, as C writes them, to the element of the output. Each input is a name or a literal.
Expression = Callable[[Operation, Sequence[str]], str]


def of_type(name: str, dtype: np.dtype[Any]) -> str:
    """The function of math.h for a type: expf for float, exp for double."""
    return f"{name}f" if dtype == np.float32 else name


def _function(name: str) -> Expression:
    return lambda one, given: f"{of_type(name, one.input(0).dtype)}({given[0]})"


def _compared(sign: str) -> Expression:
    return lambda one, given: f"{given[0]} {sign} {given[1]}"


def _ordered(sign: str, above: str) -> Expression:
    """A comparison, as C writes it or with a function for `above`, which compilers do not call always true or false."""

    def expression(one: Operation, given: Sequence[str]) -> str:
        dtype = one.input(0).dtype
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            if {literal(limits.min, dtype), literal(limits.max, dtype)}.intersection(given):
                return above.format(f"is_above_{dtype.name}", *given)
        return f"{given[0]} {sign} {given[1]}"

    return expression


def _number(value: float, one: Operation) -> str:
    return literal(one.output.dtype.type(value), one.output.dtype)


def _arithmetic(sign: str, name: str) -> Expression:
    def expression(one: Operation, given: Sequence[str]) -> str:
        if one.output.dtype.kind == "f":
            return f" {sign} ".join(given)
        if one.output.dtype.kind == "b":
            raise ExportError(f"{one.kind} of booleans")
        # Integers wrap around in ONNX, and may not overflow in C.
        return f"{name}_{_suffix(one)}({given[0]}, {given[1]})"

    return expression


def _suffix(one: Operation) -> str:
    return one.output.dtype.name


def _divided(one: Operation, given: Sequence[str]) -> str:
    if one.output.dtype.kind == "f":
        return f"{given[0]} / {given[1]}"
    return f"divide_{_suffix(one)}({given[0]}, {given[1]})"


def _modulo(one: Operation, given: Sequence[str]) -> str:
    if one.output.dtype.kind == "f":
        return f"{of_type('fmod', one.output.dtype)}({given[0]}, {given[1]})"
    name = "remainder" if one.attributes.get("fmod") else "modulo"
    return f"{name}_{_suffix(one)}({given[0]}, {given[1]})"


def _shifted(one: Operation, given: Sequence[str]) -> str:
    """ONNX shifts unsigned integers only; C may not shift by as many places as there are."""
    dtype = one.output.dtype
    sign = "<<" if one.attributes["direction"] == "LEFT" else ">>"
    shifted = f"({c_type(dtype)})(1u * {given[0]} {sign} {given[1]})"
    return f"{given[1]} < {8 * dtype.itemsize} ? {shifted} : 0"


def _power(one: Operation, given: Sequence[str]) -> str:
    exponent = one.input(1).constant
    if exponent is not None and exponent.size == 1 and one.output.dtype.kind == "f":
        match float(exponent.reshape(-1)[0]):
            case 2.0:
                return f"{given[0]} * {given[0]}"
            case 3.0:
                return f"{given[0]} * {given[0]} * {given[0]}"
            case 0.5:
                return f"{of_type('sqrt', one.output.dtype)}({given[0]})"
    if one.output.dtype.kind != "f":
        if one.input(1).dtype.kind == "f":
            return f"({c_type(one.output.dtype)})truncated(pow((double){given[0]}, (double){given[1]}))"
        return f"power_{_suffix(one)}({given[0]}, (int64_t){given[1]})"
    power = given[1] if one.input(1).dtype == one.output.dtype else f"({c_type(one.output.dtype)}){given[1]}"
    return f"{of_type('pow', one.output.dtype)}({given[0]}, {power})"


def _minmax(sign: str) -> Expression:
    def expression(one: Operation, given: Sequence[str]) -> str:
        name = "smaller" if sign == "<" else "larger"
        found = given[0]
        for other in given[1:]:
            found = f"{name}_{_suffix(one)}({found}, {other})"
        return found

    return expression


def _clip(one: Operation, given: Sequence[str]) -> str:
    found, places = given[0], iter(given[1:])
    for place, name in ((1, "larger"), (2, "smaller")):
        if one.optional(place) is not None:
            found = f"{name}_{_suffix(one)}({found}, {next(places)})"
    return found


def _cast(one: Operation, given: Sequence[str]) -> str:
    before, after = one.input(0).dtype, one.output.dtype
    if before == after:
        return given[0]
    if after.kind == "b":
        return f"{given[0]} != 0"
    if before.kind == "f" and after.kind in "iu":
        # Numbers that do not fit into fewer bits are cut from 32 bits, as torch and ONNX Runtime do.
        if after.itemsize < 4 or after == np.int32:
            return f"({c_type(after)})truncated_to_int32({given[0]})"
        return f"({c_type(after)})truncated({given[0]})"
    return f"({c_type(after)}){given[0]}"


def _leaky_relu(one: Operation, given: Sequence[str]) -> str:
    return f"{given[0]} < 0 ? {_number(one.attributes.get('alpha', 0.01), one)} * {given[0]} : {given[0]}"


def _elu(one: Operation, given: Sequence[str]) -> str:
    alpha = one.attributes.get("alpha", 1.0)
    scale = "" if alpha == 1 else f"{_number(alpha, one)} * "
    return f"{given[0]} < 0 ? {scale}{of_type('expm1', one.output.dtype)}({given[0]}) : {given[0]}"


def _selu(one: Operation, given: Sequence[str]) -> str:
    alpha, gamma = one.attributes.get("alpha", 1.6732632), one.attributes.get("gamma", 1.0507010)
    grown = f"{_number(alpha * gamma, one)} * {of_type('expm1', one.output.dtype)}({given[0]})"
    return f"{given[0]} <= 0 ? {grown} : {_number(gamma, one)} * {given[0]}"


def _hard_sigmoid(one: Operation, given: Sequence[str]) -> str:
    alpha, beta = one.attributes.get("alpha", 0.2), one.attributes.get("beta", 0.5)
    return f"within_0_and_1_{_suffix(one)}({_number(alpha, one)} * {given[0]} + {_number(beta, one)})"


def _gelu(one: Operation, given: Sequence[str]) -> str:
    x, dtype = given[0], one.output.dtype
    if one.attributes.get("approximate") == "tanh":
        inner = f"{_number(0.7978845608028654, one)} * ({x} + {_number(0.044715, one)} * {x} * {x} * {x})"
        return f"{_number(0.5, one)} * {x} * (1 + {of_type('tanh', dtype)}({inner}))"
    return f"{_number(0.5, one)} * {x} * (1 + {of_type('erf', dtype)}({x} * {_number(0.7071067811865476, one)}))"


def _is_infinite(one: Operation, given: Sequence[str]) -> str:
    signs = {(1, 1): f"isinf({given[0]})", (0, 1): f"{given[0]} == INFINITY", (1, 0): f"{given[0]} == -INFINITY"}
    return signs[one.attributes.get("detect_negative", 1), one.attributes.get("detect_positive", 1)]


def _negated(one: Operation, given: Sequence[str]) -> str:
    return f"-{given[0]}" if one.output.dtype.kind == "f" else f"subtract_{_suffix(one)}(0, {given[0]})"


def _absolute(one: Operation, given: Sequence[str]) -> str:
    if one.output.dtype.kind == "f":
        return f"{of_type('fabs', one.output.dtype)}({given[0]})"
    return given[0] if one.output.dtype.kind == "u" else f"absolute_{_suffix(one)}({given[0]})"


EXPRESSIONS: Mapping[str, Expression] = {
    "Abs": _absolute,
    "Acos": _function("acos"),
    "Acosh": _function("acosh"),
    "Add": _arithmetic("+", "add"),
    "And": _compared("&&"),
    "Asin": _function("asin"),
    "Asinh": _function("asinh"),
    "Atan": _function("atan"),
    "Atanh": _function("atanh"),
    "BitShift": _shifted,
    "BitwiseAnd": _compared("&"),
    "BitwiseNot": lambda one, given: f"~{given[0]}",
    "BitwiseOr": _compared("|"),
    "BitwiseXor": _compared("^"),
    "Cast": _cast,
    "Ceil": _function("ceil"),
    "Celu": lambda one, given: (
        f"{given[0]} < 0 ? {_number(one.attributes.get('alpha', 1.0), one)} * "
        f"{of_type('expm1', one.output.dtype)}({given[0]} / {_number(one.attributes.get('alpha', 1.0), one)})"
        f" : {given[0]}"
    ),
    "Clip": _clip,
    "Cos": _function("cos"),
    "Cosh": _function("cosh"),
    "Div": _divided,
    "Elu": _elu,
    "Equal": _compared("=="),
    "Erf": _function("erf"),
    "Exp": _function("exp"),
    "Floor": _function("floor"),
    "Gelu": _gelu,
    "Greater": _ordered(">", "{}({}, {})"),
    "GreaterOrEqual": _ordered(">=", "!{0}({2}, {1})"),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda one, given: (
        f"{given[0]} * within_0_and_1_{_suffix(one)}({given[0]} * {_number(1 / 6, one)} + {_number(0.5, one)})"
    ),
    "IsInf": _is_infinite,
    "IsNaN": lambda one, given: f"isnan({given[0]})",
    "LeakyRelu": _leaky_relu,
    "Less": _ordered("<", "{0}({2}, {1})"),
    "LessOrEqual": _ordered("<=", "!{}({}, {})"),
    "Log": _function("log"),
    "Max": _minmax(">"),
    "Min": _minmax("<"),
    "Mish": lambda one, given: f"{given[0]} * {of_type('tanh', one.output.dtype)}(softplus_{_suffix(one)}({given[0]}))",
    "Mod": _modulo,
    "Mul": _arithmetic("*", "multiply"),
    "Neg": _negated,
    "Not": lambda one, given: f"!{given[0]}",
    "Or": _compared("||"),
    "PRelu": lambda one, given: f"{given[0]} < 0 ? {given[1]} * {given[0]} : {given[0]}",
    "Pow": _power,
    "Reciprocal": lambda one, given: f"1 / {given[0]}",
    "Relu": lambda one, given: f"{given[0]} < 0 ? 0 : {given[0]}",
    "Round": _function("rint"),
    "Selu": _selu,
    "Sigmoid": lambda one, given: f"sigmoid_{_suffix(one)}({given[0]})",
    "Sign": lambda one, given: f"sign_{_suffix(one)}({given[0]})",
    "Sin": _function("sin"),
    "Sinh": _function("sinh"),
    "Softplus": lambda one, given: f"softplus_{_suffix(one)}({given[0]})",
    "Softsign": lambda one, given: f"{given[0]} / (1 + {of_type('fabs', one.output.dtype)}({given[0]}))",
    "Sqrt": _function("sqrt"),
    "Sub": _arithmetic("-", "subtract"),
    "Sum": _arithmetic("+", "add"),
    "Tan": _function("tan"),
    "Tanh": _function("tanh"),
    "ThresholdedRelu": lambda one, given: (
        f"{given[0]} > {_number(one.attributes.get('alpha', 1.0), one)} ? {given[0]} : 0"
    ),
    "Where": lambda one, given: f"{given[0]} ? {given[1]} : {given[2]}",
    "Xor": _compared("!="),
}
