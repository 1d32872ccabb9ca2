"""The standard itself: what it draws, what it lets pass, what it refuses."""

import copy
import functools
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.formats.onnx_file import load_onnx
from edge_export.formats.onnx_file import onnx_model as onnx_bytes
from edge_export.tensors import Run, Tensors
from edge_export.verify.compare import ParityError, compare
from edge_export.verify.probe_inputs import BATCH_SIZES
from edge_export.verify.probe_kinds import BOUNDARY, EXTREME, NOT_FINITE
from edge_export.verify.probe_kinds import ProbeInputs as Case
from edge_export.verify.random_rounding import HALF_UNIT
from edge_export.verify.reference import MULTIPLE, ProbeReference, References
from edge_export.verify.sampler import Sampler as Cases
from edge_export.verify.worst_case_search import worst_rows
from edge_train import NeuralNet, four_blobs, train

ORDINARY = "rows like the training data"


def captured(model: NeuralNet) -> Program:
    return capture(model, torch.zeros(2, len(model.signature.features)))


def drawn(program: Program, finite_only: bool = False) -> list[ProbeReference]:
    references = References(program, finite_only)
    return references.of_probes(Cases(program, finite_only=finite_only).all(references.exact))


def as_run(compute: Callable[[np.ndarray], np.ndarray]) -> Run:
    return lambda tensors: {"probability": compute(tensors["x"]).astype(np.float32)}


@pytest.fixture(scope="module")
def model() -> NeuralNet:
    return train(four_blobs(0)).model


@pytest.fixture(scope="module")
def program(model: NeuralNet) -> Program:
    return captured(model)


@pytest.fixture(scope="module")
def references(program: Program) -> list[ProbeReference]:
    return drawn(program)


@pytest.fixture(scope="module")
def rows(references: list[ProbeReference]) -> dict[str, list[np.ndarray]]:
    return {reference.probe.kind: [batch["x"] for batch in reference.probe.calls] for reference in references}


def test_ordinary_rows_are_like_the_training_rows_in_many_batches(rows: dict[str, list[np.ndarray]]) -> None:
    assert [len(batch) for batch in rows[ORDINARY]] == [2, *BATCH_SIZES]  # the example first
    assert {1, 2, 37} <= set(BATCH_SIZES)
    assert max(BATCH_SIZES) > 4096
    together = np.concatenate(rows[ORDINARY])
    assert (np.abs(together) < 1.7).mean() > 0.9
    assert together.dtype == np.float32


