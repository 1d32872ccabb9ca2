"""The replay of a certificate. outputs.onnx gives y = x * weight, the integer where it is largest, and y > 0."""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import changed, reference_batch
from paths import MODELS

from edge_runtime import (
    Check,
    EdgePredictError,
    Predictor,
    ReferenceBatch,
    Verification,
)
from edge_runtime.contract.certificate import seal
from edge_runtime.contract.reference_arrays import Generated, Selected
from edge_runtime.engine.installation import import_onnxruntime

WEIGHT = np.array([2.5, -1.25], np.float32).tobytes()
ORDINARY, SPECIAL = "ordinary rows", "rows with NaN or infinity"

Reference = tuple[ReferenceBatch, ...]
Make = Callable[..., bytes]


def verified(model: bytes | Path) -> Verification:
    return Predictor(model, device="cpu").verify()


def checks_of(verification: Verification) -> dict[tuple[str, str], Check]:
    return {(check.kind, check.output): check for check in verification.checks}


def test_passed(certified: Make) -> None:
    verification = verified(certified())
    assert verification.passed
    assert verification.problems == ()
    assert verification.intact
    assert verification.signature_intact
    assert verification.rows == 6
    assert verification.provider == "CPUExecutionProvider"
    assert verification.onnxruntime == import_onnxruntime().__version__
    assert verification.versions["onnxruntime"] == "1.99.0"
    assert [check.output for check in verification.checks] == 2 * ["y", "largest", "positive"]
    for check in verification.checks:
        assert check.rows == {ORDINARY: 4, SPECIAL: 2}[check.kind]
        assert (check.error, check.tolerance_used, check.problem, check.passed) == (0, 0, None, True)


def selected(reference: Reference) -> Reference:
    """The first batch with two of its output's elements, and its inputs as a rule."""
    rule = Generated(1, -1.0, 2.0**-23, 2**24)
    x = rule.array((4, 2), np.dtype(np.float32))
    one = Selected.evenly((4, 2))
    places = one.places(2)
    batch = dataclasses.replace(reference_batch(ORDINARY, x.tolist()), generated={"x": rule}, selected={"y": one})
    parts: dict[str, Any] = {
        part: {**getattr(batch, part), "y": getattr(batch, part)["y"].reshape(-1)[places]}
        for part in ("expected", "tolerance")
    }
    return (dataclasses.replace(batch, **parts), *reference[1:])


def test_selected_elements_of_generated_rows(certified: Make, reference: Reference) -> None:
    batches = selected(reference)
    assert verified(certified(reference=batches)).passed
    one = batches[0].selected["y"].places(2)[1]
    wrong = changed(batches, "expected", "y", 1, 99)
    verification = verified(certified(reference=wrong))
    (problem,) = verification.problems
    assert problem.startswith(f"{ORDINARY}: y[{one // 2}, {one % 2}] is ")
    assert "but torch's is 99.0" in problem
    other_shape = dataclasses.replace(batches[0], selected={"y": Selected.evenly((2, 4))})
    (problem,) = verified(certified(reference=(other_shape,))).problems
    assert problem == f"{ORDINARY}: y is float32 [4, 2], but torch's is float32 [2, 4]"


def test_a_small_error(certified: Make, reference: Reference) -> None:
    within = verified(certified(reference=changed(reference, "expected", "y", (1, 0), -7.5 + 2**-17)))
    assert within.passed
    check = checks_of(within)[ORDINARY, "y"]
    assert (check.error, check.tolerance, check.tolerance_used) == (2**-17, 2**-16, 0.5)
    just = verified(certified(reference=changed(reference, "expected", "y", (1, 0), -7.5 - 2**-16)))
    assert checks_of(just)[ORDINARY, "y"].tolerance_used == 1
    assert just.passed
    beyond = verified(certified(reference=changed(reference, "expected", "y", (1, 0), -7.5 + 2**-15)))
    assert not beyond.passed
    assert beyond.intact
    assert beyond.problems == (
        "ordinary rows: y[1, 0] is -7.5, but torch's is -7.4999695, with a tolerance of 1.5e-05",
    )
    check = checks_of(beyond)[ORDINARY, "y"]
    assert (check.error, check.tolerance, check.tolerance_used) == (2**-15, 2**-16, 2)
    assert (check.passed, check.rows) == (False, 4)
    assert [check.passed for check in beyond.checks].count(False) == 1


