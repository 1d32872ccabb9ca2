"""One HTML page on an export: what was made, and how it did against torch."""

import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from edge_export.budget import Budget
from edge_export.capture.program import Program
from edge_export.formats.choices import Format
from edge_export.formats.string_inputs import string_features
from edge_export.formats.torchscript_file import load_torchscript
from edge_export.report.figures import errors_figure, sizes_figure, times_figure, tolerance_figure
from edge_export.report.regions import Plane, Regions, plane, regions
from edge_export.results import Export
from edge_export.tensors import Run
from edge_export.verify.quantization_budget import MANY
from edge_runtime import Certificate, Predictor
from edge_runtime.contract.dates import date_text
from edge_train.pages.template import filled_in


def write_report(program: Program, exports: Sequence[Export], budget: Budget, is_given: bool) -> str:
    """An HTML page on files that passed: what they are, what was compared, and how close to torch they are.

    It needs nothing else: no other file, no network, no scripts. The same files give the same page, apart from the
    times that were measured.

    Args:
        program: what was exported.
        exports: the files made of it.
        budget: what lower precisions may cost.
        is_given: whether they were measured on rows that the user gave.
    """
    compared = [made for made in exports if made.comparisons]
    certified = [made for made in exports if made.certificate is not None]
    measured = [made for made in exports if made.measured is not None]
    comparisons = [comparison for made in compared for comparison in made.comparisons]
    drawn = plane(program)
    return filled_in(
        "edge_export.report",
        "page.html.j2",
        program=program,
        outputs=_outputs(program),
        strings=string_features(program.signature),
        exports=exports,
        compared=compared,
        measured=measured,
        budget=budget,
        is_given=is_given,
        footprints=any(made.footprints for made in exports),
        certified=certified,
        rules={made.precision: made.certificate.tolerance_rule for made in exports if made.certificate is not None},
        elements=sum(comparison.errors.size - comparison.excluded for comparison in comparisons),
        tolerance_used=max((comparison.tolerance_used for comparison in comparisons), default=0.0),
        plane=drawn,
        regions=[] if drawn is None else _regions(program, exports, drawn),
        sizes=sizes_figure(exports) if measured else None,
        times_figure=times_figure(measured, program.is_batched) if measured else None,
        many=MANY,
        sha256=lambda made: hashlib.sha256(made.content).hexdigest(),
        errors_figure=errors_figure,
        tolerance_figure=tolerance_figure,
        reference_rows=_reference_rows,
        date_text=date_text,
        quote=shlex.quote,
    )


def _outputs(program: Program) -> list[tuple[str, str, str]]:
    """The name, type and shape of each output, in the dimensions that the inputs have."""
    signature, graph = program.exported.graph_signature, program.exported.graph
    values = {node.name: node.meta.get("val") for node in graph.nodes if node.op == "placeholder"}
    taken = [value for name in signature.user_inputs if isinstance(value := values.get(str(name)), Tensor)]
    dimensions = {
        str(symbol): name
        for spec, value in zip(program.inputs, taken, strict=True)
        for name, symbol in zip(spec.shape, value.shape, strict=True)
    }
    nodes = graph.output_node().args[0]
    given = [value for node in nodes if isinstance(value := getattr(node, "meta", {}).get("val"), Tensor)]

    def named(symbol: re.Match[str]) -> str:
        return str(dimensions.get(symbol[0], symbol[0]))

    return [
        (
            name,
            str(value.dtype).removeprefix("torch."),
            ", ".join(re.sub(r"[A-Za-z_]\w*", named, str(size)) for size in value.shape),
        )
        for name, value in zip(program.outputs, given, strict=True)
    ]


def _regions(program: Program, exports: Sequence[Export], drawn: Plane) -> list[tuple[Export, Regions]]:
    """The regions of one file in each precision, since all formats of one hold the same numbers."""
    assert program.signature is not None
    output = program.signature.output
    of_torch = drawn.run(program.try_run, output)
    if of_torch is None:
        return []
    first = {made.precision: made for made in reversed(exports) if made.format not in (Format.C, Format.EXTENSION)}
    found = []
    for made in exports:
        if made is first.get(made.precision):
            values = drawn.run(_run(program, made), output)
            assert values is not None
            found.append((made, regions(drawn, of_torch, values, program.signature, made.path.name)))
    return found


def _reference_rows(certificate: Certificate) -> list[tuple[str, int]]:
    """How many reference rows of each kind there are."""
    rows: Counter[str] = Counter()
    for batch in certificate.reference:
        rows[batch.kind] += batch.rows
    return list(rows.items())


def _run(program: Program, made: Export) -> Run:
    if made.format == Format.TORCHSCRIPT:
        return load_torchscript(made.content, program)
    # The report is written before the files are in place.
    model = made.content if made.data is None else made.data.with_suffix("")
    return Predictor(model, device="cpu", threads=1).run
