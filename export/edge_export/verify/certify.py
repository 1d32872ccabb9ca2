"""The certificate that an artifact carries: which reference rows it holds, and their tolerances."""

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from edge_export.budget import Budget
from edge_export.capture.program import Program
from edge_export.tensors import Run, Tensors, count_rows, evenly_spaced, largest_magnitude, take
from edge_export.verify.compare import fails
from edge_export.verify.comparison import Comparison
from edge_export.verify.probe_kinds import GENERATED, ProbeInputs
from edge_export.verify.quantization_budget import Change
from edge_export.verify.reference import CallReference, References
from edge_export.verify.reference_rows import (
    MOST_ROWS,
    chosen_batches,
    compact_batch,
    generated_batch,
    whole_batch,
)
from edge_export.verify.tensor_reference import MULTIPLE
from edge_runtime import Certificate, ReferenceBatch, __version__
from edge_runtime.engine.installation import import_onnxruntime

QUANTIZED_RULE = (
    "an output may differ from torch in float64 by twice the largest change that this precision made on the rows it "
    "was measured on, at least by a millionth of the largest output, but not by more than its budget"
)
# Where a precision changes hardly anything, the roundings of another device may change more.
_LEAST_CHANGE = 5e-7
_QUANTIZED_KIND = "rows that the precision was measured on"


FLOAT32_RULE = (
    f"an element may differ from torch in float64 by {MULTIPLE:g} times what float32 can resolve of it: the largest of "
    "how far roundings usually move its output, how far random choices of them move the element, torch float32's own "
    "error there and in its row, and half a unit in its last place"
)


def reference_batches(
    references: References, probes: Sequence[ProbeInputs], most_bytes: int, run: Run
) -> tuple[ReferenceBatch, ...]:
    """Rows of every kind with what torch computes for them, in at most `most_bytes` of the certificate of `run`."""

    def judge(batch: Tensors) -> tuple[Tensors, Tensors]:
        found = references.of_reference_rows(batch)
        # Some rows, such as generated ones, are compared here for the first time.
        if fails(run(batch), found):
            found = references.of_reference_rows(batch, closely=True)
        return _expected_and_tolerance(found)

    return chosen_batches(references.program, probes, most_bytes, judge)


def quantized_reference_batch(
    program: Program,
    run: Run,
    batches: Sequence[Tensors],
    change: Change,
    budget: Budget,
    probabilities: Container[str],
    most_bytes: int,
) -> ReferenceBatch:
    """Rows that a lower precision was measured on, those that it changes most among them, with torch's outputs.

    Each element may differ by twice the largest change that was measured, at most by the budget. Integers and booleans
    must be equal if they were, since the budget accepts that some of them differ.

    Args:
        program: what was exported.
        run: the exported model in the lower precision.
        batches: the calls that it was measured on.
        change: what was measured.
        budget: what it may cost.
        probabilities: the names of the outputs that hold probabilities.
        most_bytes: what the rows may take in a certificate.
    """
    batch = batches[0]
    torch_outputs = program.run(batch)

    def judge(rows: Tensors, most_change: float = budget.change) -> tuple[Tensors, Tensors]:
        expected, tolerance = dict(program.run(rows)), {}
        # A dynamic precision gives other answers for a row beside other rows: these have not been measured yet.
        found = run(rows)
        for name, values in expected.items():
            if values.dtype.kind != "f":
                tolerance[name] = np.where(found[name] == values, 0, np.inf).astype(np.float32)
                continue
            size = 1.0 if name in probabilities else largest_magnitude(torch_outputs[name]) or 1.0
            largest = max(change.largest, largest_magnitude(found[name] - values) / size, _LEAST_CHANGE)
            tolerance[name] = np.full(values.shape, size * min(most_change, 2 * largest), np.float32)
        return expected, tolerance

    if not program.is_batched:
        candidates: Iterable[Tensors] = [batch]
    else:
        candidates = _most_changed(batch, change)
    kind = _QUANTIZED_KIND
    for rows in candidates:
        if (whole := whole_batch(program, kind, rows, most_bytes, judge)) is not None:
            return whole
    found = compact_batch(program, kind, rows, most_bytes, judge)
    # Generated rows were not measured: they may change by more.
    found = found or generated_batch(program, GENERATED, rows, most_bytes, functools.partial(judge, most_change=np.inf))
    assert found is not None, "the module ran on these rows before"
    return found


