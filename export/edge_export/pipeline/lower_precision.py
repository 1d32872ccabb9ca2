"""Making files in lower precisions: each is measured against float32, and held to a budget."""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import numpy as np
from onnx import ModelProto

from edge_export.errors import ExportError
from edge_export.formats.choices import Format, Precision
from edge_export.formats.external_data import Content, size_of
from edge_export.formats.onnx_file import load_onnx
from edge_export.formats.quantization import to_float16, to_int8, to_int8_dynamic
from edge_export.formats.string_inputs import as_strings
from edge_export.pipeline.certified import certified, content_of, onnx_content
from edge_export.pipeline.plan import Plan
from edge_export.pipeline.reference import Reference
from edge_export.results import Export
from edge_export.tensors import Tensors, count_rows
from edge_export.verify.certify import QUANTIZED_RULE, certificate, quantized_reference_batch
from edge_export.verify.quantization_budget import check_budget, measure
from edge_export.verify.reference_rows import room_for_rows

_MOST_CALIBRATION_ROWS = 512
_DRAWN_ROWS = 1024
# Calls that are drawn for a program without a batch.
_DRAWN_CALLS = 32


def make_lower_precision(
    plan: Plan, reference: Reference, model: ModelProto, float32: Mapping[Format, Content], precision: Precision
) -> list[Export]:
    """The files of `precision`, one of each format in `float32`.

    Args:
        plan: what they are made for.
        reference: what torch computes.
        model: the float32 model, which takes codes.
        float32: the float32 file of each format, without a certificate and without a data file.
        precision: not float32.

    Raises:
        ExportError: the model cannot be converted, or there are too few rows.
        BudgetExceeded: the answers change by more than the budget.
    """
    plan.choices.progress.begin(f"converting to {precision} and measuring it")
    calibration, test = calls_to_measure(plan, reference)
    match precision:
        case Precision.FLOAT16:
            lower = to_float16(model, plan.program.signature)
        case Precision.INT8_DYNAMIC:
            lower = to_int8_dynamic(model)
        case _:
            lower = to_int8(model, calibration, plan.program.signature)
    onnx = onnx_content(lower, plan)
    return [_measured(plan, reference, kind, onnx, baseline, precision, test) for kind, baseline in float32.items()]


def _measured(
    plan: Plan,
    reference: Reference,
    kind: Format,
    onnx: Content,
    baseline: Content,
    precision: Precision,
    test: list[Tensors],
) -> Export:
    program, budget = plan.program, plan.choices.budget
    content = content_of(kind, onnx)
    rows = [as_strings(batch, program.signature) for batch in test]
    # A model with a data file is not converted.
    measured = measure(cast(bytes, baseline), cast(bytes, content), rows, plan.decide, plan.probabilities)
    change = measured.change
    check_budget(change, budget, precision)
    found = certificate(
        program,
        (),
        [],
        precision,
        QUANTIZED_RULE,
        {
            "max_flips": budget.flips,
            "max_change": budget.change,
            "rows": change.rows,
            "flips": change.flips,
            "change": change.largest,
            "data": "given" if plan.data is not None else "drawn",
        },
        plan.hashes,
        plan.choices.opset,
    )
    room = room_for_rows(found, size_of(content))
    batch = quantized_reference_batch(program, load_onnx(content), test, change, budget, plan.probabilities, room)
    found = replace(found, reference=(batch,))
    return certified(plan, kind, onnx, found, reference.workload, measured=measured)


def calls_to_measure(plan: Plan, reference: Reference) -> tuple[list[Tensors], list[Tensors]]:
    """Calls to calibrate on, and others to measure on."""
    data, sampler = plan.data, reference.sampler
    if data is None:
        if not plan.program.is_batched:
            return [], [sampler.draw() for _ in range(_DRAWN_CALLS)]
        return [], [sampler.draw(min(_DRAWN_ROWS, sampler.most_rows))]
    if not plan.program.is_batched:
        return [data], [data]
    rows = count_rows(data)
    if rows < 2:
        raise ExportError("at least two rows of data are needed: one to calibrate on, one to measure on")
    every_other = np.arange(0, rows, 2)[:_MOST_CALIBRATION_ROWS]
    others = np.arange(1, rows, 2)
    return (
        [{name: values[every_other] for name, values in data.items()}],
        [{name: values[others] for name, values in data.items()}],
    )