def test_the_worst_batch_of_a_kind_counts(certified: Make, reference: Reference) -> None:
    off = changed(reference, "expected", "y", (0, 0), 2.5 + 2**-15)
    for order in (off, (off[1], off[0], off[2])):
        check = checks_of(verified(certified(reference=order)))[ORDINARY, "y"]
        assert (check.passed, check.tolerance_used, check.rows) == (False, 2, 4)


def test_a_tolerance_of_zero(certified: Make, reference: Reference) -> None:
    exact = changed(reference, "tolerance", "y", slice(None), 0)
    assert verified(certified(reference=exact)).passed
    check = checks_of(verified(certified(reference=changed(exact, "expected", "y", (0, 0), 2.6))))[ORDINARY, "y"]
    assert (check.passed, check.tolerance, check.tolerance_used) == (False, 0, np.inf)
    assert check.error == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize(
    ("index", "value"),
    [((0, 0), 1.0), ((0, 0), np.inf), ((0, 1), np.nan), ((1, 0), np.nan), ((1, 0), 1e30), ((1, 0), -np.inf)],
)
def test_nan_and_infinity_are_themselves_alone(certified: Make, reference: Reference, index: Any, value: float) -> None:
    verification = verified(certified(reference=changed(reference, "special", "y", index, value)))
    assert not verification.passed
    assert checks_of(verification)[SPECIAL, "y"].error == np.inf


@pytest.mark.parametrize(("output", "index", "value"), [("largest", 2, 1), ("positive", (0, 0), False)])
def test_integers_and_booleans(certified: Make, reference: Reference, output: str, index: Any, value: Any) -> None:
    other = changed(reference, "expected", output, index, value)
    verification = verified(certified(reference=other))
    check = checks_of(verification)[ORDINARY, output]
    assert (check.passed, check.error, check.tolerance, check.tolerance_used) == (False, np.inf, 0, np.inf)
    assert output in verification.problems[0]
    # Undecided by float32: then it may be anything.
    undecided = verified(certified(reference=changed(other, "tolerance", output, index, np.inf)))
    assert undecided.passed
    assert checks_of(undecided)[ORDINARY, output].error == 0


def test_nothing_is_decided(certified: Make, reference: Reference) -> None:
    verification = verified(certified(reference=changed(reference, "tolerance", "largest", slice(None), np.inf)))
    assert verification.passed


@pytest.mark.parametrize("byte", range(8))
def test_a_weight_changed_by_one_bit(certified: Make, byte: int) -> None:
    content = certified()
    assert content.count(WEIGHT) == 1
    damaged = bytearray(content)
    damaged[content.index(WEIGHT) + byte] ^= 1
    verification = verified(bytes(damaged))
    assert not verification.passed
    assert not verification.intact
    assert verification.problems[0].startswith("the file was changed after its export")
    # The last bits are within the tolerance; the others are not.
    holds = byte in (0, 4)
    assert (
        verification.problems[0].endswith("although its outputs on the reference rows are still within tolerance")
        == holds
    )
    assert all(check.passed for check in verification.checks) == holds


def test_no_changed_byte_passes(certified: Make) -> None:
    """Wherever a bit flips: the model does not open, its certificate cannot be read, or it does not pass."""
    content = certified()
    graph = range(300)
    for position in [*graph, *range(300, len(content), 5)]:
        damaged = bytearray(content)
        damaged[position] ^= 1
        try:
            verification = verified(bytes(damaged))
        except EdgePredictError:
            continue
        assert not verification.passed, position


