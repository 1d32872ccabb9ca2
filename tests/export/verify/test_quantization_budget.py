"""What a lower precision costs and gives: measured, put into words, and held against its budget."""

import functools

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx_models import to_bytes

from edge_export.budget import Budget
from edge_export.errors import BudgetExceeded, ExportError
from edge_export.formats.choices import Precision
from edge_export.formats.quantization import to_int8
from edge_export.tensors import Run, Tensors
from edge_export.verify import quantization_budget
from edge_export.verify.quantization_budget import (
    Change,
    Measured,
    Ratio,
    check_budget,
    measure,
    measure_change,
    measure_latency,
)

NAN, INF = float("nan"), float("inf")


def argmax(outputs: Tensors) -> npt.NDArray[np.intp]:
    best: npt.NDArray[np.intp] = next(iter(outputs.values())).argmax(-1)
    return best


def scores(*rows: list[float]) -> Tensors:
    return {"scores": np.array(rows, np.float32)}


def test_changes_and_flips_over_batches() -> None:
    reference = [scores([1, 0], [0, 2]), scores([4, 0])]
    outputs = [scores([1, 0], [0.5, 2]), scores([3, 3.5])]
    change = measure_change(reference, outputs, argmax)
    # 4 is the largest magnitude that float32 gives.
    np.testing.assert_allclose(change.changes, [0, 0.5 / 4, 3.5 / 4])
    assert change.flipped is not None
    assert change.flipped.tolist() == [False, False, True]
    assert (change.rows, change.flips, change.largest) == (3, 1, 0.875)
    as_it_is = measure_change(reference, outputs, argmax, probabilities={"scores"})
    np.testing.assert_allclose(as_it_is.changes, [0, 0.5, 3.5])
    undecided = measure_change(reference, outputs)
    assert undecided.flipped is None
    assert undecided.flips == 0


@pytest.mark.parametrize(
    ("before", "after", "changed", "flips"),
    [
        (NAN, NAN, 0, 0),
        (INF, INF, 0, 0),
        (0, 0, 0, 0),
        (0.5, NAN, INF, 1),
        (NAN, 0.5, INF, 1),
        (INF, NAN, INF, 1),
        (INF, -INF, INF, 1),
        (0.5, 0.6, 0.2, 0),
    ],
)
def test_nan_and_infinity(before: float, after: float, changed: float, flips: int) -> None:
    # The decision is the same in all rows: it is NaN that flips one.
    change = measure_change([scores([0.5], [before])], [scores([0.5], [after])], argmax)
    np.testing.assert_allclose(change.changes, [0, changed], rtol=1e-6)
    assert change.flips == flips


def test_integers_and_booleans_are_decisions() -> None:
    reference = [{"score": np.array([[10.0], [10.0]]), "chosen": np.array([3, 4]), "sure": np.array([True, True])}]
    outputs = [{"score": np.array([[10.0], [9.0]]), "chosen": np.array([3, 0]), "sure": np.array([False, True])}]
    change = measure_change(reference, outputs)
    np.testing.assert_allclose(change.changes, [0, 0.1])
    assert change.flips == 2


def test_an_output_without_rows_counts_for_all() -> None:
    reference = [{"rows": np.ones((2, 3)), "total": np.array(10.0)}, {"rows": np.ones((1, 3)), "total": np.array(5.0)}]
    outputs = [{"rows": np.ones((2, 3)), "total": np.array(9.0)}, {"rows": np.ones((1, 3)), "total": np.array(5.0)}]
    np.testing.assert_allclose(measure_change(reference, outputs).changes, [0.1, 0.1, 0])


def test_an_output_that_is_always_zero_changes_as_it_is() -> None:
    np.testing.assert_allclose(measure_change([scores([0])], [scores([0.25])]).changes, [0.25])


def test_an_output_of_another_shape_changes_infinitely() -> None:
    assert measure_change([scores([1], [2])], [scores([1])]).changes.tolist() == [INF, INF]


@pytest.mark.parametrize("reference", [[], [scores(*np.empty((0, 2)).tolist())]])
def test_no_rows(reference: list[Tensors]) -> None:
    with pytest.raises(ExportError, match="there are no rows to measure a lower precision on; give some"):
        measure_change(reference, reference)


def changed(changes: list[float], flipped: list[bool] | None = None) -> Change:
    return Change(np.array(changes), None if flipped is None else np.array(flipped))


# ----------------------------------------------------------------------------------------------------------- the budget


def test_what_is_within_the_budget() -> None:
    check_budget(changed([0.05, 0.01]), Budget(), Precision.INT8)
    check_budget(changed([0.0] * 100, [True] + [False] * 99), Budget(), Precision.INT8)
    check_budget(changed([0.5], [True]), Budget(flips=1, change=0.5), Precision.INT8)


def test_too_many_flips() -> None:
    change = changed([0.04, 0.01, 0.03, 0.02], [False, True, True, False])
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(change, Budget(flips=0.25), Precision.INT8)
    assert str(caught.value).startswith(
        "int8 changes the decision on 2 of 4 rows (50.0%), of which row 2 of the data (from 0) changes most; "
        "the budget is 25.0%: "
    )
    assert str(caught.value).endswith(", or choose another precision, or calibrate on more rows")
    assert isinstance(caught.value, ExportError)
    check_budget(change, Budget(flips=0.5), Precision.INT8)


