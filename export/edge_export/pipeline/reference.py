"""What torch computes on the probe inputs: what every file of an export is compared with."""

from dataclasses import dataclass

from edge_export.capture.diagnostics import cause
from edge_export.errors import ExportError
from edge_export.formats.choices import Precision
from edge_export.pipeline.plan import Plan
from edge_export.verify.constant_outputs import constant_outputs
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.row_independence import workload
from edge_export.verify.runnable_calls import failures
from edge_export.verify.sampler import Sampler
from edge_runtime.contract.workload import Workload


@dataclass(frozen=True)
class Reference:
    """What torch computes.

    Attributes:
        references: computes it.
        sampler: draws inputs for the program.
        probes: the probe inputs of every kind, with what torch computes for them.
        workload: what a row takes; None if the program has no batch.
    """

    references: References
    sampler: Sampler
    probes: tuple[ProbeReference, ...]
    workload: Workload | None

    @property
    def calls(self) -> int:
        """How many calls the probe inputs have."""
        return sum(len(reference.calls) for reference in self.probes)


def make_reference(plan: Plan) -> Reference:
    """Run the program of `plan` on probe inputs, in float32, in float64, and with random roundings.

    Raises:
        ExportError: the module fails on its data or its example, or cannot be run in float64.
    """
    progress = plan.choices.progress
    progress.begin("drawing probe inputs")
    references = References(plan.program, plan.choices.finite_only)
    sampler = Sampler(plan.program, plan.data, stated=plan.ranges, own=plan.sampler)
    _check_data(plan, sampler)
    choices = plan.choices
    for name, value in sampler.kept.items():
        choices.note(
            f"the input {name!r} is {value} everywhere in the example, and nothing else was compared: give rows with "
            "others by --data, ranges or a sampler"
        )
    probes = all_probe_inputs(sampler, references.exact, choices.finite_only, choices.require_nonfinite)
    if (line := failures(probes)) is not None:
        choices.note(line)
    progress.begin("running torch in float64", sum(len(probe.calls) for probe in probes))
    found = references.of_probes(probes, progress)
    for name in constant_outputs([{name: call[name].float64 for name in call} for call in found[0].calls]):
        choices.note(
            f"the output {name!r} is the same for all {probes[0].kind}, so that they test little of it: is its last "
            "layer zero-initialised?"
        )
    return Reference(references, sampler, tuple(found), workload(plan.program, references.exact, probes))


def _check_data(plan: Plan, sampler: Sampler) -> None:
    """See that the module takes the data: rows on which it fails could not be compared."""
    if plan.data is None:
        return
    rows = plan.data
    if plan.choices.precisions == (Precision.FLOAT32,) and plan.program.is_batched:
        rows = {name: values[: sampler.most_rows] for name, values in rows.items()}
    try:
        plan.program.run(rows)
    except Exception as error:
        raise ExportError(f"the module itself fails on the data: {cause(error)}") from error
