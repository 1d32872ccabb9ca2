"""Functions in C that the code of a model calls, each written out only where it is called."""

import re
from collections.abc import Iterator

_FLOATS = {"float32": ("float", "f"), "float64": ("double", "")}
_INTEGERS = {f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)}


def _of_floats() -> Iterator[tuple[str, str]]:
    for dtype, (kind, mark) in _FLOATS.items():
        yield (
            f"sigmoid_{dtype}",
            f"""{kind} sigmoid_{dtype}({kind} x) {{
    const {kind} e = exp{mark}(x < 0 ? x : -x); /* never overflows */
    return (x < 0 ? e : 1) / (1 + e);
}}""",
        )
        yield (
            f"softplus_{dtype}",
            f"""{kind} softplus_{dtype}({kind} x) {{
    return x > 0 ? x + log1p{mark}(exp{mark}(-x)) : log1p{mark}(exp{mark}(x));
}}""",
        )
        yield f"sign_{dtype}", f"{kind} sign_{dtype}({kind} x) {{\n    return x > 0 ? 1 : x < 0 ? -1 : x;\n}}"
        name = f"within_0_and_1_{dtype}"
        yield name, f"{kind} {name}({kind} x) {{\n    return x < 0 ? 0 : x > 1 ? 1 : x;\n}}"
        # If either is NaN, so is the result.
        for name, sign in (("smaller", "<"), ("larger", ">")):
            yield (
                f"{name}_{dtype}",
                f"{kind} {name}_{dtype}({kind} a, {kind} b) {{\n    return a {sign} b || isnan(a) ? a : b;\n}}",
            )
        above = "a > b || (isnan(a) && !isnan(b))"
        yield f"is_above_{dtype}", f"bool is_above_{dtype}({kind} a, {kind} b) {{\n    return {above};\n}}"
    # What does not fit, and NaN, become what x86-64 and ONNX Runtime make of them.
    yield (
        "truncated",
        """int64_t truncated(double x) {
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}""",
    )
    yield (
        "truncated_to_int32",
        """int32_t truncated_to_int32(double x) {
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}""",
    )


def _of_integers() -> Iterator[tuple[str, str]]:
    for dtype, kind in _INTEGERS.items():
        yield f"is_above_{dtype}", f"bool is_above_{dtype}({kind} a, {kind} b) {{\n    return a > b;\n}}"
        unsigned = f"u{kind}" if dtype[0] != "u" else kind
        for name, sign in (("add", "+"), ("subtract", "-"), ("multiply", "*")):
            yield (
                f"{name}_{dtype}",
                f"{kind} {name}_{dtype}({kind} a, {kind} b) {{\n"
                # Without 1u, C would multiply two numbers of 16 bits as int, which may overflow.
                f"    return ({kind})(1u * ({unsigned})a {sign} ({unsigned})b);\n}}",
            )
        for name, sign in (("smaller", "<"), ("larger", ">")):
            yield f"{name}_{dtype}", f"{kind} {name}_{dtype}({kind} a, {kind} b) {{\n    return a {sign} b ? a : b;\n}}"
        minus = f"b == -1 ? ({kind})(0 - ({unsigned})a) : " if dtype[0] != "u" else ""
        # The outer conversions: what sanitizers add makes gcc warn of the choice between an int and 8 bits.
        yield (
            f"divide_{dtype}",
            f"{kind} divide_{dtype}({kind} a, {kind} b) {{\n    return ({kind})(b == 0 ? 0 : {minus}a / b);\n}}",
        )
        guard = "b == 0 || b == -1" if dtype[0] != "u" else "b == 0"
        yield (
            f"remainder_{dtype}",
            f"{kind} remainder_{dtype}({kind} a, {kind} b) {{\n    return ({kind})({guard} ? 0 : a % b);\n}}",
        )
        yield (
            f"modulo_{dtype}",
            f"""{kind} modulo_{dtype}({kind} a, {kind} b) {{
    const {kind} rest = ({kind})({guard} ? 0 : a % b);
    return ({kind})(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}}"""
            if dtype[0] != "u"
            else f"{kind} modulo_{dtype}({kind} a, {kind} b) {{\n    return ({kind})({guard} ? 0 : a % b);\n}}",
        )
        below = "a == 1 ? 1 : a == -1 ? (b % 2 != 0 ? -1 : 1) : 0" if dtype[0] != "u" else "a == 1 ? 1 : 0"
        yield (
            f"power_{dtype}",
            f"""{kind} power_{dtype}({kind} a, int64_t b) {{
    if (b < 0) {{
        return {below};
    }}
    {unsigned} factor = ({unsigned})a, found = 1;
    for (; b > 0; b /= 2) {{
        found = b % 2 != 0 ? ({unsigned})(1u * found * factor) : found;
        factor = ({unsigned})(1u * factor * factor);
    }}
    return ({kind})found;
}}""",
        )
        absolute = f"x < 0 ? ({kind})(0u - ({unsigned})x) : x" if dtype[0] != "u" else "x"
        yield f"absolute_{dtype}", f"{kind} absolute_{dtype}({kind} x) {{\n    return {absolute};\n}}"
        negative = " - (x < 0)" if dtype[0] != "u" else ""
        yield f"sign_{dtype}", f"{kind} sign_{dtype}({kind} x) {{\n    return ({kind})((x > 0){negative});\n}}"


FUNCTIONS = dict([*_of_floats(), *_of_integers()])


def prelude(code: str) -> str:
    """The functions that `code` calls, each of its own."""
    called = set(re.findall(r"\b([a-z_0-9]+)\(", code))
    return "\n\n".join(f"static inline {text}" for name, text in FUNCTIONS.items() if name in called)
