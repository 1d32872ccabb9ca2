"""The standard: what an exported model must compute, and how far from it each element may be."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from layers import layer, rows
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import COSTLY, Program
from edge_export.verify.decision_boundary import boundary_rows
from edge_export.verify.float64 import Arithmetic, RangeWatch
from edge_export.verify.probe_inputs import ordinary
from edge_export.verify.probe_kinds import BOUNDARY, ProbeInputs
from edge_export.verify.random_rounding import HALF_UNIT
from edge_export.verify.reference import DRAWS, MANY_DRAWS, ProbeReference, References
from edge_export.verify.sampler import Sampler
from edge_export.verify.tensor_reference import MULTIPLE, TensorReference
from edge_runtime.contract.progress import Progress
from edge_train import Network

INF, NAN = math.inf, math.nan


def reference(
    float32: list[float],
    float64: list[float],
    sensitivity: list[float],
    usual: float = 0.0,
    finite_only: bool = False,
    unexplained: Sequence[bool] = (),
) -> TensorReference:
    return TensorReference(
        np.array(float32, np.float32),
        np.array(float64),
        np.array(sensitivity),
        np.array(usual),
        np.array(unexplained or [False] * len(float32)),
        finite_only,
    )


def test_eight_is_the_multiple() -> None:
    assert (MULTIPLE, DRAWS, MANY_DRAWS, HALF_UNIT) == (8.0, 4, 16, 2.0**-24)


def test_the_largest_of_the_measures_is_the_tolerance() -> None:
    # torch's own error, the sensitivity, half a unit of the element's own size, and what is usual.
    float64 = [0.0, 0.0, 4.0, 0.5]
    tensor = reference([1e-5, 0.0, 4.0, 0.5], float64, [2e-6, 1e-3, 0.0, 0.0], usual=1e-7)
    np.testing.assert_allclose(tensor.tolerance, 8 * np.array([np.float32(1e-5), 1e-3, 4 * HALF_UNIT, 1e-7]))
    np.testing.assert_array_equal(tensor.expected, float64)
    assert tensor.trusted.all()


def test_torch_s_errors_in_a_row_widen_the_tolerance_of_all_of_it() -> None:
    """Of many elements: 8 times their root mean square, and never less than the largest of them."""
    float64 = np.zeros((2, 100))
    float32 = float64.astype(np.float32)
    float32[0, 0], float32[0, 1:] = 1e-3, 1e-6
    tensor = TensorReference(float32, float64, np.zeros((2, 100)), np.full((1, 1), 1e-9), np.zeros((), np.bool_), False)
    np.testing.assert_allclose(tensor.tolerance[0, 1:], 1e-3, rtol=1e-3)
    np.testing.assert_allclose(tensor.tolerance[1], 8e-9)


def test_a_large_number_widens_nothing_beside_a_small_one() -> None:
    float32 = np.array([[1000.0001, 0.5]], np.float32)
    float64 = float32 + np.array([[3e-5, 0.0]])
    usual = np.array([[1e-4, 1e-8]])
    tensor = TensorReference(float32, float64, np.zeros((1, 2)), usual, np.zeros((), np.bool_), False)
    assert tensor.tolerance[0, 1] < 1e-6


def test_torch_itself_is_expected_where_roundings_do_not_explain_it() -> None:
    unexplained = [True, False, False, False, False]
    values = ([1.0, INF, NAN, NAN, 1.0], [0.0, 5.0, 3.0, NAN, 1.0], [1e-6] * 5)
    tensor = reference(*values, usual=1e-7, unexplained=unexplained)
    assert tensor.trusted.tolist() == [False, False, False, False, True]
    np.testing.assert_array_equal(tensor.expected, np.array([1.0, INF, NAN, NAN, 1.0], np.float32))
    # Its own error, which is large there, widens nothing.
    np.testing.assert_allclose(tensor.tolerance, 8 * np.array([1e-6, 1e-6, 1e-6, 1e-6, 1e-6]))
    np.testing.assert_array_equal(tensor.torch_errors, [1.0, INF, NAN, NAN, 0.0])


def test_the_same_infinity_is_not_an_error() -> None:
    tensor = reference([INF, -INF, INF], [INF, -INF, -INF], [0.0] * 3)
    assert tensor.trusted.tolist() == [True, True, False]
    np.testing.assert_array_equal(tensor.torch_errors, [0.0, 0.0, INF])


def test_what_is_not_finite_on_either_side_can_be_excluded() -> None:
    sides = ([1.0, INF, NAN, 2.0], [1.0, 5.0, 3.0, INF], [0.0] * 4)
    assert np.isfinite(reference(*sides).tolerance).all()
    np.testing.assert_array_equal(np.isinf(reference(*sides, finite_only=True).tolerance), [False, True, True, True])
    assert reference(*sides).is_finite.tolist() == [True, False, False, False]


def test_integers_and_booleans_must_be_equal_unless_they_are_open() -> None:
    open_places = np.array([0.0, INF])
    tensor = TensorReference(
        np.array([3, 4]), np.array([3, 4]), open_places, np.zeros(()), np.zeros((), np.bool_), True
    )
    assert tensor.is_discrete
    np.testing.assert_array_equal(tensor.tolerance, [0.0, INF])
    np.testing.assert_array_equal(tensor.expected, [3, 4])


# ----------------------------------------------------------------------------------------------------- what torch gives


def of_one_call(program: Program, finite_only: bool = False, **tensors: Any) -> dict[str, TensorReference]:
    arrays = {name: np.array(values, np.float32) for name, values in tensors.items()}
    return References(program, finite_only).of_call(arrays)


def test_one_call() -> None:
    program = capture(layer(lambda self, x: (x / 3, x > 0.5, x * 2)), rows())
    x = [[0.1, 0.5, 1.0]]
    third, above, twice = of_one_call(program, x=x).values()
    np.testing.assert_array_equal(third.float64, np.array(x, np.float32).astype(np.float64) / 3)
    np.testing.assert_array_equal(third.float32, np.array(x, np.float32) / np.float32(3))
    assert (third.sensitivity > 0).all()
    assert (third.sensitivity < 1e-7).all()
    # float32 computes it exactly, so no rounding moves it.
    np.testing.assert_array_equal(twice.sensitivity, 0)
    assert above.float32.tolist() == [[False, False, True]]
    np.testing.assert_array_equal(above.sensitivity, 0)


def test_a_decision_that_roundings_change_is_open() -> None:
    program = capture(layer(lambda self, x: x / 3 > x * (1 / 3)), rows())
    (found,) = of_one_call(program, x=[[0.1, 0.7, 3.0]]).values()
    assert np.isinf(found.sensitivity).any()
    far = capture(layer(lambda self, x: x / 3 > x * (1 / 2)), rows())
    (found,) = of_one_call(far, x=[[0.1, 0.7, 3.0]]).values()
    np.testing.assert_array_equal(found.sensitivity, 0)


def test_ordinary_rows_tell_what_is_usual() -> None:
    program = capture(layer(lambda self, x: (x * torch.tensor([1.0, 10.0, 100.0]), x.unsqueeze(1))), rows())
    references = References(program)
    ones = {"x": np.ones((40, 3), np.float32)}
    known = references.of_probes([ProbeInputs("ordinary", (ones, ones)), ProbeInputs("others", (ones,))])
    # Columns of a fixed number have one each, which is half a unit of their magnitude if nothing is rounded.
    np.testing.assert_allclose(known[1].calls[0]["output_0"].usual[:1], [HALF_UNIT * np.array([1, 10, 100])])
    # Where NaN or infinity comes out, they do not count.
    infinite = {"x": np.tile(np.array([[np.inf, 1, 2], [np.nan, 1, 2], [3, 1, 2]], np.float32), (80, 1))}
    references.of_probes([ProbeInputs("ordinary", (infinite,))])
    np.testing.assert_allclose(references.of_call(ones)["output_0"].usual[:1], [HALF_UNIT * np.array([3, 10, 200])])


def test_progress_counts_calls() -> None:
    program = capture(layer(lambda self, x: x * 2), rows())
    progress = Progress()
    References(program).of_probes([ordinary(Sampler(program))], progress)
    assert progress.done == len(ordinary(Sampler(program)).calls)


def test_costly_programs_are_drawn_to_tell_what_is_usual(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = ordinary(Sampler(program))
    assert all(call["probability"].sensitivity.any() for call in References(program).of_probes([probe])[0].calls)
    monkeypatch.setitem(vars(program), "cost", COSTLY)
    known = References(program).of_probes([probe])[0]
    assert not any(call["probability"].sensitivity.any() for call in known.calls)
    assert all((call["probability"].usual > 0).all() for call in known.calls)
    # What seems to be wrong is looked at more closely.
    assert known.closer is not None
    assert known.closer(probe.calls[1])["probability"].sensitivity.any()


class Otherwise(nn.Module):
    """Its graph is not what it does: it knows when it is exported."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1.0 if torch.compiler.is_exporting() else 1.001)


