"""Compilers: which there are, what they are told, and what they say."""

from pathlib import Path

import numpy as np
import pytest
from c_models import code_of, model_of
from onnx import helper

from edge_export.c_code.compiler import builds, compile_c, compilers, load_c, passes, sanitized_builds
from edge_export.c_code.files import c_test
from edge_export.errors import ExportError
from edge_runtime import ReferenceBatch

X = np.array([1, -2, 3], np.float32)


def test_every_compiler_tries_both_levels_and_both_roundings() -> None:
    found = builds()
    assert len(found) == 4 * len(compilers())
    assert {level for command in found for level in command if level in ("-O2", "-O3")} == {"-O2", "-O3"}
    assert {one for command in found for one in command if "contract" in one} == {
        "-ffp-contract=off",
        "-ffp-contract=fast",
    }


def test_the_compiler_that_is_named_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "cc -m64 'a b'")
    assert compilers() == [("cc", "-m64", "a b")]


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ExportError, match="there is no C compiler; install gcc or clang"):
        builds()


def test_a_compiler_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be run: No such file or directory"):
        compile_c([str(tmp_path / "none")], [], tmp_path / "out")


def test_what_a_compiler_says_is_told_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("int main(void) {\n    return nothing;\n}\n")
    with pytest.raises(ExportError, match=r"cannot compile the C code: .*nothing") as raised:
        compile_c(compilers()[0], [source], tmp_path / "main")
    assert "\n" not in str(raised.value)


def test_rows_are_computed_one_by_one() -> None:
    code = code_of(model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": X[None]}, ["y"]))
    run = load_c(code, compilers()[0], is_batched=True)
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(run({"x": rows})["y"], -rows)
    assert run({"x": rows[:0]})["y"].shape == (0, 3)


def test_a_program_says_why_it_fails() -> None:
    code = code_of(model_of([helper.make_node("Neg", ["x"], ["y"])], {"x": X}, ["y"]))
    batch = ReferenceBatch("rows", {"x": X}, {"y": -X}, {"y": np.full(3, 1e-6, np.float32)})
    test = c_test(code, None, [batch])
    for command in [*builds(), *sanitized_builds()]:
        assert passes(code, test, command) is None
    failing = test.replace("int failed = 0;", "int failed = 1;")
    assert passes(code, failing, compilers()[0]) == (
        "FAILED: 1 reference rows, 1 elements failed, up to 0% of a tolerance used"
    )