def test_a_changed_signature(certified: Make) -> None:
    model = (MODELS / "three_labels.onnx").read_bytes()
    assert model.count(b'"up"') == 1
    signature_text = Predictor(model, device="cpu").required_signature.to_json()
    x = np.array([[1, 0], [0, 1]], np.float32)
    e = np.exp(x @ np.array([[2, 0, -2], [0, 3, 0]]))
    batch = ReferenceBatch(
        ORDINARY,
        {"x": x},
        {"probabilities": (e / e.sum(axis=1, keepdims=True)).astype(np.float32)},
        {"probabilities": np.full((2, 3), 1e-6, np.float32)},
    )
    digest = hashlib.sha256(signature_text.encode()).hexdigest()
    content = certified(model, reference=(batch,), signature_sha256=digest)
    assert verified(content).passed
    swapped = verified(content.replace(b'"up"', b'"UP"'))
    assert not swapped.passed
    assert not swapped.signature_intact
    assert not swapped.intact
    assert all(check.passed for check in swapped.checks)
    assert "the labels or features were changed after the export" in swapped.problems
    # Even if the file was sealed again.
    sealed_again = verified(seal(content.replace(b'"up"', b'"UP"')))
    assert sealed_again.problems == ("the labels or features were changed after the export",)
    assert not verified(certified(model, reference=(batch,))).signature_intact
    assert not verified(certified(signature_sha256=digest)).signature_intact


@pytest.mark.parametrize(
    ("part", "arrays", "problem"),
    [
        ("inputs", {"x": np.ones((1, 2))}, "the model cannot take these inputs"),
        ("inputs", {"x": np.ones((1, 3), np.float32)}, "the model cannot take these inputs"),
        ("inputs", {"z": np.ones((1, 2), np.float32)}, "the model cannot take these inputs"),
        ("inputs", {}, "the model cannot take these inputs"),
        ("inputs", {"x": np.ones((2, 2), np.float32)}, r"y is float32 \[2, 2\], but torch's is float32 \[1, 2\]"),
        ("expected", {"y": np.ones((1, 2))}, r"y is float32 \[1, 2\], but torch's is float64 \[1, 2\]"),
        ("expected", {"w": np.ones((1, 2), np.float32)}, "the model does not have the output w"),
        (
            "expected",
            {"y": np.array([[17.5, 8.75]], np.float32)},
            "certificate does not have the output largest; .*does not have the output positive",
        ),
    ],
)
def test_what_does_not_fit_the_graph(
    certified: Make, reference: Reference, part: str, arrays: Any, problem: str
) -> None:
    batch = dataclasses.replace(reference[1], **{part: arrays})
    if part == "expected":
        tolerance = {name: np.zeros(array.shape, np.float32) for name, array in arrays.items()}
        batch = dataclasses.replace(batch, tolerance=tolerance)
    verification = verified(certified(reference=(batch,)))
    assert not verification.passed
    assert verification.intact
    assert re.search(problem, "; ".join(verification.problems))
    failed = [check for check in verification.checks if not check.passed]
    assert failed
    assert len(set(verification.problems)) == len(verification.problems)
    for check in failed:
        assert (check.error, check.tolerance, check.tolerance_used) == (np.inf, 0, np.inf)


def test_a_certificate_without_reference_rows(certified: Make, reference: Reference) -> None:
    assert verified(certified(reference=())).problems == ("the certificate has no reference rows",)
    none: dict[str, np.ndarray] = {
        "y": np.zeros((0, 2), np.float32),
        "largest": np.zeros(0, np.int64),
        "positive": np.zeros((0, 2), bool),
    }
    tolerance = {name: array.astype(np.float32) for name, array in none.items()}
    empty = ReferenceBatch(ORDINARY, {"x": np.zeros((0, 2), np.float32)}, none, tolerance)
    assert verified(certified(reference=(empty,))).problems == ("the certificate has no reference rows",)
    assert verified(certified(reference=(empty, *reference))).passed


def test_many_problems_in_one_line(certified: Make, reference: Reference) -> None:
    batches = tuple(
        dataclasses.replace(reference[0], kind=str(number), inputs={"x": np.ones((1, 2), np.float32)})
        for number in range(10)
    )
    verification = verified(certified(reference=batches))
    assert len(verification.problems) == 30
    assert verification.failure.endswith("; and 27 more")
    assert "\n" not in verification.failure
