"""The certificate that an artifact carries: which reference rows it holds, and their tolerances."""

import hashlib
import importlib.metadata
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import torch

from edge_export.budget import Budget
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import OPSET
from edge_export.formats.string_inputs import as_strings
from edge_export.tensors import (
    Run,
    Tensors,
    count_rows,
    evenly_spaced,
    largest_magnitude,
    row_shapes,
    take,
    within,
)
from edge_export.verify.compare import Comparison
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.quantization_budget import Change
from edge_export.verify.reference import MULTIPLE, CallReference, References
from edge_runtime import Certificate, ReferenceBatch, __version__

# What the reference rows, their outputs and tolerances may take, so that a small model stays small.
_MOST_BYTES = 48 * 1024
_MOST_ROWS = 32

# The root of float32's largest number. Beyond it a square overflows within an operation, and what comes out then
# differs from one version of ONNX Runtime to the next, although nothing is wrong with the artifact.
_LARGEST = 1.8e19

QUANTIZED_RULE = (
    "an output may differ from torch in float64 by twice the largest change that this precision made on the rows it "
    "was measured on, but not by more than its budget"
)
_QUANTIZED_KIND = "rows that the precision was measured on"


def float32_rule(references: References) -> str:
    """Where the tolerances of float32 come from, in one sentence."""
    return (
        f"an element may differ from torch in float64 by {MULTIPLE:g} times what float32 can resolve of it: the "
        f"largest of torch float32's own error, of how far {references.draws} random choices of its roundings move it, "
        "and of half a unit in the last place of the output's usual magnitude"
    )


def reference_batches(references: References, probes: Sequence[ProbeInputs]) -> tuple[ReferenceBatch, ...]:
    """Rows of every kind with what torch computes for them, as many as fit into a certificate."""
    probes = [probe for probe in probes if probe.calls]
    return tuple(
        _reference_batch(references.program, probe.kind, batch, references.of_call(batch))
        for probe in probes
        for batch in _chosen(references.program, probe, _MOST_BYTES // len(probes))
        # Some modules do not take a batch as small as this.
        if references.program.try_run(batch) is not None
    )


def quantized_reference_batch(
    program: Program,
    run: Run,
    batches: Sequence[Tensors],
    change: Change,
    budget: Budget,
    probabilities: Container[str],
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
    """
    batch = batches[0]
    torch_outputs = program.run(batch)
    if program.is_batched:
        count = count_rows(batch)
        row = _size(program, batch) // count
        wanted = int(np.clip(_MOST_BYTES // (2 * max(1, row)), 1, min(count, 2 * _MOST_ROWS)))
        order = np.argsort(-change.changes[:count], kind="stable")
        others = evenly_spaced(count, wanted - wanted // 2)
        batch = take(batch, np.unique(np.concatenate([order[: wanted // 2], others])))
    expected, tolerance = dict(program.run(batch)), {}
    # A dynamic precision gives other answers for a row beside other rows: these have not been measured yet.
    found = run(batch)
    for name, values in expected.items():
        if values.dtype.kind != "f":
            tolerance[name] = np.where(found[name] == values, 0, np.inf).astype(np.float32)
            continue
        size = 1.0 if name in probabilities else largest_magnitude(torch_outputs[name]) or 1.0
        largest = max(change.largest, largest_magnitude(found[name] - values) / size)
        tolerance[name] = np.full(values.shape, size * min(budget.change, 2 * largest), np.float32)
    return ReferenceBatch(_QUANTIZED_KIND, dict(as_strings(batch, program.signature)), expected, tolerance)


def certificate(
    program: Program,
    reference: tuple[ReferenceBatch, ...],
    comparisons: Sequence[Comparison],
    precision: str,
    tolerance_rule: str,
    budget: Mapping[str, Any] | None,
    hashes: Mapping[str, str],
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
            "onnxruntime": onnxruntime.__version__,
            "opset": str(OPSET),
        },
        hashes={**hashes, "weights": weights_sha256(program)},
        signature_sha256=None if signature is None else hashlib.sha256(signature.to_json().encode()).hexdigest(),
    )


def weights_sha256(program: Program) -> str:
    """The SHA-256 of a module's parameters and buffers."""
    state = sorted(program.module.state_dict().items())
    # The others are what a module's get_extra_state adds.
    return arrays_sha256({name: value.detach().numpy() for name, value in state if isinstance(value, torch.Tensor)})


def arrays_sha256(arrays: Tensors) -> str:
    """The SHA-256 over the names, types, shapes and bytes of `arrays`, in their order; of strings, over their JSON."""
    digest = hashlib.sha256()
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        # A large table is hashed as it is, not as a copy.
        digest.update(json.dumps(values.tolist()).encode() if values.dtype == object else np.ascontiguousarray(values).data)
    return digest.hexdigest()


def _chosen(program: Program, probe: ProbeInputs, most_bytes: int) -> Iterator[Tensors]:
    """Calls that stand for `probe`: rows from all over its largest call, or its smallest and largest calls."""

    def size(batch: Tensors) -> int:
        return _size(program, batch)

    if program.is_batched and len({row_shapes(batch) for batch in probe.calls}) == 1:
        rows = max(probe.calls, key=size)
        rows = take(rows, np.flatnonzero(within(rows, _LARGEST)))
        count = count_rows(rows)
        if not count:
            return
        # A row, and about as much again for its outputs.
        wanted = int(np.clip(most_bytes // (2 * max(1, size(rows) // count)), 1, min(count, _MOST_ROWS)))
        yield take(rows, evenly_spaced(count, wanted))
        return
    ordered = sorted((batch for batch in probe.calls if within(batch, _LARGEST).all()), key=size)
    if not ordered:
        return
    yield ordered[0]
    left = most_bytes - size(ordered[0])
    for batch in reversed(ordered[1:]):
        if 2 * size(batch) <= left:
            left -= 2 * size(batch)
            yield batch


def _size(program: Program, batch: Tensors) -> int:
    """About the bytes that a certificate takes for `batch`."""
    arrays = as_strings(batch, program.signature).values()
    return sum(sum(map(len, values.flat)) if values.dtype == object else values.nbytes for values in arrays)


def _reference_batch(program: Program, kind: str, batch: Tensors, reference: CallReference) -> ReferenceBatch:
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
    return ReferenceBatch(kind, dict(as_strings(batch, program.signature)), expected, tolerance)


def _plain(comparison: Comparison) -> dict[str, Any]:
    decided = comparison.decided
    return {
        "kind": comparison.probe.kind,
        "rows": comparison.rows,
        "calls": len(comparison.probe.calls),
        "torch_error": comparison.torch_error,
        "error": comparison.error,
        "tolerance": comparison.largest_tolerance,
        "tolerance_used": comparison.tolerance_used,
        "decided": None if decided is None else list(decided),
        "excluded": comparison.excluded,
    }
