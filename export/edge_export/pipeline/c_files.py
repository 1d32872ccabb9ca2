"""Making C code: compiled in several ways, compared with torch in each, and tested on its own reference rows."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto

from edge_export.c_code.compiler import builds, load_c, passes, sanitized_builds, write_c
from edge_export.c_code.cortex_m import CORES, Footprint, footprint
from edge_export.c_code.extension import built_extension, extension_source, loaded, run_of
from edge_export.c_code.files import CCode, c_code, c_test
from edge_export.c_code.row_calls import load_rows
from edge_export.c_code.static_graph import static_graph
from edge_export.c_code.wheel import wheel
from edge_export.capture.program import Program, state_of
from edge_export.errors import ExportError
from edge_export.formats.choices import Format, Precision
from edge_export.options import file_paths
from edge_export.pipeline.float32 import verified
from edge_export.pipeline.plan import Plan
from edge_export.pipeline.reference import Reference
from edge_export.results import Export
from edge_export.tensors import BATCH, Run
from edge_export.verify.certify import reference_batches
from edge_export.verify.compare import compare
from edge_export.verify.comparison import Comparison
from edge_export.verify.reference_rows import MOST_BYTES
from edge_runtime.contract.terminal import one_line

# A compiler takes a second and 200 MB for each million numbers, in each of the ways in which it is tried.
_MOST_WEIGHTS = 16 * 2**20
# A thread has 8 MiB of stack where Linux is as it comes, and a program that takes more ends without a word.
_MOST_STACK = 4 * 2**20
# Roughly in nanoseconds: letting other threads run takes 50 of them.
_LONG = 2000


@dataclass(frozen=True)
class VerifiedCode:
    """C code that computes what torch computes.

    Attributes:
        code: the code.
        test: the program that replays its reference rows.
        comparisons: how it did against torch, each kind of rows as compiled and called in the way that does worst.
        run: computes what it computes, called with tensors.
    """

    code: CCode
    test: str
    comparisons: list[Comparison]
    run: Run


def verified_code(plan: Plan, reference: Reference, model: ModelProto) -> VerifiedCode:
    """The C code of a model, compared with torch as every compiler makes it.

    Args:
        plan: what it is made for.
        reference: what torch computes.
        model: the float32 model, which takes codes.

    Raises:
        ParityError: as compiled in one of the ways, it does not compute what torch computes.
        ExportError: there is no C code for an operator, an input has no fixed size, the weights or what a call takes of
            the stack are too large, there is no compiler, or it does not pass its own test.
    """
    program, progress = plan.program, plan.choices.progress
    path = plan.path(Format.C, Precision.FLOAT32)
    _check_sizes(program)
    progress.begin(f"writing {path.name}")
    commands = builds()
    code = c_code(static_graph(model, {BATCH: 1}), program.signature, path.stem)
    _check_outputs(code, program)
    _check_stack(code)
    comparisons, run = _compared(plan, reference, code, path, commands)
    for comparison in comparisons:
        if not comparison.holds:
            plan.choices.note(f"{path} {comparison.exception}")
    probes = [comparison.probe for comparison in comparisons if comparison.holds]
    test = c_test(code, program.signature, reference_batches(reference.references, probes, MOST_BYTES, run))
    check_test(plan, code, test, path)
    return VerifiedCode(code, test, comparisons, run)


def check_test(plan: Plan, code: CCode, test: str, path: Path) -> None:
    """Run the test of C code as every compiler makes it, and under sanitizers.

    Raises:
        ExportError: it fails.
    """
    commands = [*builds(), *sanitized_builds()]
    plan.choices.progress.begin(f"running the test of {path.name}", len(commands))
    for command in commands:
        if (failure := passes(code, test, command)) is not None:
            raise ExportError(f"{path}, compiled by {' '.join(command)}, does not pass its own test: {failure}")
        plan.choices.progress.advance()


def make_c(plan: Plan, made: VerifiedCode) -> Export:
    """The source of a model, with its header and its test."""
    path, header, test = file_paths(plan.folder, plan.stem, Format.C, Precision.FLOAT32)
    source, beside = made.code.source.encode(), {header: made.code.header.encode(), test: made.test.encode()}
    found = footprints(plan, made.code, made.test)
    return Export(
        path, Format.C, Precision.FLOAT32, source, made.comparisons, None, None, beside=beside, footprints=found
    )


def footprints(plan: Plan, code: CCode, test: str) -> list[Footprint]:
    """What code needs on emulated microcontrollers, for a report; empty if there is no report or no emulator.

    Raises:
        ExportError: its test fails on one.
    """
    found: list[Footprint] = []
    if plan.choices.report is None:
        return found
    with tempfile.TemporaryDirectory(prefix="edge-export-") as name:
        folder = Path(name)
        write_c(code, folder)
        (folder / f"{code.name}_test.c").write_text(test)
        for core in CORES:
            plan.choices.progress.begin(f"running the test of {code.name}.c on a {core.name}")
            try:
                one = footprint(folder, code.name, core)
            except ExportError as error:  # most models are too large for the smallest one
                plan.choices.note(f"{code.name}.c is not measured on every microcontroller: {error}")
                continue
            if one is not None and not one.passed:
                raise ExportError(f"{code.name}.c does not pass its own test on a {core.name}: {one_line(one.said)}")
            found += [] if one is None else [one]
    return found


def make_extension(plan: Plan, reference: Reference, made: VerifiedCode) -> Export:
    """The wheel with a module of Python that answers rows; its answers are compared with torch again.

    Raises:
        ParityError: it does not compute what torch computes.
        ExportError: the program is not for tables, the module cannot be compiled, or does not pass its own test.
    """
    path, signature = plan.path(Format.EXTENSION, Precision.FLOAT32), plan.program.signature
    if signature is None or not signature.has_features:
        raise ExportError("an extension answers rows of a table, and this module takes tensors; export c")
    plan.choices.progress.begin(f"compiling {path.name}")
    is_long = reference.workload is not None and reference.workload.cost > _LONG
    binary = built_extension(made.code, extension_source(made.code, signature, is_long), made.test)
    module = loaded(binary, made.code.prefix)
    comparisons = verified(plan, reference, None, run_of(module, signature, made.run), Format.EXTENSION)
    if not module.verify():
        raise ExportError(f"{path} does not pass its own test")
    return Export(path, Format.EXTENSION, Precision.FLOAT32, wheel(binary, plan.stem), comparisons, None, None)


def _check_sizes(program: Program) -> None:
    """See that C's rows and arrays can hold what the program takes, and that a compiler can hold its weights.

    Raises:
        ExportError: they cannot.
    """
    has_rows = program.signature is not None and program.signature.has_features
    for spec in program.inputs:
        if has_rows and spec.dtype not in (np.float32, np.int64):
            raise ExportError(
                f"C code answers rows of a table in float32, and {spec.name!r} is {spec.dtype}; export the module in "
                "float32 (module.float()), or export onnx"
            )
        for axis in spec.shape:
            if isinstance(axis, str) and axis != BATCH:
                raise ExportError(
                    f"C code takes inputs of fixed sizes, but the axis {axis!r} of {spec.name!r} may have any; give "
                    "that axis no name in --dynamic (dynamic=...)"
                )
    size = sum(tensor.nbytes for tensor in state_of(program.exported).values())
    if size > _MOST_WEIGHTS:
        raise ExportError(
            f"C code is for small models: at most {_MOST_WEIGHTS / 2**20:.0f} MiB of weights, and these are "
            f"{size / 2**20:.0f}; export onnx or ort"
        )


def _check_outputs(code: CCode, program: Program) -> None:
    for value in code.outputs if program.is_batched else ():
        if value.shape[:1] != (1,):
            raise ExportError(
                f"C code computes one row at a time, but the output {value.name!r} belongs to the whole batch"
            )


def _check_stack(code: CCode) -> None:
    if code.working_bytes > _MOST_STACK:
        raise ExportError(
            f"C code is for small models: a call may take {_MOST_STACK / 2**20:.0f} MiB of the stack, and this one "
            f"takes {code.working_bytes / 2**20:.1f}; export onnx or ort"
        )


def _compared(
    plan: Plan, reference: Reference, code: CCode, path: Path, commands: Sequence[Sequence[str]]
) -> tuple[list[Comparison], Run]:
    """How the code does against torch, each kind of rows as compiled and called in the way that does worst.

    Also computes what the code computes, called with tensors.
    """
    program, progress = plan.program, plan.choices.progress
    named = (
        (f"{function} of {path}, compiled by {' '.join(command)},", run)
        for command in commands
        for function, run in calls(plan, code, command).items()
    )
    _, first = next(named)
    comparisons = verified(plan, reference, None, first, Format.C)
    for name, run in named:
        progress.begin(f"verifying {name.removesuffix(',')}", reference.calls)
        for place, comparison in enumerate(compare(run, reference.probes, program, name, progress)):
            if comparison.tolerance_used > comparisons[place].tolerance_used:
                comparisons[place] = comparison
    return comparisons, first


def calls(plan: Plan, code: CCode, command: Sequence[str]) -> dict[str, Run]:
    """The ways in which code is called: with tensors, and with the rows of a table. Their names are the functions'.

    Raises:
        ExportError: it cannot be compiled, or strings or labels do not mean what the signature says.
    """
    program = plan.program
    run = load_c(code, command, program.is_batched)
    found = {f"{code.prefix}_run": run}
    if program.signature is not None and program.signature.has_features:
        found[f"{code.prefix}_predict"] = load_rows(code, program.signature, command, run)
    return found
