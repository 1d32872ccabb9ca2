"""The standard itself: what it draws, what it lets pass, what it refuses."""

import copy
import functools
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch

from edge_export.cases import BATCH_SIZES, Case, draw_cases
from edge_export.errors import ParityError
from edge_export.exporting import load_onnx
from edge_export.onnx_file import onnx_bytes
from edge_export.parity import HALF_UNIT, MULTIPLE, CaseReference, compare, compute_references
from edge_train import NeuralNet, four_blobs, train


@pytest.fixture(scope="module")
def model() -> NeuralNet:
    return train(four_blobs(0)).model


@pytest.fixture(scope="module")
def cases(model: NeuralNet) -> dict[str, Case]:
    return {case.name: case for case in draw_cases(model)}


@pytest.fixture(scope="module")
def references(model: NeuralNet) -> list[CaseReference]:
    return compute_references(model, draw_cases(model))


def test_ordinary_rows_are_like_the_training_rows_in_many_batches(cases: dict[str, Case]) -> None:
    batches = cases["rows like the training data"].batches
    assert [len(batch) for batch in batches] == list(BATCH_SIZES)
    assert {1, 2, 37} <= set(BATCH_SIZES)
    assert max(BATCH_SIZES) > 4096
    rows = np.concatenate(batches)
    assert (np.abs(rows) < 1.7).mean() > 0.9
    assert rows.dtype == np.float32