@pytest.mark.parametrize("worst", [0.2, INF, NAN])
def test_too_large_a_change(worst: float) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(changed([0.04, worst], [False, False]), Budget(), Precision.FLOAT16)
    assert str(caught.value).startswith(
        f"float16 changes an output by {worst} in row 1 of the data (from 0); the budget is 0.05: "
    )
    assert str(caught.value).endswith("or choose another precision")


SAME, FAST, SLOW, UNCLEAR = Ratio(1, 0.98, 1.02), Ratio(0.5, 0.4, 0.6), Ratio(2, 1.5, 3), Ratio(0.8, 0.6, 1.1)


@pytest.mark.parametrize(
    ("size", "one", "many", "verdict"),
    [
        (0.25, FAST, FAST, "smaller, faster on one row, faster on 64 rows than float32"),
        (0.5, SLOW, SAME, "smaller than float32, but slower on one row"),
        (3, SAME, FAST, "faster on 64 rows than float32, but larger"),
        (0.99, SAME, UNCLEAR, "neither smaller nor faster than float32: ship float32"),
        (2.5, SLOW, SLOW, "neither smaller nor faster than float32: ship float32"),
    ],
)
def test_the_verdict(size: float, one: Ratio, many: Ratio, verdict: str) -> None:
    assert Measured(changed([0.0]), 100, size, one, many).verdict == verdict


# --------------------------------------------------------------------------------------------------------------- times


class Clock:
    """Stands still, except that predictors take their time."""

    def __init__(self) -> None:
        self.now, self.seconds_a_byte = 0.0, 1e-3
        self.runs: list[bytes] = []

    def perf_counter(self) -> float:
        return self.now

    def taking(self, *contents: bytes) -> tuple[Run, Run]:
        """Runs that take as long as their files have bytes."""

        def run(content: bytes) -> Tensors:
            self.now += len(content) * self.seconds_a_byte
            self.runs.append(content)
            return {}

        first, second = (functools.partial(lambda content, _: run(content), content) for content in contents)
        return first, second


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(quantization_budget, "time", clock)
    monkeypatch.setattr(quantization_budget, "_SECONDS", 0.5)
    return clock


def test_latency_is_a_ratio(clock: Clock) -> None:
    assert measure_latency(clock.taking(b"aa", b"b" * 6), {}) == pytest.approx((3.0, 3.0, 3.0))
    assert measure_latency(clock.taking(b"b" * 6, b"aa"), {}).median == pytest.approx(1 / 3)


def test_files_are_timed_in_turns(clock: Clock) -> None:
    measure_latency(clock.taking(b"a" * 50, b"b" * 50), {})
    # The first call of each is slower and is not timed; half a second holds five pairs.
    names = "".join(content[:1].decode() for content in clock.runs)
    assert names == "ab" + "baabbaabba"


def test_a_slow_model_is_run_few_times_and_a_fast_one_not_forever(clock: Clock) -> None:
    measure_latency(clock.taking(b"a" * 10_000, b"b" * 10_000), {})
    assert len(clock.runs) == 2 + 2 * 5
    clock.runs.clear()
    clock.seconds_a_byte = 1e-6
    measure_latency(clock.taking(b"a", b"b"), {})
    assert len(clock.runs) == 2 + 2 * 1000


# --------------------------------------------------------------------------------------------------------------- files


def network(width: int, layers: int) -> onnx.ModelProto:
    """Linear layers with random weights, x [batch, width] to y; and `bias`, an input of a fixed length."""
    random = np.random.default_rng(0)
    weights = [random.normal(size=(width, width)).astype(np.float32) / width**0.5 for _ in range(layers)]
    names = ["x", *(f"h{layer}" for layer in range(layers))]
    nodes = [onnx.helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]], f"layer{i}") for i in range(layers)]
    nodes.append(onnx.helper.make_node("Add", [names[-1], "bias"], ["y"], "last"))
    shapes: dict[str, list[str | int | None]] = {"x": ["batch", width], "bias": [width], "y": ["batch", width]}
    x, bias, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    initializers = [onnx.numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)]
    graph = onnx.helper.make_graph(nodes, "graph", [x, bias], [y], initializers)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)


def rows(count: int, width: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    x = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return {"x": x, "bias": np.zeros(width, np.float32)}


def test_int8_measured_on_rows_it_has_not_seen() -> None:
    model = network(128, 3)
    content, quantized = to_bytes(model), to_bytes(to_int8(model, [rows(200, 128)]))
    measured = measure(content, quantized, [rows(30, 128, seed=1), rows(7, 128, seed=2)], argmax)
    assert (measured.size, measured.change.rows) == (len(quantized), 37)
    assert measured.size_ratio == len(quantized) / len(content) < 0.4
    assert 0 < measured.change.largest < 0.1
    assert measured.verdict.startswith(("smaller", "faster"))
    for ratio in (measured.one, measured.many):
        assert 0 < ratio.low <= ratio.median <= ratio.high
    again = measure(content, quantized, [rows(30, 128, seed=1), rows(7, 128, seed=2)], argmax)
    np.testing.assert_array_equal(again.change.changes, measured.change.changes)
    with pytest.raises(BudgetExceeded, match="int8 changes an output by"):
        check_budget(measured.change, Budget(flips=1, change=1e-4), Precision.INT8)