def test_a_graph_that_is_not_what_the_module_does_is_not_the_reference() -> None:
    program = capture(Otherwise(), rows())
    known = References(program).of_probes([ProbeInputs("rows", (program.example,))])[0].calls[0]["output"]
    assert not known.trusted[program.example["x"] != 0].any()
    np.testing.assert_array_equal(known.expected, program.run(program.example)["output"])


def test_what_torch_computes_badly_does_not_count_against_a_file() -> None:
    """Without overflow float64 stays the reference, however far off torch is: here by cancelling squares."""
    program = capture(layer(lambda self, x: torch.cdist(x, x + 1e-3)), rows(30, 3))
    x = {"x": np.linspace(900, 1000, 90).reshape(30, 3).astype(np.float32)}
    known = References(program).of_probes([ProbeInputs("rows", (x,))])[0].calls[0]["output"]
    assert known.trusted.all()
    assert (known.tolerance >= known.torch_errors).all()


def test_overflow_is_seen_on_the_way() -> None:
    program = capture(layer(lambda self, x: torch.sigmoid(1e30 / (x * x) - 5.0)), rows())
    x = {"x": np.array([[1e25, 1e3, 1.0]], np.float32)}
    exact = Arithmetic(program)
    assert RangeWatch(exact).has_left(x)
    assert not RangeWatch(exact).has_left({"x": np.array([[1e10, 1e3, 1e5]], np.float32)})


