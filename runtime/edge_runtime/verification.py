"""The replay of a certificate: whether a file is unchanged, and returns torch's outputs on this machine."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.certificate import Certificate, ReferenceBatch
from edge_runtime.contract.errors import ContentMismatch, DeadlineExceeded, InferenceFailed, InvalidInput
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.engine.session import Session


@dataclass(frozen=True)
class Check:
    """One output on all reference rows of one kind.

    Integers and booleans that float32 cannot decide are excluded.

    Attributes:
        kind: the kind of rows.
        output: the output's name.
        rows: the number of reference rows.
        error: the largest error of an element, |output - torch's|; infinite if integers or booleans differ, if only one
            of the two is NaN or infinite, or if they cannot be compared.
        tolerance: the tolerance of the worst element, the one that used the largest fraction of its own; 0 if the
            outputs cannot be compared.
        tolerance_used: that fraction, error / tolerance; infinite if the tolerance is 0 and the error is not.
        problem: why the check failed; None if it passed.
    """

    kind: str
    output: str
    rows: int
    error: float
    tolerance: float
    tolerance_used: float
    problem: str | None

    @property
    def passed(self) -> bool:
        """Whether the error of every element is within its tolerance."""
        return self.problem is None

    def __repr__(self) -> str:
        found = f"passed at {self.tolerance_used:.0%} of its tolerance" if self.passed else f"failed: {self.problem}"
        return f"Check({self.kind!r}, {self.output!r}, {self.rows} rows, {found})"


@dataclass(frozen=True)
class Verification:
    """The result of a replay.

    Attributes:
        provider: the ONNX Runtime provider of the replay.
        onnxruntime: the version of ONNX Runtime of the replay.
        versions: the versions of what made the artifact, by name, from its certificate.
        rows: the number of reference rows.
        intact: whether the bytes that were opened are the ones that were exported.
        signature_intact: whether the labels and features are the ones that were exported.
        checks: one for each kind of rows and output.
        problems: why it did not pass, each in one line; empty if it passed.
    """

    provider: str
    onnxruntime: str
    versions: Mapping[str, str]
    rows: int
    intact: bool
    signature_intact: bool
    checks: tuple[Check, ...]
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the file is unchanged and every check passed."""
        return not self.problems

    def __repr__(self) -> str:
        if self.passed:
            return f"Verification(passed: {self.rows} reference rows on {self.provider})"
        more = f"; and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
        return f"Verification(not passed on {self.provider}: {self.problems[0]}{more})"

    @property
    def failure(self) -> str:
        """The problems in one line."""
        first, rest = self.problems[:3], self.problems[3:]
        return f"not verified on {self.provider}: {'; '.join(first)}{f'; and {len(rest)} more' if rest else ''}"


def replay(session: Session, certificate: Certificate, on_batch: Callable[[], object] | None = None) -> Verification:
    """Replay a certificate: run its reference rows, and compare the outputs with torch's.

    Args:
        session: the model.
        certificate: the certificate in the file that `session` was opened from.
        on_batch: called after each reference batch.

    Raises:
        InvalidModel: the file, whose content is not held, cannot be read.
        DeadlineExceeded: a reference batch takes longer than the limit of a call.
    """
    found: dict[tuple[str, str], list[Check]] = {}
    for batch in certificate.reference:
        for check in _replayed(session, batch):
            found.setdefault((check.kind, check.output), []).append(check)
        if on_batch is not None:
            on_batch()
    checks = tuple(map(_merged, found.values()))
    text = session.metadata.get(SIGNATURE_KEY)
    try:
        intact, changed = session.source.content_sha256() == certificate.content_sha256, ""
    except ContentMismatch as error:
        intact, changed = False, str(error)
    signature_intact = certificate.signature_sha256 == (
        None if text is None else hashlib.sha256(text.encode()).hexdigest()
    )
    return Verification(
        provider=session.provider,
        onnxruntime=session.version,
        versions=certificate.versions,
        rows=certificate.rows,
        intact=intact,
        signature_intact=signature_intact,
        checks=checks,
        problems=tuple(_problems(certificate.rows, intact, changed, signature_intact, checks)),
    )


def distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """|one - other| for each element.

    Args:
        one: floats of any shape.
        other: floats of the same shape.

    Returns:
        float64, of the same shape: 0 if both are the same, also NaN or infinity; infinity if only one is NaN.
    """
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _problems(
    rows: int, intact: bool, changed: str, signature_intact: bool, checks: tuple[Check, ...]
) -> Iterator[str]:
    if not rows:
        yield "the certificate has no reference rows"
    if changed:
        yield changed
    elif not intact:
        holds = rows and all(check.passed for check in checks)
        addition = ", although its outputs on the reference rows are still within tolerance" if holds else ""
        yield f"the file was changed after its export{addition}"
    if not signature_intact:
        yield "the labels or features were changed after the export"
    # A problem with a whole batch is the same for each of its outputs.
    yield from dict.fromkeys(f"{check.kind}: {check.problem}" for check in checks if check.problem)


def _replayed(session: Session, batch: ReferenceBatch) -> Iterator[Check]:
    """A check for every output that `batch` expects or `session` returns."""
    try:
        if {spec.name for spec in session.inputs} != set(batch.inputs):
            raise InvalidInput(f"the model cannot take these inputs: {', '.join(batch.inputs)}")
        names = [spec.name for spec in session.outputs]
        outputs = dict(zip(names, session.run(names, batch.inputs), strict=True))
    except DeadlineExceeded:
        # The other batches would take as long.
        raise
    except (InvalidInput, InferenceFailed) as error:
        for name in batch.expected:
            yield _incomparable(batch, name, str(error))
        return
    for name in dict.fromkeys([*outputs, *batch.expected]):
        if name not in outputs:
            yield _incomparable(batch, name, f"the model does not have the output {name}")
        elif name not in batch.expected:
            yield _incomparable(batch, name, f"the certificate does not have the output {name}")
        else:
            yield _compared(batch, name, outputs[name])


def _compared(batch: ReferenceBatch, name: str, output: Any) -> Check:
    expected, tolerance = batch.expected[name], batch.tolerance[name].astype(np.float64)
    selected = batch.selected.get(name)
    shape = expected.shape if selected is None else selected.shape
    if not isinstance(output, np.ndarray) or (output.dtype, output.shape) != (expected.dtype, shape):
        found = f"{output.dtype} {list(output.shape)}" if isinstance(output, np.ndarray) else type(output).__name__
        return _incomparable(batch, name, f"{name} is {found}, but torch's is {expected.dtype} {list(shape)}")
    places = None if selected is None else selected.places(len(expected))
    if places is not None:
        output = output.reshape(-1)[places]
    decided = np.isfinite(tolerance)
    if not decided.any():
        return Check(batch.kind, name, batch.rows, 0.0, 0.0, 0.0, None)
    apart = distance(output, expected) if expected.dtype.kind == "f" else np.where(output == expected, 0.0, np.inf)
    error, tolerance = apart[decided], tolerance[decided]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        used = np.where(error == 0, 0, error / tolerance)
    worst = used.argmax()
    problem = None
    if (error > tolerance).any():
        index = np.argwhere(decided)[worst].tolist()
        given, wanted = output[tuple(index)], expected[tuple(index)]
        if places is not None:
            index = [int(one) for one in np.unravel_index(places[index[0]], shape)]
        problem = (
            f"{name}{index or ''} is {given!s}, but torch's is {wanted!s}, with a tolerance of {tolerance[worst]:.2g}"
        )
    return Check(batch.kind, name, batch.rows, float(error.max()), float(tolerance[worst]), float(used[worst]), problem)


def _incomparable(batch: ReferenceBatch, name: str, problem: str) -> Check:
    return Check(batch.kind, name, batch.rows, np.inf, 0.0, np.inf, problem)


def _merged(checks: list[Check]) -> Check:
    """The checks of several batches of one kind as one: the worst, with all rows and the largest error."""
    worst = max(checks, key=lambda check: (not check.passed, check.tolerance_used))
    return replace(worst, rows=sum(check.rows for check in checks), error=max(check.error for check in checks))
