"""Calls that the module itself takes: only on these can anything be compared, and there must be enough of them."""

from collections.abc import Sequence
from dataclasses import replace

from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.tensors import Tensors, repeated
from edge_export.verify.probe_kinds import OTHER_LENGTHS, ProbeInputs


def runnable(program: Program, probe: ProbeInputs) -> ProbeInputs:
    """`probe` without the calls on which the module itself fails; these are counted."""
    failures = [program.failure(call) for call in probe.calls]
    calls = tuple(call for call, failure in zip(probe.calls, failures, strict=True) if failure is None)
    problem = next((failure for failure in failures if failure is not None), "")
    return replace(probe, calls=calls, not_run=len(failures) - len(calls), problem=problem)


def check_enough(program: Program, drawn: Sequence[Tensors], probe: ProbeInputs) -> None:
    """See that the module takes most of the ordinary calls that were drawn.

    A size that it does not take, such as a batch of one row, does not count against what was drawn.

    Args:
        program: the program.
        drawn: the calls that were drawn.
        probe: the ordinary calls that the module takes, these and others, such as the example.

    Raises:
        ExportError: it takes none of the drawn calls, or less than half of those of a size that it takes.
    """
    kept = {id(call) for call in probe.calls}
    failed = [call for call in drawn if id(call) not in kept]
    if not failed:
        return
    ran = len(drawn) - len(failed)
    at_fault = sum(program.failure(_example_of_size(program, call)) is None for call in failed)
    if ran and at_fault <= ran:
        return
    raise ExportError(
        f"the module itself fails on {len(failed)} of {len(drawn)} calls drawn as {probe.kind}, so that it cannot be "
        f"compared on them: {probe.problem}; say what its inputs may be, with --ranges (ranges={{'input': (low, high)}}"
        "), with rows in --data (data=...), or in Python with a function that draws them (sampler=...)"
    )


def failures(probes: Sequence[ProbeInputs]) -> str | None:
    """In one line, on how many calls of which kinds the module itself failed; None if it ran on all.

    Other lengths do not count: those that the module does not take are among them on purpose.
    """
    failing = [probe for probe in probes if probe.not_run and probe.kind != OTHER_LENGTHS]
    if not failing:
        return None
    counts = ", ".join(f"{probe.not_run} of {probe.not_run + len(probe.calls)} with {probe.kind}" for probe in failing)
    return f"the module itself fails on some calls, which are not compared ({counts}): {failing[0].problem}"


def _example_of_size(program: Program, call: Tensors) -> Tensors:
    """The example, repeated or cut to the sizes of `call`."""
    found = {}
    for name, values in program.example.items():
        for axis, size in enumerate(call[name].shape):
            values = repeated(values, axis, size)
        found[name] = values
    return found