def other_branch(self: object, x: Tensor) -> Tensor:
    return x if x.shape[0] < 6 else x[:3]


def test_a_graph_that_holds_for_the_example_alone() -> None:
    program = capture(layer(other_branch), rows())
    with pytest.raises(ExportError) as raised:
        of_one_call(program, x=np.ones((9, 3)))
    assert str(raised.value) == (
        "output has the shape [3, 3] for inputs of the shapes [[9, 3]], and [9, 3] in what torch.export captured: the "
        "captured graph holds only for the example's branch or size"
    )


def test_an_output_whose_size_depends_on_roundings() -> None:
    program = capture(layer(lambda self, x: (x / 3 - 0.33333332).relu().nonzero()), rows())
    of_one_call(program, x=[[2, 0, 9]])
    with pytest.raises(ExportError) as raised:
        of_one_call(program, x=[[1, 0, 9]])
    assert str(raised.value) == (
        "the number of elements of output depends on how float32 rounds, so that it cannot be compared; return a "
        "tensor of a fixed size, such as a mask"
    )


def test_an_output_without_elements() -> None:
    program = capture(layer(lambda self, x: (x[:, :0], x.new_zeros(0), x * 2)), rows())
    found = of_one_call(program, x=[[1, 0, 2]])
    assert [tensor.tolerance.shape for tensor in found.values()] == [(1, 0), (0,), (1, 3)]


