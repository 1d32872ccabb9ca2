"""Types, numbers and names as C99 writes them."""

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from edge_export.errors import ExportError

C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
    "uint32": "uint32_t",
    "uint64": "uint64_t",
    "bool": "bool",
}

# https://en.cppreference.com/w/c/keyword and https://en.cppreference.com/w/cpp/keyword, so that C++ can include the
# header; and the names of math.h and of the code itself.
_RESERVED = """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while _Bool bool
    true false NAN INFINITY alignas alignof and and_eq asm bitand bitor catch class compl concept consteval constexpr
    constinit const_cast co_await co_return co_yield decltype delete dynamic_cast explicit export friend mutable
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast requires
    static_assert static_cast template this thread_local throw try typeid typename using virtual wchar_t xor xor_eq
    abs acos acosh asin asinh assert at atan atan2 atanh cbrt ceil copysign cos cosh erf erfc errno exp exp2 expm1 fabs
    floor fma fmax fmin fmod frexp gamma hypot i index isfinite isinf isnan j j0 j1 jn k l labs ldexp lgamma linux
    llabs llrint llround log log10 log1p log2 logb lrint lround m main memcpy memset modf n nan nearbyint nextafter o
    p pow q r remainder remquo rint round s scalbn signbit signgam sin sinh sqrt strcmp strlen tan tanh tgamma trunc
    truncated unix y0 y1 yn
    NULL INT8_MIN INT16_MIN INT32_MIN INT64_MIN INT64_MAX UINT32_MAX INT64_C UINT32_C UINT64_C
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ptrdiff_t
"""
# Those of math.h are also there for float and for long double: expf, expl.
_MARKS = ("", "f", "l")


def c_type(dtype: np.dtype[Any]) -> str:
    """The type of an element in C.

    Raises:
        ExportError: there is none, as for float16 and strings.
    """
    if dtype.name not in C_TYPES:
        raise ExportError(f"C has no type for {dtype.name}")
    return C_TYPES[dtype.name]


def literal(value: Any, dtype: np.dtype[Any]) -> str:
    """One element as a constant that C reads back bit for bit."""
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        number = int(value)
        if number == -(2**63):
            return "INT64_MIN"
        if dtype.itemsize == 8 and not -(2**31) <= number < 2**31:
            return f"{'' if dtype.kind == 'i' else 'U'}INT64_C({number})"
        return f"{number}u" if dtype.kind == "u" and number > 127 else str(number)
    if math.isnan(value):
        return "NAN"
    if math.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    text = np.format_float_scientific(value, trim="0") if value and not 1e-4 <= abs(value) < 1e9 else str(value)
    return f"{text}f" if dtype == np.float32 else text


class Names:
    """Gives every name in C once."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        """Begin with names that are taken besides C's own."""
        self._taken = {f"{name}{mark}" for name in _RESERVED.split() for mark in _MARKS} | {*reserved}

    def new(self, wanted: str, *endings: str) -> str:
        """An identifier like `wanted`, which may be any text; with each of the `endings` it is given once, too."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII).strip("_") or "value"
        base = f"_{base}"[base[0].isalpha() :]
        if base.startswith("_"):
            # Such names belong to the compiler.
            base = f"value{base}"
        name, count = base, 2
        while not self._taken.isdisjoint(given := [name, *(f"{name}{ending}" for ending in endings)]):
            name, count = f"{base}_{count}", count + 1
        self._taken.update(given)
        return name


def comment(text: str) -> str:
    """`text` as it can stand in a comment: in one line, without the marks that begin and end one."""
    return "".join(one if one.isprintable() else " " for one in text).replace("*/", "* /").replace("/*", "/ *")


_STRING_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """A string of UTF-8 as C writes it; what is not ASCII in octal, so that no compiler's character set matters."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in _STRING_ESCAPES:
        return _STRING_ESCAPES[character]
    # A question mark might begin a trigraph.
    return character if 32 <= byte < 127 and character != "?" else f"\\{byte:03o}"
