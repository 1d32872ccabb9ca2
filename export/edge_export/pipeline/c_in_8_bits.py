"""Making C code with weights in 8 bits: a quarter of the memory, measured against float32 and held to a budget."""

from onnx import ModelProto

from edge_export.c_code.compiler import builds
from edge_export.c_code.files import c_code, c_test
from edge_export.c_code.static_graph import static_graph
from edge_export.formats.choices import Format, Precision
from edge_export.options import file_paths
from edge_export.pipeline.c_files import VerifiedCode, calls, check_test, footprints
from edge_export.pipeline.lower_precision import calls_to_measure
from edge_export.pipeline.plan import Plan
from edge_export.pipeline.reference import Reference
from edge_export.results import Export
from edge_export.tensors import BATCH
from edge_export.verify.certify import quantized_reference_batch
from edge_export.verify.quantization_budget import check_budget, measure_change, measure_runs
from edge_export.verify.reference_rows import MOST_BYTES


def make_c_in_8_bits(plan: Plan, reference: Reference, model: ModelProto, float32: VerifiedCode) -> Export:
    """The C code of a model with its weights in 8 bits; everything else is computed in float32.

    Args:
        plan: what it is made for.
        reference: what torch computes.
        model: the float32 model, which takes codes.
        float32: its code in float32, which it is measured against.

    Raises:
        ExportError: there are too few rows, or the code does not pass its own test.
        BudgetExceeded: the answers change by more than the budget.
    """
    program, budget = plan.program, plan.choices.budget
    path, header, test = file_paths(plan.folder, plan.stem, Format.C, Precision.INT8)
    plan.choices.progress.begin(f"writing {path.name} and measuring it")
    code = c_code(static_graph(model, {BATCH: 1}), program.signature, path.stem, in_8_bits=True)
    command, *_ = builds()
    run, *others = calls(plan, code, command).values()
    _, batches = calls_to_measure(plan, reference)
    sizes = float32.code.constant_bytes, code.constant_bytes
    batched = [spec.name for spec in program.inputs] if program.is_batched else []
    measured = measure_runs((float32.run, run), sizes, batches, batched, plan.decide, plan.probabilities)
    check_budget(measured.change, budget, Precision.INT8)
    expected = list(map(float32.run, batches))
    for other in others:
        change = measure_change(expected, list(map(other, batches)), plan.decide, plan.probabilities)
        check_budget(change, budget, Precision.INT8)
    batch = quantized_reference_batch(program, run, batches, measured.change, budget, plan.probabilities, MOST_BYTES)
    content = c_test(code, program.signature, [batch])
    check_test(plan, code, content, path)
    beside = {header: code.header.encode(), test: content.encode()}
    found = footprints(plan, code, content)
    source = code.source.encode()
    return Export(path, Format.C, Precision.INT8, source, [], measured, None, beside=beside, footprints=found)