# ---------------------------------------------------------------------------------------------------------- the example


def test_the_tolerance_is_tight(references: list[ProbeReference]) -> None:
    """A few units in the last place, on a network that is well behaved."""
    for known in references:
        for call in known.calls:
            tensor = call["probability"]
            assert tensor.tolerance.max() < 2e-5
            saturated = np.abs(tensor.float64 - 0.5) > 0.499999
            assert (tensor.tolerance[saturated] < 3e-6).all()
            assert (tensor.tolerance >= MULTIPLE * HALF_UNIT * np.abs(np.nan_to_num(tensor.expected))).all()


def test_computed_again_the_same(program: Program, references: list[ProbeReference]) -> None:
    again = References(program)
    again.of_probes([references[0].probe])
    for known in references[1:]:
        call = again.of_call(known.probe.calls[0])
        for part in ("sensitivity", "tolerance", "expected"):
            np.testing.assert_array_equal(
                getattr(call["probability"], part), getattr(known.calls[0]["probability"], part)
            )


def test_a_row_on_a_steep_slope_has_a_larger_tolerance_and_others_have_not(model: Network) -> None:
    """With weights a hundred times larger float32 hardly knows the output on the boundary, and well elsewhere."""
    steep = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in steep.parameters():
            parameter.mul_(100)
    program = capture(steep, torch.zeros(2, 2))
    references, sampler = References(program), Sampler(program)
    common = ordinary(sampler)
    boundary = boundary_rows(sampler, references.exact)
    assert boundary is not None
    known = references.of_probes([common, ProbeInputs(BOUNDARY, (boundary,))])
    assert known[1].calls[0]["probability"].tolerance.max() > 1e-3
    assert np.median(known[0].calls[-1]["probability"].tolerance) < 1e-5


def test_costly_programs_run_each_row_once_in_float64(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(program), "cost", COSTLY)
    rows = {"x": np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)}
    calls = tuple({"x": rows["x"][part]} for part in (slice(2), slice(2, 3), slice(3)))
    references = References(program)
    run = Arithmetic.run
    counted: list[int] = []

    def counting(self: Arithmetic, tensors: Any) -> Any:
        if type(self) is Arithmetic:
            counted.append(len(tensors["x"]))
        return run(self, tensors)

    monkeypatch.setattr(Arithmetic, "run", counting)
    known = references.of_probes([ProbeInputs("rows", calls)])[0]
    # All three rows at once, and the first two for the draws.
    assert counted == [3, 2]
    for call, found in zip(calls, known.calls, strict=True):
        np.testing.assert_allclose(found["probability"].float64, run(references.exact, call)["probability"], rtol=1e-12)


def test_rows_that_depend_on_each_other_are_run_call_by_call(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(layer(lambda self, x: x - x.mean(0)), rows())
    monkeypatch.setitem(vars(program), "cost", COSTLY)
    whole = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    calls = ({"x": whole[:2]}, {"x": whole[2:]}, {"x": whole})
    references = References(program)
    known = references.of_probes([ProbeInputs("rows", calls)])[0]
    for call, found in zip(calls, known.calls, strict=True):
        expected = references.exact.run(call)["output"]
        np.testing.assert_allclose(found["output"].float64, expected, atol=1e-12)


def test_tolerances_are_numbers_whatever_torch_computes() -> None:
    float32 = np.array([[1e30, 0.0]], np.float32)
    float64 = np.array([[2e30, 0.0]])
    usual = np.array([[1e-300, 0.0]])
    tensor = TensorReference(float32, float64, np.zeros((1, 2)), usual, np.zeros((), np.bool_), False)
    assert not np.isnan(tensor.tolerance).any()
    assert tensor.tolerance[0, 1] == 0
