"""Functions that code calls."""

from pathlib import Path

import pytest

from edge_export.c_code.compiler import WARNINGS, compile_c, compilers, sanitized_builds
from edge_export.c_code.prelude import FUNCTIONS, prelude


def test_only_what_is_called_is_written_out() -> None:
    assert prelude("y = x;") == ""
    written = prelude("y[0] = sigmoid_float32(x[0]);")
    assert "float sigmoid_float32(float x)" in written
    assert written.count("static inline") == 1


def test_all_of_them_compile_without_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "all.c"
    calls = " ".join(f"{name}(" for name in FUNCTIONS)
    source.write_text(
        "#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
        f"{prelude(calls)}\nint main(void) {{\n    return 0;\n}}\n"
    )
    for command in [*compilers(), *sanitized_builds()]:
        # clang warns of inline functions that nobody calls.
        compile_c((*command, *WARNINGS, "-Wno-unused-function"), [source], tmp_path / "all")


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_name_is_the_one_it_is_called_by(name: str) -> None:
    assert f" {name}(" in FUNCTIONS[name].splitlines()[0]
