"""Making float32 files: each is compared with torch on all probe inputs, and on the rows where it does worst."""

from dataclasses import replace
from pathlib import Path

from edge_export.errors import ExportError
from edge_export.formats.choices import Format, Precision
from edge_export.formats.external_data import Content, size_of
from edge_export.formats.onnx_file import load_onnx
from edge_export.formats.torchscript_file import load_torchscript, torchscript_bytes
from edge_export.pipeline.certified import certified
from edge_export.pipeline.plan import Plan
from edge_export.pipeline.reference import Reference
from edge_export.report.reproduce import write_reproduction
from edge_export.results import Export
from edge_export.tensors import Run
from edge_export.verify.certify import FLOAT32_RULE, certificate, reference_batches
from edge_export.verify.compare import compare
from edge_export.verify.comparison import Comparison, ParityError
from edge_export.verify.reference import ProbeReference
from edge_export.verify.reference_rows import room_for_rows
from edge_export.verify.worst_case_search import STEPS, worst_rows


def make_float32(plan: Plan, reference: Reference, kind: Format, onnx: Content, content: Content) -> Export:
    """The float32 file of `kind`, with a certificate.

    Args:
        plan: what it is made for.
        reference: what torch computes.
        kind: ONNX or ORT.
        onnx: the ONNX file, without a certificate.
        content: the file of `kind` that is made of it.

    Raises:
        ParityError: it does not compute what torch computes.
        ExportError: ONNX Runtime cannot load it, or it does not pass its own certificate.
    """
    run = load_onnx(content)
    comparisons = verified(plan, reference, content, run, kind)
    for comparison in comparisons:
        if not comparison.holds:
            plan.choices.note(f"{plan.path(kind, Precision.FLOAT32)} {comparison.exception}")
    # No other device is held to what the file does otherwise than torch.
    probes = [comparison.probe for comparison in comparisons if comparison.holds]
    found = certificate(
        plan.program,
        (),
        comparisons,
        Precision.FLOAT32,
        FLOAT32_RULE,
        None,
        plan.hashes,
        plan.choices.opset,
    )
    room = room_for_rows(found, size_of(content))
    found = replace(found, reference=reference_batches(reference.references, probes, room, run))
    # It holds the weights, as the file that is opened next does.
    del run
    return certified(plan, kind, onnx, found, reference.workload, comparisons)


def make_torchscript(plan: Plan, reference: Reference) -> Export | None:
    """The TorchScript file; None, with a note, if TorchScript cannot hold the module and other formats are made too.

    Raises:
        ParityError, ExportError: it is the only format, and cannot be made or does not compute what torch computes.
    """
    path = plan.path(Format.TORCHSCRIPT, Precision.FLOAT32)
    try:
        content = torchscript_bytes(plan.program)
        run = load_torchscript(content, plan.program)
        comparisons = verified(plan, reference, content, run, Format.TORCHSCRIPT)
    except (ExportError, ParityError) as error:
        # TorchScript is the second format: what it cannot hold does not stop the first.
        if plan.choices.formats == (Format.TORCHSCRIPT,):
            raise
        plan.choices.note(f"{path} is not made: {error}")
        return None
    return Export(path, Format.TORCHSCRIPT, Precision.FLOAT32, content, comparisons, None, None)


def verified(plan: Plan, reference: Reference, content: Content | None, run: Run, kind: Format) -> list[Comparison]:
    """How a float32 file does against torch, also on the rows on which it does worst.

    Args:
        plan: what it is made for.
        reference: what torch computes.
        content: the file, for the script that shows a mismatch; None if there is no such script for its kind.
        run: computes what it computes.
        kind: what it is.

    Raises:
        ParityError: it does not compute what torch computes.
    """
    path, program, progress = plan.path(kind, Precision.FLOAT32), plan.program, plan.choices.progress
    progress.begin(f"verifying {path.name}", reference.calls + len(STEPS))
    try:
        comparisons = compare(run, reference.probes, program, str(path), progress)
        # With random numbers of its own, so that a file does not depend on what else is made.
        worst = worst_rows(run, reference.references, reference.sampler.again(seed=1), progress)
        if worst is not None:
            references = reference.references
            calls = tuple(map(references.of_call, worst.calls))
            comparisons += compare(run, [ProbeReference(worst, calls, references.of_call_closely)], program, str(path))
    except ParityError as error:
        if content is not None:
            _write_reproduction(plan, path, content, error)
        raise
    return comparisons


def _write_reproduction(plan: Plan, path: Path, content: Content, error: ParityError) -> None:
    if plan.choices.reproduce is not None and error.comparison.worst is not None:
        name = f"refused{path.suffix}"
        write_reproduction(plan.choices.reproduce, plan.program, name, content, error.comparison.worst)
