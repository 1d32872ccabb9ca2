"""Types, numbers, names and strings as C writes them."""

import math
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_export.c_code.compiler import compile_c, compilers
from edge_export.c_code.literals import C_TYPES, Names, c_type, comment, literal, quoted
from edge_export.errors import ExportError


def printed(folder: Path, *expressions: str) -> list[str]:
    """What C makes of expressions, in hexadecimal digits of their bytes."""
    lines = "".join(f"    show(&({one}), sizeof ({one}));\n" for one in expressions)
    source = folder / "main.c"
    source.write_text(
        "#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n#include <stdio.h>\n"
        "static void show(const void *bytes, unsigned long size) {\n"
        '    for (unsigned long i = 0; i < size; i++) printf("%02x", ((const unsigned char *)bytes)[i]);\n'
        '    printf("\\n");\n}\n'
        f"int main(void) {{\n{lines}    return 0;\n}}\n"
    )
    compile_c(compilers()[0], [source], folder / "main")
    return subprocess.run([folder / "main"], check=True, capture_output=True, text=True).stdout.split()


def test_numbers_are_read_back_bit_for_bit(tmp_path: Path) -> None:
    values: list[Any] = [np.float32(one) for one in (0.1, 1e-45, 3.4e38, -0.0, 1.0, 16777217.0, 1e9, math.inf)]
    values += [np.float64(one) for one in (0.1, 5e-324, -math.inf, 1.7e308)]
    values += [np.int64(one) for one in (-(2**63), 2**63 - 1, -1, 2**31)] + [np.uint64(2**64 - 1), np.uint8(255)]
    values += [np.int8(-128), np.bool_(True), *np.random.default_rng(0).normal(size=40).astype(np.float32)]
    found = printed(tmp_path, *(f"({c_type(one.dtype)}){{{literal(one, one.dtype)}}}" for one in values))
    assert found == [one.tobytes().hex() for one in values]


def test_types() -> None:
    assert all(c_type(np.dtype(name)) == kind for name, kind in C_TYPES.items())
    with pytest.raises(ExportError, match="C has no type for float16"):
        c_type(np.dtype(np.float16))


@given(st.lists(st.text(max_size=6), max_size=20))
def test_every_text_becomes_a_name_of_its_own(wanted: list[str]) -> None:
    names = Names(["taken"])
    made = [names.new(one) for one in [*wanted, "taken", "int", "i", "expf", "a b", "a_b", "2x", "_x"]]
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[A-Za-z]\w*", one, re.ASCII) for one in made)
    assert not {"taken", "int", "i"} & set(made)


@given(st.text())
def test_a_comment_does_not_end_early(text: str) -> None:
    written = comment(text)
    assert "*/" not in written
    assert "/*" not in written
    assert "\n" not in written


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_strings_are_plain_ascii_without_trigraphs(text: str) -> None:
    written = quoted(text)
    assert written.isascii()
    assert "?" not in written
    assert "\n" not in written


def test_strings_are_read_back(tmp_path: Path) -> None:
    texts = ['say "hi"', "back\\slash", "line\nbreak", "Zürich", "??=", "日本", "1\0172", "%d"]
    found = printed(tmp_path, *map(quoted, texts))
    assert found == [f"{one.encode().hex()}00" for one in texts]
