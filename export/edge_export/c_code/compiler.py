"""Compiles C code on this machine and calls it, to hold it to torch."""

import ctypes
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_export.c_code.files import CCode
from edge_export.c_code.literals import c_type
from edge_export.errors import ExportError
from edge_export.tensors import Run, Tensors
from edge_runtime.contract.terminal import one_line

# What must say nothing about the code that people put into their own programs.
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-pedantic")
# Whether a product and a sum are rounded once or twice differs from compiler to compiler and from device to device.
_LEVELS, _ROUNDINGS = ("-O2", "-O3"), (("-ffp-contract=off",), ("-ffp-contract=fast", "-march=native"))
_SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compilers() -> list[tuple[str, ...]]:
    """The commands of this machine's C compilers: what the environment variable CC says, or gcc and clang, or cc.

    Raises:
        ExportError: there is none.
    """
    if named := os.environ.get("CC"):
        return [tuple(shlex.split(named))]
    for names in (("gcc", "clang"), ("cc",)):
        if found := [path for name in names if (path := shutil.which(name))]:
            return [(path,) for path in found]
    raise ExportError("C code is compiled to verify it, and there is no C compiler; install gcc or clang")


def builds() -> list[tuple[str, ...]]:
    """The commands and options with which code is compiled to be verified.

    Raises:
        ExportError: there is no compiler.
    """
    return [
        (*command, level, *(option for option in options if _takes(command, option)))
        for command in compilers()
        for level in _LEVELS
        for options in _ROUNDINGS
    ]


def sanitized_builds() -> list[tuple[str, ...]]:
    """The commands and options that make programs which end when they do what C leaves undefined; may be empty.

    Raises:
        ExportError: there is no compiler.
    """
    return [(*command, *_SANITIZERS) for command in compilers() if _takes(command, *_SANITIZERS)]


@functools.cache
def _takes(command: tuple[str, ...], *options: str) -> bool:
    """Whether a compiler makes programs with these options."""
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        source = Path(folder, "empty.c")
        source.write_text("int main(void) {\n    return 0;\n}\n")
        try:
            compile_c((*command, *options), [source], Path(folder, "empty"))
        except ExportError:
            return False
    return True


def compile_c(command: Sequence[str], sources: Sequence[Path], output: Path, standard: str = "c99") -> None:
    """Compile C with a command, and link it if there is no -c in that.

    Raises:
        ExportError: the compiler has failed; the message has its first one.
    """
    libraries = [] if "-c" in command else ["-lm"]
    line = [*command, f"-std={standard}", "-o", str(output), *map(str, sources), *libraries]
    try:
        result = subprocess.run(line, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise ExportError(f"{command[0]} cannot be run: {error.strerror}") from error
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if "error" in line] or result.stderr.splitlines()
        raise ExportError(f"{command[0]} cannot compile the C code: {one_line(lines[0] if lines else 'no message')}")


def write_c(code: CCode, folder: Path) -> Path:
    """Write the header and the source into a folder; returns the path of the source."""
    (folder / f"{code.name}.h").write_text(code.header)
    source = folder / f"{code.name}.c"
    source.write_text(code.source)
    return source


def load_c(code: CCode, command: Sequence[str], is_batched: bool) -> Run:
    """The model in C, compiled with `command`; row by row if tensors are batches of rows.

    Raises:
        ExportError: it cannot be compiled.
    """
    function = load_library(code, _rows(code), command).rows
    function.argtypes = [ctypes.c_int64, *(ctypes.c_void_p for _ in (*code.inputs, *code.outputs))]
    function.restype = ctypes.c_int64

    def run(tensors: Tensors) -> Tensors:
        given = [np.ascontiguousarray(tensors[value.name], value.dtype) for value in code.inputs]
        count = len(given[0]) if is_batched else 1
        shapes = [(count, *value.shape[1:]) if is_batched else value.shape for value in code.outputs]
        found = [np.empty(shape, value.dtype) for shape, value in zip(shapes, code.outputs, strict=True)]
        if function(count, *(array.ctypes.data for array in (*given, *found))) != count:
            raise ExportError("the C code looks something up at a place that does not exist")
        return {value.name: array for value, array in zip(code.outputs, found, strict=True)}

    return run


def load_library(code: CCode, more: str, command: Sequence[str]) -> ctypes.CDLL:
    """The model and the source `more`, which calls it, compiled with `command`.

    Raises:
        ExportError: they cannot be compiled.
    """
    with tempfile.TemporaryDirectory(prefix="edge-export-") as name:
        # Loaded code stays when its file goes.
        return ctypes.CDLL(str(_built(code, more, command, Path(name), "-shared")))


def passes(code: CCode, test: str, command: Sequence[str]) -> str | None:
    """What the test of a model prints if it fails, compiled with `command`; None if it passes.

    Raises:
        ExportError: it cannot be compiled.
    """
    with tempfile.TemporaryDirectory(prefix="edge-export-") as name:
        program = _built(code, test, command, Path(name))
        result = subprocess.run([program], capture_output=True, text=True, errors="replace")
    return None if result.returncode == 0 else one_line(result.stdout + result.stderr)


def _built(code: CCode, more: str, command: Sequence[str], folder: Path, *linking: str) -> Path:
    """The model and the source `more`, which calls it, as one program, or as what the options of `linking` make."""
    sources = [folder / "model.o", folder / "more.c"]
    sources[0].write_bytes(_object(code.name, code.header, code.source, tuple(command)))
    sources[1].write_text(more)
    (folder / f"{code.name}.h").write_text(code.header)
    compile_c((*command, *WARNINGS, "-fPIC", *linking), sources, output := folder / "built")
    return output


# A model is compiled once for each of `builds`, and linked with what calls it and with its test.
@functools.lru_cache(maxsize=8)
def _object(name: str, header: str, source: str, command: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edge-export-") as made:
        folder = Path(made)
        (folder / f"{name}.h").write_text(header)
        (folder / "model.c").write_text(source)
        compile_c((*command, *WARNINGS, "-fPIC", "-c"), [folder / "model.c"], output := folder / "model.o")
        return output.read_bytes()


def _rows(code: CCode) -> str:
    """A function in C that calls the model for each row, and returns for how many there is an answer."""
    values = [*((value, "const ") for value in code.inputs), *((value, "") for value in code.outputs)]
    parameters = ", ".join(f"{before}{c_type(value.dtype)} *a{place}" for place, (value, before) in enumerate(values))
    arguments = ", ".join(f"a{place} + row * {value.size}" for place, (value, _) in enumerate(values))
    return f"""#include "{code.name}.h"

int64_t rows(int64_t count, {parameters});

int64_t rows(int64_t count, {parameters}) {{
    int64_t row = 0;
    while (row < count && {code.prefix}_run({arguments}) == 0) {{
        row++;
    }}
    return row;
}}
"""
