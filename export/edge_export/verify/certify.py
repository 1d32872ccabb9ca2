"""The certificate that an artifact carries: which rows it holds, and what is allowed to them."""

import hashlib
import importlib.metadata
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from edge_export.capture.program import Program
from edge_export.formats.onnx_file import OPSET
from edge_export.formats.string_inputs import spelled
from edge_export.tensors import Run, Tensors, count_rows, take, within
from edge_export.verify.compare import Comparison
from edge_export.verify.probe_inputs import Case
from edge_export.verify.quantization_budget import Budget, Change
from edge_export.verify.reference import MULTIPLE, BatchReference, References
from edge_runtime import Certificate, __version__
from edge_runtime.contract.certificate import ReferenceBatch

# What the reference rows, their outputs and tolerances may take, so that a small model stays small.
_MOST_BYTES = 48 * 1024
_MOST_ROWS = 32

# The root of float32's largest number. Beyond it a square overflows within an operation, and what comes out then
# differs from one version of ONNX Runtime to the next, where nothing is wrong with the artifact.
_LARGEST = 1.8e19


def tolerance_rule(references: References) -> str:
    """Where the tolerances of float32 come from, in one sentence."""
    return (
        f"an element may be off from torch in float64 by {MULTIPLE:g} times what float32 can resolve of it: the "
        f"largest of torch float32's own error, of how far {references.draws} random choices of its roundings move it, "
        "and of half a unit in the last place of the output's usual magnitude"
    )


def reference_batches(references: References, cases: Sequence[Case]) -> tuple[ReferenceBatch, ...]:
    """Rows of every case with what torch computes for them, as many as fit into a certificate."""
    cases = [case for case in cases if case.batches]
    return tuple(
        _reference_batch(references.program, case.name, batch, references.of_batch(batch))
        for case in cases
        for batch in _chosen(references.program, case, _MOST_BYTES // len(cases))
        # Some modules take no batch as small as this.
        if references.program.try_run(batch) is not None
    )


def lower_precision_reference_batches(
    program: Program,
    run: Run,
    batches: Sequence[Tensors],
    change: Change,
    budget: Budget,
    probabilities: Container[str],
) -> tuple[ReferenceBatch, ...]:
    """Rows that a lower precision was measured on, those that it changes most among them, with torch's outputs.

    Each element may be off by twice the largest change that was measured, at most by the budget; integers and booleans
    must be equal where they were, since the budget allows some of them to differ.
    """
    batch = batches[0]
    torch_outputs = program.run(batch)
    if program.is_batched:
        count = count_rows(batch)
        row = _size(program, batch) // count
        wanted = int(np.clip(_MOST_BYTES // (2 * max(1, row)), 1, min(count, 2 * _MOST_ROWS)))
        order = np.argsort(-change.changes[:count], kind="stable")
        spread = np.linspace(0, count - 1, wanted - wanted // 2).astype(np.intp)
        batch = take(batch, np.unique(np.concatenate([order[: wanted // 2], spread])))
    expected, allowed = dict(program.run(batch)), {}
    # A dynamic precision gives other answers for other companies of rows: these have not been measured yet.
    found = run(batch)
    for name, values in expected.items():
        if values.dtype.kind != "f":
            allowed[name] = np.where(found[name] == values, 0, np.inf).astype(np.float32)
            continue
        size = 1.0 if name in probabilities else _magnitude(torch_outputs[name]) or 1.0
        largest = max(change.largest, _magnitude(found[name] - values) / size)
        allowed[name] = np.full(values.shape, size * min(budget.change, 2 * largest), np.float32)
    shown = dict(spelled(batch, program.signature))
    return (ReferenceBatch("rows that the precision was measured on", shown, expected, allowed),)


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
    """The SHA-256 over the names, types, shapes and bytes of `arrays`, in their order; of texts, of their JSON."""
    digest = hashlib.sha256()
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype} {list(values.shape)}\n".encode())
        digest.update(json.dumps(values.tolist()).encode() if values.dtype == object else values.tobytes())
    return digest.hexdigest()


def _chosen(program: Program, case: Case, most_bytes: int) -> Iterator[Tensors]:
    """Calls that stand for `case`: rows of its largest batch, spread over it, or its smallest and largest calls."""

    def size(batch: Tensors) -> int:
        return _size(program, batch)

    if program.is_batched and len({_row_shapes(batch) for batch in case.batches}) == 1:
        rows = max(case.batches, key=size)
        rows = take(rows, np.flatnonzero(within(rows, _LARGEST)))
        count = count_rows(rows)
        if not count:
            return
        # A row, and about as much again for what it leads to.
        wanted = int(np.clip(most_bytes // (2 * max(1, size(rows) // count)), 1, min(count, _MOST_ROWS)))
        yield take(rows, np.unique(np.linspace(0, count - 1, wanted).astype(np.intp)))
        return
    ordered = sorted((batch for batch in case.batches if within(batch, _LARGEST).all()), key=size)
    if not ordered:
        return
    yield ordered[0]
    left = most_bytes - size(ordered[0])
    for batch in reversed(ordered[1:]):
        if 2 * size(batch) <= left:
            left -= 2 * size(batch)
            yield batch


def _magnitude(values: npt.NDArray[Any]) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _row_shapes(batch: Tensors) -> tuple[tuple[int, ...], ...]:
    return tuple(values.shape[1:] for values in batch.values())


def _size(program: Program, batch: Tensors) -> int:
    """The bytes that a certificate takes for `batch`, about."""
    arrays = spelled(batch, program.signature).values()
    return sum(sum(map(len, values.flat)) if values.dtype == object else values.nbytes for values in arrays)


def _reference_batch(program: Program, case: str, batch: Tensors, reference: BatchReference) -> ReferenceBatch:
    expected, allowed = {}, {}
    for name, tensor in reference.items():
        with np.errstate(over="ignore", invalid="ignore"):
            expected[name] = tensor.expected.astype(tensor.float32.dtype)
            if tensor.is_discrete:
                allowed[name] = tensor.allowed.astype(np.float32)
                continue
            # What float32 cannot say of the reference itself must not count against the artifact.
            rounded = np.nan_to_num(np.abs(expected[name] - tensor.expected), nan=0.0, posinf=0.0)
            allowed[name] = np.nextafter((tensor.allowed + rounded).astype(np.float32), np.float32(np.inf))
    return ReferenceBatch(case, dict(spelled(batch, program.signature)), expected, allowed)


def _plain(comparison: Comparison) -> dict[str, Any]:
    decided = comparison.decided
    return {
        "kind": comparison.case.name,
        "rows": comparison.rows,
        "calls": len(comparison.case.batches),
        "torch_error": comparison.torch_error,
        "error": comparison.error,
        "tolerance": comparison.largest_allowed,
        "tolerance_used": comparison.share,
        "decided": None if decided is None else list(decided),
        "excluded": comparison.undecided,
    }
