"""Which rows a certificate holds, so that it takes a small part of the file that carries it.

Rows of every kind are stored whole if they fit. Else the certificate holds fewer: of large outputs some elements,
from all over them; of inputs that are too large a row that a device computes by itself
(`edge_runtime.contract.reference_arrays`).
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edge_export.capture.program import Program
from edge_export.formats.string_inputs import as_strings
from edge_export.tensors import Array, Tensors, count_rows, evenly_spaced, row_shapes, take, within
from edge_export.verify.probe_kinds import GENERATED, ProbeInputs
from edge_runtime import Certificate, ReferenceBatch
from edge_runtime.contract.reference_arrays import MOST_ELEMENTS, Generated, Selected, compacted

# The most bytes of a certificate, as it stands in the file, and the part of the file that it may take where that is
# more.
MOST_BYTES = 48 * 1024
MOST_PART = 0.05
MOST_ROWS = 32
# Generated rows take no room, but time at each replay.
_FEW_ROWS = 4

# The root of float32's largest number. Beyond it a square overflows within an operation, and what comes out then
# differs from one version of ONNX Runtime to the next, although nothing is wrong with the artifact.
_LARGEST = 1.8e19

# What an array, a batch and a selection take besides their data and their names.
_ARRAY = 120
_BATCH = 100
_SELECTION = 80
_GENERATED = 110

# The expected outputs and the tolerances of a call.
Judge = Callable[[Tensors], tuple[Tensors, Tensors]]


def room_for_rows(certificate: Certificate, size: int) -> int:
    """The bytes that reference rows may take in a file.

    Args:
        certificate: what it will carry, without reference rows.
        size: the bytes of the file without its certificate.
    """
    return max(MOST_BYTES, int(size * MOST_PART)) - len(certificate.to_json().encode())


def chosen_batches(
    program: Program, probes: Sequence[ProbeInputs], room: int, judge: Judge
) -> tuple[ReferenceBatch, ...]:
    """Rows of every kind in at most `room` bytes, with what `judge` says of them; of as many kinds as fit.

    Rows of the first kind are always among them; if its smallest call is too large, generated ones in its place.
    """
    probes = [probe for probe in probes if probe.calls]
    whole: list[ReferenceBatch] = []
    for probe in probes:
        calls = _whole(program, probe, room // len(probes))
        if calls is None:
            break
        whole += [_whole_batch(program, probe.kind, call, judge) for call in calls]
    else:
        return tuple(whole)
    found: list[ReferenceBatch] = []
    for number, probe in enumerate(probes):
        for most in (room // (len(probes) - number), room):
            rows = _compact_rows(program, probe, most)
            batch = None if rows is None else compact_batch(program, probe.kind, rows, most, judge)
            if batch is not None:
                break
        else:
            if found:
                continue
            share = room // (len(probes) - number)
            batch = generated_batch(program, GENERATED, few_rows(program, probe), share, judge)
        if batch is not None:
            found.append(batch)
            room -= _size_of(batch)
    return tuple(found)


def whole_batch(program: Program, kind: str, rows: Tensors, room: int, judge: Judge) -> ReferenceBatch | None:
    """`rows` stored whole, if they fit in `room` bytes; None if they do not, or the module fails."""
    size = _whole_size(program, kind, rows)
    return _whole_batch(program, kind, rows, judge) if size is not None and size <= room else None


def compact_batch(program: Program, kind: str, rows: Tensors, room: int, judge: Judge) -> ReferenceBatch | None:
    """`rows` with as many elements of their outputs as fit; None if one of each does not, or the module fails."""
    return _fitted(program, kind, rows, {}, room, judge)


def generated_batch(program: Program, kind: str, rows: Tensors, room: int, judge: Judge) -> ReferenceBatch | None:
    """As many rows as there are in `rows`, with generated numbers in place of large inputs, between their extremes.

    An element of each output is kept also if that takes more than `room`; None if the module fails.
    """
    rules: dict[str, Generated] = {}
    stored = as_strings(rows, program.signature)
    for seed, (name, values) in enumerate(rows.items(), 1):
        if stored[name].dtype != object and values.size <= MOST_ELEMENTS:
            rule = _rule(values, seed)
            if rule is not None and _stored(name, compacted(values)) > max(_GENERATED, room // (4 * len(rows))):
                rules[name] = rule
    made = {
        name: rules[name].array(values.shape, values.dtype) if name in rules else values
        for name, values in rows.items()
    }
    return _fitted(program, kind, made, rules, room, judge, at_least_one=True)


def few_rows(program: Program, probe: ProbeInputs) -> Tensors:
    """A few rows of `probe`, or its smallest call."""
    are_rows = program.is_batched and len({row_shapes(batch) for batch in probe.calls}) == 1
    call = (max if are_rows else min)(probe.calls, key=lambda call: _inputs_size(program, call))
    return take(call, evenly_spaced(count_rows(call), _FEW_ROWS)) if are_rows else call


def _usable(probe: ProbeInputs, program: Program) -> tuple[bool, list[Tensors]]:
    """Whether rows can be taken out of a call, and that call; or all calls, from small to large."""
    if program.is_batched and len({row_shapes(batch) for batch in probe.calls}) == 1:
        rows = max(probe.calls, key=lambda call: _inputs_size(program, call))
        inside = np.flatnonzero(within(rows, _LARGEST))
        return True, [take(rows, inside)] if len(inside) else []
    calls = [call for call in probe.calls if within(call, _LARGEST).all()]
    return False, sorted(calls, key=lambda call: _inputs_size(program, call))


def _whole(program: Program, probe: ProbeInputs, room: int) -> list[Tensors] | None:
    """Calls that stand for `probe`, stored whole in `room` bytes; None if the smallest does not fit.

    They are rows from all over its largest call, or its smallest and largest calls.
    """
    are_rows, calls = _usable(probe, program)
    if not calls:
        return []
    if are_rows:
        count = count_rows(calls[0])
        wanted = min(count, MOST_ROWS)
        while True:
            batch = take(calls[0], evenly_spaced(count, wanted))
            size = _whole_size(program, probe.kind, batch)
            if size is None:
                return []  # some modules do not take a batch as small as this
            if size <= room:
                return [batch]
            if wanted == 1:
                return None
            wanted = max(1, min(wanted - 1, wanted * room // size))
    found: list[Tensors] = []
    for call in (calls[0], *reversed(calls[1:])):
        size = room + 1 if _inputs_size(program, call) > room else _whole_size(program, probe.kind, call)
        if size is None:
            continue
        if size <= room:
            room -= size
            found.append(call)
        elif not found:
            return None
    return found


def _compact_rows(program: Program, probe: ProbeInputs, room: int) -> Tensors | None:
    """Rows of `probe` whose inputs take half of `room`, or one row or call that takes less than all of it.

    None if there is none.
    """
    are_rows, calls = _usable(probe, program)
    if not are_rows:
        return next((call for call in calls if _inputs_size(program, call, compacted) < room), None)
    for rows in calls:
        count = count_rows(rows)
        wanted = min(count, MOST_ROWS)
        while wanted:
            batch = take(rows, evenly_spaced(count, wanted))
            if 2 * _inputs_size(program, batch, compacted) <= room:
                return batch
            wanted //= 2
        for place in evenly_spaced(count, MOST_ROWS):
            batch = take(rows, np.array([place]))
            if _inputs_size(program, batch, compacted) < room:
                return batch
    return None


def _whole_batch(program: Program, kind: str, batch: Tensors, judge: Judge) -> ReferenceBatch:
    expected, tolerance = judge(batch)
    return ReferenceBatch(kind, as_strings(batch, program.signature), expected, tolerance)


def _fitted(
    program: Program,
    kind: str,
    rows: Tensors,
    rules: Mapping[str, Generated],
    room: int,
    judge: Judge,
    at_least_one: bool = False,
) -> ReferenceBatch | None:
    outputs = program.try_run(rows)
    if outputs is None:
        return None
    inputs = as_strings(rows, program.signature)
    left = float(room - _BATCH - len(kind.encode()))
    for name, values in inputs.items():
        left -= _GENERATED + len(name.encode()) if name in rules else _stored(name, compacted(values))
    for name in outputs:
        left -= 2 * _ARRAY + _SELECTION + 3 * len(name.encode())
    # An element, and its tolerance.
    sizes = {name: values.size * (values.dtype.itemsize + 4) * 4 / 3 for name, values in outputs.items()}
    part = left / max(1.0, sum(sizes.values()))
    counts = {name: min(values.size, int(values.size * max(0.0, part))) for name, values in outputs.items()}
    if min((counts[name] for name, values in outputs.items() if values.size), default=1) < 1:
        if not at_least_one and sum(sizes[name] / max(1, values.size) for name, values in outputs.items()) > left:
            return None
        counts = {name: min(values.size, max(1, counts[name])) for name, values in outputs.items()}
    expected, tolerance = judge(rows)
    selected = {name: Selected.evenly(values.shape) for name, values in expected.items()}
    places = {name: one.places(counts[name]) for name, one in selected.items()}
    return ReferenceBatch(
        kind,
        dict(inputs),
        {name: values.reshape(-1)[places[name]] for name, values in expected.items()},
        {name: values.reshape(-1)[places[name]] for name, values in tolerance.items()},
        dict(rules),
        selected,
    )


def _rule(values: Array, seed: int) -> Generated | None:
    """What gives numbers between the smallest and the largest of `values`; None if they have no finite number."""
    if values.dtype.kind != "f":
        if not values.size:
            return None
        low, high = int(values.min()), int(values.max())
        return Generated(seed, low, 1, high - low + 1) if high - low < 2**32 else None
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size or finite.max() <= finite.min():
        return None
    least, steps = float(finite.min()), 2**24
    return Generated(seed, least, 2.0 ** math.floor(math.log2((float(finite.max()) - least) / steps)), steps)


def _whole_size(program: Program, kind: str, batch: Tensors) -> int | None:
    """The bytes that a certificate takes for `batch`, stored whole; None if the module fails on it."""
    outputs = program.try_run(batch)
    if outputs is None:
        return None
    of_outputs = sum(
        _stored(name, values) + _stored(name, np.broadcast_to(np.float32(0), values.shape))
        for name, values in outputs.items()
    )
    return _BATCH + len(kind.encode()) + _inputs_size(program, batch) + of_outputs


def _inputs_size(program: Program, batch: Tensors, form: Callable[[Array], Array] = lambda array: array) -> int:
    return sum(_stored(name, form(values)) for name, values in as_strings(batch, program.signature).items())


def _stored(name: str, values: Array) -> int:
    """About the bytes that a certificate takes for an array; rather too many."""
    data = len(json.dumps(values.ravel().tolist())) if values.dtype == object else -(-values.nbytes // 3) * 4
    return _ARRAY + len(name.encode()) + data


def _size_of(batch: ReferenceBatch) -> int:
    return len(json.dumps(batch.plain(compact=True))) + 2
