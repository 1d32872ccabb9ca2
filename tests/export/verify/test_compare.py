"""Holding an exported model against the reference: what passes, what is refused, and what is said of it."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from exports import onnx_bytes
from layers import layer, rows
from table_module import Table
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx
from edge_export.tensors import Run, Tensors
from edge_export.verify.compare import compare, errors_of
from edge_export.verify.comparison import ParityError, tolerance_used
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.probe_kinds import BOUNDARY, EXTREME, NOT_FINITE, ProbeInputs
from edge_export.verify.reference import ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_export.verify.tensor_reference import MULTIPLE, TensorReference
from edge_runtime.contract.progress import Progress
from edge_train import Network, NeuralNet

ORDINARY = "rows like the training data"
ROWS: Tensors = {"x": np.zeros((3, 5), np.float32), "text": np.zeros((3, 3), np.int64)}
Array = np.ndarray[Any, Any]
# Nothing is usual, and nothing unexplained.
NOTHING = (np.zeros(()), np.zeros((), np.bool_))


def as_run(compute: Callable[[Array], Array]) -> Run:
    return lambda tensors: {"probability": compute(tensors["x"]).astype(np.float32)}


def probability(model: nn.Module, x: Array) -> Array:
    with torch.inference_mode():
        found: Array = model(torch.from_numpy(x)).numpy()
        return found


def refusal(run: Run, references: list[ProbeReference], program: Program) -> ParityError:
    with pytest.raises(ParityError) as raised:
        compare(run, references, program, "model.onnx")
    assert "\n" not in str(raised.value)
    return raised.value


# -------------------------------------------------------------------------------------------------------- what passes


def test_torch_itself_passes(program: Program, references: list[ProbeReference]) -> None:
    for comparison, reference in zip(compare(program.run, references, program, "torch"), references, strict=True):
        assert comparison.probe is reference.probe
        assert comparison.error == comparison.torch_error
        assert comparison.tolerance_used <= 1 / MULTIPLE
        assert (comparison.failed, comparison.excluded) == (0, 0)
        assert comparison.rows == sum(len(call["x"]) for call in reference.probe.calls)
        assert comparison.errors.shape == comparison.tolerance.shape == (comparison.rows,)
        assert 0 < comparison.largest_tolerance < 2e-5


def test_what_float32_can_decide(program: Program, references: list[ProbeReference]) -> None:
    found = {each.probe.kind: each.decided for each in compare(program.run, references, program, "torch")}
    assert found[ORDINARY] == (9272, 9272)
    boundary = found[BOUNDARY]
    assert boundary is not None
    assert 0.5 < boundary[0] / boundary[1] < 0.9


def test_decisions_of_several_labels_and_of_none() -> None:
    three = np.array([[0.5, 0.4, 0.1], [0.45, 0.45, 0.1], [0.1, 0.1, 0.8]])
    tensor = TensorReference(three.astype(np.float32), three, np.full((3, 3), 1e-3), *NOTHING, False)
    program = capture(Table("multiclass_classification"), tuple(map(torch.from_numpy, ROWS.values())))
    known = [ProbeReference(ProbeInputs("rows", (ROWS,)), ({"probability": tensor},))]
    (comparison,) = compare(lambda _: {"probability": three.astype(np.float32)}, known, program, "it")
    assert comparison.decided == (2, 3)
    plain = capture(layer(lambda self, x: x * 2), rows())
    known = References(plain).of_probes([ProbeInputs("rows", (plain.example,))])
    assert compare(plain.run, known, plain, "it")[0].decided is None


def test_open_integers_are_excluded_and_others_are_decided() -> None:
    program = capture(layer(lambda self, x: x > 0), rows())
    tensor = TensorReference(
        np.array([[True, False, True]]),
        np.array([[True, False, True]]),
        np.array([[0, np.inf, 0]]),
        *NOTHING,
        False,
    )
    known = [ProbeReference(ProbeInputs("rows", ({"x": np.zeros((1, 3), np.float32)},)), ({"output": tensor},))]
    (comparison,) = compare(lambda _: {"output": np.array([[True, True, True]])}, known, program, "it")
    assert (comparison.decided, comparison.excluded, comparison.tolerance_used) == ((2, 3), 1, 0.0)
    refused = refusal(lambda _: {"output": np.array([[False, True, True]])}, known, program)
    assert refused.comparison.failed == 1
    assert "output[0][0] is 0 for x [0, 0, 0] in a call of shape [1, 3], torch gives 1 (in float64 1)" in str(refused)


def test_progress_counts_calls(program: Program, references: list[ProbeReference]) -> None:
    progress = Progress()
    compare(program.run, references, program, "torch", progress)
    assert progress.done == sum(len(reference.calls) for reference in references)


def test_reprs_are_one_line(program: Program, references: list[ProbeReference]) -> None:
    text = repr(compare(program.run, references[:1], program, "torch"))
    assert text.startswith("[Comparison('rows like the training data', rows=9272, tolerance_used=0.")
    assert len(text) < 100


# ---------------------------------------------------------------------------------------------------- what is refused


def wrong(kind: str, x: Array, outputs: Array) -> Array:
    outputs = outputs.copy()
    match kind:
        case "a little too large":
            outputs += 3e-6
        case "one row of a large batch":
            if len(outputs) > 5000:
                outputs[4321] += 1e-4
        case "batches of one":
            if len(outputs) == 1:
                outputs += 1e-4
        case "NaN hidden":
            outputs = np.nan_to_num(outputs, nan=0.5)
        case "NaN made":
            outputs[np.abs(x).max(axis=1) >= 1e30] = np.nan
        case "infinity made":
            outputs[np.abs(x).max(axis=1) >= 1e30] = np.inf
        case "label flipped on the boundary":
            near = np.abs(outputs - 0.5) < 1e-4
            outputs[near] = 1 - outputs[near]
    return outputs


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("a little too large", "the tolerance is "),
        ("one row of a large batch", "in a call of shape [8191, 2]"),
        ("batches of one", "in a call of shape [1, 2]"),
        ("NaN made", EXTREME),
        ("infinity made", EXTREME),
        ("label flipped on the boundary", BOUNDARY),
    ],
)
def test_what_is_wrong_is_refused(
    model: Network, program: Program, references: list[ProbeReference], kind: str, where: str
) -> None:
    refused = refusal(as_run(lambda x: wrong(kind, x, probability(model, x))), references, program)
    message = str(refused)
    assert message.startswith("model.onnx does not compute what torch computes and is not written: among ")
    assert where in message
    assert "probability[" in message
    assert "torch gives " in message
    assert "the smallest tolerance that would pass is" in message


def test_nan_and_infinity_are_reported_unless_they_are_required(
    model: Network, program: Program, torch_side: References, references: list[ProbeReference]
) -> None:
    run = as_run(lambda x: wrong("NaN hidden", x, probability(model, x)))
    (found,) = [each for each in compare(run, references, program, "it") if not each.holds]
    assert found.probe.kind == NOT_FINITE
    assert found.exception.startswith(f"is verified for finite inputs: on {NOT_FINITE}, {found.failed} of ")
    assert "torch gives nan" in found.exception
    required = all_probe_inputs(Sampler(program), torch_side.exact, require_nonfinite=True)
    known = [ProbeReference(probe, each.calls) for probe, each in zip(required, references, strict=True)]
    assert NOT_FINITE in str(refusal(run, known, program))


def test_what_fails_by_chance_is_looked_at_more_closely() -> None:
    """Draws that happened to be small refuse nothing; what stays beyond its tolerance then is refused."""
    program = capture(layer(lambda self, x: x * 2), rows())
    references = References(program)
    probe = ProbeInputs("rows", (program.example, program.example))
    known = references.of_probes([probe])
    asked: list[Tensors] = []

    def closer(tensors: Tensors) -> dict[str, TensorReference]:
        asked.append(tensors)
        found = references.of_call_closely(tensors)
        return {name: replace(each, usual=each.usual + 1e-5) for name, each in found.items()}

    with_closer = [ProbeReference(probe, known[0].calls, closer)]

    def off(by: float) -> Run:
        return lambda tensors: {"output": 2 * tensors["x"] + np.float32(by)}

    assert compare(off(5e-5), with_closer, program, "it")[0].holds
    assert len(asked) == 2
    refusal(off(5e-5), known, program)
    refusal(off(1e-2), with_closer, program)
    # Once is enough to refuse.
    assert len(asked) == 3


def test_the_smallest_tolerance_that_would_pass(program: Program, references: list[ProbeReference]) -> None:
    def run(tensors: Tensors) -> Tensors:
        return {"probability": program.run(tensors)["probability"] + np.float32(0.125)}

    comparison = refusal(run, references[:1], program).comparison
    assert comparison.error == pytest.approx(0.125, abs=1e-5)
    assert comparison.failed == comparison.errors.size == 9272


def test_the_worst_of_all_kinds_is_named(program: Program, references: list[ProbeReference]) -> None:
    def run(tensors: Tensors) -> Tensors:
        return {"probability": program.run(tensors)["probability"] + np.float32(1e-3 * (len(tensors["x"]) == 8191))}

    assert refusal(run, references, program).comparison.probe.kind == ORDINARY


def test_another_shape_is_refused(program: Program, references: list[ProbeReference]) -> None:
    worst = refusal(as_run(lambda x: x[:, :1][:-1]), references[:1], program).comparison.worst
    assert worst is not None
    assert np.isnan(worst.found)
    assert worst.tolerance_used == np.inf


def test_errors_and_what_they_use_of_the_tolerance() -> None:
    tensor = TensorReference(
        np.array([1, np.nan, np.inf, 2], np.float32), np.array([1, np.nan, np.inf, 2]), np.zeros(4), *NOTHING, False
    )
    np.testing.assert_array_equal(errors_of(np.array([1.5, np.nan, np.inf, np.nan]), tensor), [0.5, 0, 0, np.inf])
    np.testing.assert_array_equal(errors_of(np.zeros(3), tensor), np.full(4, np.inf))
    used = tolerance_used(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 4.0, 0.0]))
    np.testing.assert_array_equal(used, [0, 0, 0.25, np.inf])


def test_long_rows_are_shortened() -> None:
    program = capture(layer(lambda self, x: x * 2), torch.zeros(3, 20))
    x = np.arange(60, dtype=np.float32).reshape(3, 20)
    known = References(program).of_probes([ProbeInputs("rows", ({"x": x},))])
    refused = refusal(lambda _: {"output": 2 * x + (x == 19)}, known, program)
    assert "for x [0, 1, 2, 3, 4, 5, 6, 7, ... 12 more] in a call of shape [3, 20]" in str(refused)


# --------------------------------------------------------------------------------------------------- what is excluded


def overflowing() -> tuple[NeuralNet, ProbeInputs]:
    """In the first row float32 overflows on the way, which the sigmoid hides: 1.0 where float64 gives 0.0."""
    model = NeuralNet(2, 2)
    with torch.no_grad():
        model.linear_1.weight.copy_(torch.tensor([[1e20, 0.0], [0.0, 1e20]]))
        model.linear_1.bias.zero_()
        model.linear_2.weight.copy_(torch.tensor([[1e-20, -1.0]]))
        model.linear_2.bias.zero_()
    return model, ProbeInputs("rows", ({"x": np.array([[1e30, 1e15], [1e-20, 2e-20], [2e-20, 1e-20]], np.float32)},))


def changed(model: nn.Module, change: Array, x: Array) -> Array:
    return probability(model, x) + change


@pytest.mark.parametrize("finite_only", [False, True])
def test_one_row_that_overflows_excuses_no_other(finite_only: bool) -> None:
    model, probe = overflowing()
    program = capture(model, torch.zeros(2, 2))
    references = References(program, finite_only).of_probes([probe])
    reference = references[0].calls[0]["probability"]
    assert reference.float32[0] == 1.0
    assert reference.float64[0] == 0.0
    assert reference.trusted[:, 0].tolist() == [False, True, True]
    compare(as_run(lambda x: probability(model, x)), references, program, "torch")
    for change in -1e-3 * np.eye(3)[:, :, None]:
        refused = refusal(as_run(functools.partial(changed, model, change)), references, program)
        # float32 gives a finite number there, so that it cannot be excluded.
        assert "--finite" not in str(refused)


@pytest.mark.parametrize("wrong_row", [0, 1])
def test_what_is_not_finite_can_be_excluded_and_nothing_else(wrong_row: int) -> None:
    program = capture(layer(lambda self, x: x.sqrt()), torch.ones(2, 1))
    probe = ProbeInputs("rows", ({"x": np.array([[-1.0], [4.0]], np.float32)},))
    outputs = np.array([[np.nan], [2.0]], np.float32)
    outputs[wrong_row] = 1.0

    def run(tensors: Tensors) -> Tensors:
        return {"output": outputs}

    refused = refusal(run, References(program).of_probes([probe]), program)
    assert ("--finite (finite_only=True) excludes them" in str(refused)) == (wrong_row == 0)
    references = References(program, finite_only=True).of_probes([probe])
    if wrong_row == 0:
        (comparison,) = compare(run, references, program, "changed")
        assert comparison.excluded == 1
    else:
        refusal(run, references, program)


def other_off_its_example(self: object, x: Tensor) -> Tensor:
    """Computes something else than the graph that is captured of it, and not on its example."""
    return x if torch.compiler.is_exporting() else x + (x > 1.5)


@pytest.mark.parametrize("finite_only", mostly_slow([False, True], [False]))
def test_a_module_that_computes_something_else_than_its_graph_is_refused(finite_only: bool) -> None:
    program = capture(layer(other_off_its_example), torch.ones(2, 1))
    references = References(program, finite_only)
    known = references.of_probes(all_probe_inputs(Sampler(program), references.exact, finite_only))
    refusal(load_onnx(onnx_bytes(program)), known, program)