def test_boundary_rows_lie_on_the_boundary(model: NeuralNet, rows: dict[str, list[np.ndarray]]) -> None:
    boundary = rows[BOUNDARY][0]
    assert len(boundary) > 1000
    with torch.inference_mode():
        distance = np.abs(model(torch.from_numpy(boundary)).numpy()[:, 0] - 0.5)
    nearest = distance[: len(boundary) // 15]  # the step of 0 comes first
    assert nearest.max() < 1e-6
    assert (distance < 1e-3).sum() > 300
    assert (distance > 1e-3).sum() > 300


def test_extreme_rows_hold_what_is_extreme(rows: dict[str, list[np.ndarray]]) -> None:
    finite = np.concatenate(rows[EXTREME])
    assert np.isfinite(finite).all()
    assert np.abs(finite).max() >= 1e30
    tiny = np.abs(finite[(finite != 0)]).min()
    assert tiny < np.finfo(np.float32).tiny  # a subnormal
    others = np.concatenate(rows[NOT_FINITE])
    for value in (np.inf, -np.inf):
        assert (others == value).any(axis=0).all()
    assert np.isnan(others).any(axis=0).all()


def test_every_kind_of_rows_is_compared_in_single_rows_too(rows: dict[str, list[np.ndarray]]) -> None:
    for batches in rows.values():
        assert {1, 2} <= {len(batch) for batch in batches}


def test_a_network_with_one_answer_has_no_boundary() -> None:
    model = NeuralNet(2, 5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.linear_2.bias.fill_(3.0)
    program = captured(model)
    compared = compare(program.run, drawn(program), program, "it")
    assert [len(comparison.probe.calls) > 0 for comparison in compared] == [True, False, True, True]


def test_drawn_again_the_same(program: Program, references: list[ProbeReference]) -> None:
    for reference, again in zip(references, drawn(program), strict=True):
        for batch, batch_again in zip(reference.probe.calls, again.probe.calls, strict=True):
            np.testing.assert_array_equal(batch["x"], batch_again["x"])
        for tensors, tensors_again in zip(reference.batches, again.batches, strict=True):
            np.testing.assert_array_equal(tensors["probability"].sensitivity, tensors_again["probability"].sensitivity)


def test_torch_itself_passes(program: Program, references: list[ProbeReference]) -> None:
    for comparison, reference in zip(compare(program.run, references, program, "torch"), references, strict=True):
        assert comparison.error == comparison.torch_error
        assert comparison.tolerance_used <= 1 / MULTIPLE
        for batch in reference.batches:
            tensor = batch["probability"]
            assert (tensor.tolerance >= MULTIPLE * HALF_UNIT * np.abs(np.nan_to_num(tensor.expected))).all()


def test_what_is_allowed_is_tight(references: list[ProbeReference]) -> None:
    """The yardstick is float32's own: a few units in the last place, on a network that is well behaved."""
    for reference in references:
        for batch in reference.batches:
            tensor = batch["probability"]
            assert tensor.tolerance.max() < 2e-5
            saturated = np.abs(tensor.float64 - 0.5) > 0.499999
            assert (tensor.tolerance[saturated] < 1.5e-6).all()


def test_a_row_on_a_steep_slope_is_allowed_more_and_others_are_not(model: NeuralNet) -> None:
    """With weights a hundred times larger float32 hardly knows the output on the boundary, and well elsewhere."""
    steep = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in steep.parameters():
            parameter.mul_(100)
    by_name = {reference.probe.kind: reference.batches for reference in drawn(captured(steep))}
    assert by_name[BOUNDARY][0]["probability"].tolerance.max() > 1e-3
    assert np.median(by_name[ORDINARY][-1]["probability"].tolerance) < 1.5 * MULTIPLE * HALF_UNIT


def overflowing() -> tuple[NeuralNet, Case]:
    """In the first row float32 overflows on the way, which the sigmoid hides: 1.0 where float64 gives 0.0."""
    model = NeuralNet(2, 2)
    with torch.no_grad():
        model.linear_1.weight.copy_(torch.tensor([[1e20, 0.0], [0.0, 1e20]]))
        model.linear_1.bias.zero_()
        model.linear_2.weight.copy_(torch.tensor([[1e-20, -1.0]]))
        model.linear_2.bias.zero_()
    return model, Case("rows", ({"x": np.array([[1e30, 1e15], [1e-20, 2e-20], [2e-20, 1e-20]], np.float32)},))


@pytest.mark.parametrize("finite_only", [False, True])
def test_one_row_that_overflows_excuses_no_other(finite_only: bool) -> None:
    model, case = overflowing()
    program = captured(model)
    references = References(program, finite_only).of_probes([case])
    reference = references[0].batches[0]["probability"]
    assert reference.float32[0] == 1.0
    assert reference.float64[0] == 0.0
    assert reference.trusted[:, 0].tolist() == [False, True, True]

    def run(x: np.ndarray, change: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy() + change

    compare(as_run(functools.partial(run, change=np.zeros((3, 1)))), references, program, "torch")
    for change in -1e-3 * np.eye(3)[:, :, None]:
        changed = as_run(functools.partial(run, change=change))
        with pytest.raises(ParityError) as error:
            compare(changed, references, program, "changed")
        # float32 gives a finite number there, so that it cannot be left out.
        assert "--finite" not in str(error.value)


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sqrt()


@pytest.mark.parametrize("wrong_row", [0, 1])
def test_what_is_not_finite_can_be_left_out_and_nothing_else(wrong_row: int) -> None:
    program = capture(Root(), torch.ones(2, 1))
    case = Case("rows", ({"x": np.array([[-1.0], [4.0]], np.float32)},))
    outputs = np.array([[np.nan], [2.0]], np.float32)
    outputs[wrong_row] = 1.0

    def run(tensors: Tensors) -> Tensors:
        return {"output": outputs}

    with pytest.raises(ParityError) as error:
        compare(run, References(program).of_probes([case]), program, "changed")
    assert ("--finite" in str(error.value)) == (wrong_row == 0)
    references = References(program, finite_only=True).of_probes([case])
    if wrong_row == 0:
        (comparison,) = compare(run, references, program, "changed")
        assert comparison.excluded == 1
    else:
        with pytest.raises(ParityError):
            compare(run, references, program, "changed")


class Otherwise(nn.Module):
    """Computes otherwise than the graph that is captured of it, and not on its example."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if torch.compiler.is_exporting() else x + (x > 1.5)


@pytest.mark.parametrize("finite_only", [False, True])
def test_a_module_that_computes_otherwise_than_its_graph_is_refused(finite_only: bool) -> None:
    program = capture(Otherwise(), torch.ones(2, 1))
    with pytest.raises(ParityError):
        compare(load_onnx(onnx_bytes(program)), drawn(program, finite_only), program, "the model")


def wrong(kind: str, rows: np.ndarray, outputs: np.ndarray) -> np.ndarray:
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
            outputs[np.abs(rows).max(axis=1) >= 1e30] = np.nan
        case "infinity made":
            outputs[np.abs(rows).max(axis=1) >= 1e30] = np.inf
        case "label flipped on the boundary":
            near = np.abs(outputs - 0.5) < 1e-4
            outputs[near] = 1 - outputs[near]
    return outputs


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("a little too large", "the difference may be"),
        ("one row of a large batch", "in a call of shape [8191, 2]"),
        ("batches of one", "in a call of shape [1, 2]"),
        ("NaN hidden", NOT_FINITE),
        ("NaN made", EXTREME),
        ("infinity made", EXTREME),
        ("label flipped on the boundary", BOUNDARY),
    ],
)
def test_what_is_wrong_is_refused(
    model: NeuralNet, program: Program, references: list[ProbeReference], kind: str, where: str
) -> None:
    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return wrong(kind, x, model(torch.from_numpy(x)).numpy())

    with pytest.raises(ParityError) as error:
        compare(as_run(run), references, program, "model.onnx")
    message = str(error.value)
    assert message.startswith("model.onnx does not compute what torch computes, and is not written")
    assert where in message
    assert "probability[" in message
    assert "torch gives " in message
    assert "the smallest tolerance that would pass is" in message


def test_the_smallest_tolerance_that_would_pass(program: Program, references: list[ProbeReference]) -> None:
    def run(tensors: Tensors) -> Tensors:
        return {"probability": program.run(tensors)["probability"] + np.float32(0.125)}

    with pytest.raises(ParityError) as error:
        compare(run, references[:1], program, "it")
    comparison = error.value.comparison
    assert comparison.error == pytest.approx(0.125, abs=1e-5)
    assert comparison.failed == comparison.errors.size == 9272


def test_the_search_finds_what_is_wrong_in_few_rows(program: Program) -> None:
    """Wrong in one corner that drawn rows hardly reach; moving the worst rows on leads there."""
    references = References(program)
    cases = Cases(program)
    references.of_probes([cases.ordinary()])

    def run(tensors: Tensors) -> Tensors:
        x = tensors["x"]
        slope = 1e-7 * np.exp(np.minimum(x[:, :1] + x[:, 1:], 6.0))
        return {"probability": (program.run(tensors)["probability"] + slope).astype(np.float32)}

    found = worst_rows(run, references, cases)
    assert found is not None
    sums = found.batches[0]["x"].sum(axis=1)
    assert np.median(sums) > np.quantile(cases.draw(1000)["x"].sum(axis=1), 0.99)


def changed_weight(content: bytes, name: str, index: int, change: Callable[[float], float]) -> bytes:
    proto = onnx.load_from_string(content)
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[index] = change(values.flat[index])
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    return proto.SerializeToString()


@pytest.mark.parametrize(("factor", "refused_at_least"), [(1.01, 21), (1.001, 19)])
def test_any_one_weight_changed_is_refused(
    model: NeuralNet, program: Program, references: list[ProbeReference], factor: float, refused_at_least: int
) -> None:
    """Each of the 21 weights in turn; a smaller change may move no row by more than float32's own error."""
    content = onnx_bytes(program)
    compare(load_onnx(content), references, program, "unchanged")
    refused = 0
    for name, parameter in model.named_parameters():
        for index in range(parameter.numel()):
            damaged = changed_weight(content, name, index, lambda weight: weight * factor)
            try:
                compare(load_onnx(damaged), references, program, "changed")
            except ParityError:
                refused += 1
    assert refused >= refused_at_least