def _most_changed(batch: Tensors, change: Change) -> Iterator[Tensors]:
    """Rows of `batch`, half of them those that change most: many, and ever fewer down to one."""
    count = count_rows(batch)
    order = np.argsort(-change.changes[:count], kind="stable")
    wanted = min(count, 2 * MOST_ROWS)
    while wanted:
        others = evenly_spaced(count, wanted - wanted // 2)
        yield take(batch, np.unique(np.concatenate([order[: wanted // 2], others])))
        wanted //= 2


def certificate(
    program: Program,
    reference: tuple[ReferenceBatch, ...],
    comparisons: Sequence[Comparison],
    precision: str,
    tolerance_rule: str,
    budget: Mapping[str, Any] | None,
    hashes: Mapping[str, str],
    opset: int,
) -> Certificate:
    """The certificate of an artifact of `program` that was compared with the results `comparisons`."""
    signature = program.signature
    return Certificate(
        precision=precision,
        tolerance_rule=tolerance_rule,
        reference=reference,
        comparisons=tuple(map(_plain, comparisons)),
        budget=budget,
        versions={
            "edge-predict": __version__,
            "torch": torch.__version__,
            "onnx": importlib.metadata.version("onnx"),
            "onnxruntime": import_onnxruntime().__version__,
            "opset": str(opset),
        },
        hashes={**hashes, "weights": weights_sha256(program)},
        signature_sha256=None if signature is None else hashlib.sha256(signature.to_json().encode()).hexdigest(),
    )


def weights_sha256(program: Program) -> str:
    """The SHA-256 of a module's parameters and buffers."""
    state = sorted(program.module.state_dict().items())
    # The others are what a module's get_extra_state adds.
    tensors = {name: value.detach() for name, value in state if isinstance(value, torch.Tensor)}
    # numpy has no bfloat16: its bits are taken.
    return arrays_sha256(
        {name: (t.view(torch.int16) if t.dtype == torch.bfloat16 else t).numpy() for name, t in tensors.items()}
    )


def arrays_sha256(arrays: Tensors) -> str:
    """The SHA-256 over the names, types, shapes and bytes of `arrays`, in their order; of strings, over their JSON."""
    digest = hashlib.sha256()
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        # A large table is hashed as it is, not as a copy.
        digest.update(
            json.dumps(values.tolist()).encode() if values.dtype == object else np.ascontiguousarray(values).data
        )
    return digest.hexdigest()


def _expected_and_tolerance(reference: CallReference) -> tuple[Tensors, Tensors]:
    expected, tolerance = {}, {}
    for name, tensor in reference.items():
        with np.errstate(over="ignore", invalid="ignore"):
            expected[name] = tensor.expected.astype(tensor.float32.dtype)
            if tensor.is_discrete:
                tolerance[name] = tensor.tolerance.astype(np.float32)
                continue
            # What float32 cannot hold of the reference itself must not count against the artifact.
            rounded = np.nan_to_num(np.abs(expected[name] - tensor.expected), nan=0.0, posinf=0.0)
            tolerance[name] = np.nextafter((tensor.tolerance + rounded).astype(np.float32), np.float32(np.inf))
    return expected, tolerance


def _ranges(probe: ProbeInputs) -> dict[str, list[float]]:
    """The smallest and the largest finite number of each input."""
    ranges: dict[str, list[float]] = {}
    for name in probe.calls[0] if probe.calls else ():
        values = np.concatenate([call[name].reshape(-1) for call in probe.calls])
        values = values[np.isfinite(values)]
        if values.size:
            ranges[name] = [float(values.min()), float(values.max())]
    return ranges


def _finite(number: float) -> float | None:
    """`number` if JSON can hold it; an error is infinite where one of two results is NaN."""
    return number if np.isfinite(number) else None


def _plain(comparison: Comparison) -> dict[str, Any]:
    decided = comparison.decided
    return {
        "kind": comparison.probe.kind,
        "required": comparison.is_required,
        "failed": comparison.failed,
        "rows": comparison.rows,
        "calls": len(comparison.probe.calls),
        "not_run": comparison.probe.not_run,
        "inputs": _ranges(comparison.probe),
        "torch_error": _finite(comparison.torch_error),
        "error": _finite(comparison.error),
        "tolerance": comparison.largest_tolerance,
        "tolerance_used": _finite(comparison.tolerance_used),
        "decided": None if decided is None else list(decided),
        "excluded": comparison.excluded,
    }
