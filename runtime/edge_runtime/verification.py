"""The replay: whether a file is as it was exported, and gives torch's outputs on this machine, without torch."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.contract.certificate import Certificate, ReferenceBatch, content_sha256
from edge_runtime.contract.errors import InferenceFailed, InvalidInput
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.engine.session import Session


@dataclass(frozen=True)
class Check:
    """One output on all reference rows of one case.

    Elements that may be anything, where float32 cannot decide an integer or a bool, count for nothing here.

    Attributes:
        kind: the kind of rows.
        output: the output's name.
        rows: how many reference rows there are.
        error: the largest distance of an element from torch's; infinite where integers or bools differ, where just one
            of the two is NaN or infinite, or where there is nothing to compare.
        tolerance: that of the element that used the largest fraction of its own; 0 where there is nothing to compare.
        tolerance_used: that fraction, error / tolerance; infinite where the tolerance was 0.
        problem: why it does not hold, None where it does.
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
        """Whether every element is as close to torch's as it must be."""
        return self.problem is None


@dataclass(frozen=True)
class Verification:
    """What a replay found.

    Attributes:
        provider: the ONNX Runtime provider that it ran on.
        onnxruntime: the version of ONNX Runtime that it ran on.
        versions: of what made the artifact, by name, as its certificate has them.
        rows: how many reference rows were replayed.
        intact: whether the file's bytes are those that were exported.
        signature_intact: whether the labels and features are those that were exported.
        checks: one for each case and output.
        problems: why it did not pass, each in a few words; empty if it passed.
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
        """Whether the file is as it was exported and every check holds."""
        return not self.problems

    @property
    def failure(self) -> str:
        """The problems in one line."""
        first, rest = self.problems[:3], self.problems[3:]
        return f"not verified on {self.provider}: {'; '.join(first)}{f'; and {len(rest)} more' if rest else ''}"


def replay(session: Session, certificate: Certificate) -> Verification:
    """Replay `certificate`, the one in the file that `session` was opened from.

    Raises:
        ModelNotFound, InvalidModel: the file is not there any more.
    """
    found: dict[tuple[str, str], list[Check]] = {}
    for batch in certificate.reference:
        for check in _replayed(session, batch):
            found.setdefault((check.kind, check.output), []).append(check)
    checks = tuple(map(_merged, found.values()))
    text = session.metadata.get(SIGNATURE_KEY)
    intact = content_sha256(session.content()) == certificate.content_sha256
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
        problems=tuple(_problems(certificate.rows, intact, signature_intact, checks)),
    )


def distance(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """|one - other| by element: 0 where they are the same, NaN and infinity too; infinity where just one is NaN."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _problems(rows: int, intact: bool, signature_intact: bool, checks: tuple[Check, ...]) -> Iterator[str]:
    if not rows:
        yield "its certificate holds no reference rows"
    if not intact:
        holds = rows and all(check.passed for check in checks)
        addition = ", though its answers on the reference rows still hold" if holds else ""
        yield f"the file was changed since it was exported{addition}"
    if not signature_intact:
        yield "labels or features were changed"
    # What ONNX Runtime says of a batch, it says of each of its outputs.
    yield from dict.fromkeys(f"{check.kind}: {check.problem}" for check in checks if check.problem)


def _replayed(session: Session, batch: ReferenceBatch) -> Iterator[Check]:
    """A check for every output that `batch` expects or `session` gives."""
    try:
        if {spec.name for spec in session.inputs} != set(batch.inputs):
            raise InvalidInput(f"the model cannot take these inputs: {', '.join(batch.inputs)}")
        names = [spec.name for spec in session.outputs]
        outputs = dict(zip(names, session.run(names, batch.inputs), strict=True))
    except (InvalidInput, InferenceFailed) as error:
        for name in batch.expected:
            yield _incomparable(batch, name, str(error))
        return
    for name in dict.fromkeys([*outputs, *batch.expected]):
        if name not in outputs:
            yield _incomparable(batch, name, f"the model gives no {name}")
        elif name not in batch.expected:
            yield _incomparable(batch, name, f"the certificate says nothing of {name}")
        else:
            yield _compared(batch, name, outputs[name])


def _compared(batch: ReferenceBatch, name: str, output: Any) -> Check:
    expected, tolerance = batch.expected[name], batch.tolerance[name].astype(np.float64)
    if not isinstance(output, np.ndarray) or (output.dtype, output.shape) != (expected.dtype, expected.shape):
        found = f"{output.dtype} {list(output.shape)}" if isinstance(output, np.ndarray) else type(output).__name__
        return _incomparable(batch, name, f"{name} is {found}, and torch's {expected.dtype} {list(expected.shape)}")
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
        problem = f"{name}{index or ''} is {given!s}, and torch's {wanted!s}: more than {tolerance[worst]:.2g} apart"
    return Check(batch.kind, name, batch.rows, float(error.max()), float(tolerance[worst]), float(used[worst]), problem)


def _incomparable(batch: ReferenceBatch, name: str, problem: str) -> Check:
    return Check(batch.kind, name, batch.rows, np.inf, 0.0, np.inf, problem)


def _merged(checks: list[Check]) -> Check:
    """The checks of several batches of one case as one: the worst of them, with the rows and the error of all."""
    worst = max(checks, key=lambda check: (not check.passed, check.tolerance_used))
    return replace(worst, rows=sum(check.rows for check in checks), error=max(check.error for check in checks))