def test_boundary_rows_lie_on_the_boundary(model: NeuralNet, cases: dict[str, Case]) -> None:
    rows = cases["rows on the decision boundary"].batches[0]
    assert len(rows) > 1000
    with torch.inference_mode():
        distance = np.abs(model(torch.from_numpy(rows)).numpy()[:, 0] - 0.5)
    nearest = distance[: len(rows) // 15]  # the step of 0 comes first
    assert nearest.max() < 1e-6
    assert (distance < 1e-3).sum() > 300
    assert (distance > 1e-3).sum() > 300


def test_extreme_rows_hold_what_is_extreme(cases: dict[str, Case]) -> None:
    finite = np.concatenate(cases["extreme rows"].batches)
    assert np.isfinite(finite).all()
    assert np.abs(finite).max() >= 1e30
    tiny = np.abs(finite[(finite != 0)]).min()
    assert tiny < np.finfo(np.float32).tiny  # a subnormal
    others = np.concatenate(cases["rows with NaN or infinity"].batches)
    for value in (np.inf, -np.inf):
        assert (others == value).any(axis=0).all()
    assert np.isnan(others).any(axis=0).all()


def test_a_network_with_one_answer_has_no_boundary() -> None:
    model = NeuralNet(2, 5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.linear_2.bias.fill_(3.0)
    references = compute_references(model, draw_cases(model))
    compared = compare(lambda rows: model(torch.from_numpy(rows)).detach().numpy(), references, model.signature, "it")
    assert [len(comparison.case.batches) > 0 for comparison in compared] == [True, False, True, True]


def test_drawn_again_the_same(model: NeuralNet) -> None:
    for case, again in zip(draw_cases(model), draw_cases(model), strict=True):
        for rows, rows_again in zip(case.batches, again.batches, strict=True):
            np.testing.assert_array_equal(rows, rows_again)


def test_torch_itself_passes(model: NeuralNet, references: list[CaseReference]) -> None:
    with torch.inference_mode():
        comparisons = compare(lambda rows: model(torch.from_numpy(rows)).numpy(), references, model.signature, "torch")
    for comparison, reference in zip(comparisons, references, strict=True):
        assert comparison.error == comparison.torch_error
        assert comparison.share <= 1 / MULTIPLE
        assert (reference.allowed >= MULTIPLE * HALF_UNIT).all()


def test_what_is_allowed_is_tight(references: list[CaseReference]) -> None:
    """The yardstick is float32's own: a few units in the last place, on a network that is well behaved."""
    for reference in references:
        assert reference.allowed.max() < 1e-5
        saturated = np.abs(reference.float64 - 0.5) > 0.499999
        assert (reference.allowed[saturated] < 1e-6).all()


def test_a_row_on_a_steep_slope_is_allowed_more_and_others_are_not(model: NeuralNet) -> None:
    """With weights a hundred times larger float32 hardly knows the output on the boundary, and well elsewhere."""
    steep_model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in steep_model.parameters():
            parameter.mul_(100)
    by_name = {reference.case.name: reference for reference in compute_references(steep_model, draw_cases(steep_model))}
    boundary, ordinary = by_name["rows on the decision boundary"], by_name["rows like the training data"]
    assert boundary.allowed.max() > 1e-3
    assert np.median(ordinary.allowed) == MULTIPLE * HALF_UNIT


def overflowing() -> tuple[NeuralNet, Case]:
    """In the first row float32 overflows on the way, which the sigmoid hides: 1.0 where float64 gives 0.0."""
    model = NeuralNet(2, 2)
    with torch.no_grad():
        model.linear_1.weight.copy_(torch.tensor([[1e20, 0.0], [0.0, 1e20]]))
        model.linear_1.bias.zero_()
        model.linear_2.weight.copy_(torch.tensor([[1e-20, -1.0]]))
        model.linear_2.bias.zero_()
    return model, Case("rows", (np.array([[1e30, 1e15], [1e-20, 2e-20], [2e-20, 1e-20]], np.float32),))


def test_one_row_that_overflows_excuses_no_other() -> None:
    model, case = overflowing()
    (reference,) = compute_references(model, [case])
    assert reference.float32[0] == 1.0
    assert reference.float64[0] == 0.0
    assert reference.trusted.tolist() == [False, True, True]

    def run(rows: np.ndarray, change: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(rows)).numpy() + change

    compare(functools.partial(run, change=np.zeros((3, 1))), [reference], model.signature, "torch")
    for change in -1e-3 * np.eye(3)[:, :, None]:
        with pytest.raises(ParityError):
            compare(functools.partial(run, change=change), [reference], model.signature, "changed")


Outputs = np.ndarray


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
        ("a little too large", "rows like the training data"),
        ("one row of a large batch", "in a batch of 8191"),
        ("batches of one", "in a batch of 1 "),
        ("NaN hidden", "rows with NaN or infinity"),
        ("NaN made", "extreme rows"),
        ("infinity made", "extreme rows"),
        ("label flipped on the boundary", "rows on the decision boundary"),
    ],
)
def test_what_is_wrong_is_refused(model: NeuralNet, references: list[CaseReference], kind: str, where: str) -> None:
    def run(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return wrong(kind, rows, model(torch.from_numpy(rows)).numpy())

    with pytest.raises(ParityError) as error:
        compare(run, references, model.signature, "model.onnx")
    message = str(error.value)
    assert message.startswith("model.onnx does not compute what torch computes, and is not written")
    assert where in message
    assert "the row [" in message
    assert "torch " in message


def changed_weight(content: bytes, name: str, index: int, change: Callable[[float], float]) -> bytes:
    proto = onnx.load_from_string(content)
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            values = onnx.numpy_helper.to_array(tensor).copy()
            values.flat[index] = change(values.flat[index])
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    return proto.SerializeToString()


@pytest.mark.parametrize(("factor", "refused_at_least"), [(1.01, 21), (1.001, 20)])
def test_any_one_weight_changed_is_refused(
    model: NeuralNet, references: list[CaseReference], factor: float, refused_at_least: int
) -> None:
    """Each of the 21 weights in turn; a smaller change may move no row by more than float32's own error."""
    content = onnx_bytes(model)
    compare(load_onnx(content, model.signature), references, model.signature, "unchanged")
    refused = 0
    for name, parameter in model.named_parameters():
        for index in range(parameter.numel()):
            damaged = changed_weight(content, name, index, lambda weight: weight * factor)
            try:
                compare(load_onnx(damaged, model.signature), references, model.signature, "changed")
            except ParityError:
                refused += 1
    assert refused >= refused_at_least
