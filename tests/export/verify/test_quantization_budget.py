"""What a lower precision costs and gives: measured, said, and held against what is allowed."""

import time

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from edge_export.budget import Budget
from edge_export.errors import BudgetExceeded, ExportError
from edge_export.formats.choices import Precision
from edge_export.formats.quantization import to_int8
from edge_export.tensors import Tensors
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
    return next(iter(outputs.values())).argmax(-1)


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
    plain = measure_change(reference, outputs, argmax, probabilities={"scores"})
    np.testing.assert_allclose(plain.changes, [0, 0.5, 3.5])
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


def test_what_is_no_floating_point_number_is_a_decision() -> None:
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
    with pytest.raises(ExportError, match="there are no rows to measure"):
        measure_change(reference, reference)


def changed(changes: list[float], flipped: list[bool] | None = None) -> Change:
    return Change(np.array(changes), None if flipped is None else np.array(flipped))


def test_what_the_budget_allows() -> None:
    check_budget(changed([0.05, 0.01]), Budget(), Precision.INT8)
    check_budget(changed([0.0] * 100, [True] + [False] * 99), Budget(), Precision.INT8)
    check_budget(changed([0.5], [True]), Budget(flips=1, change=0.5), Precision.INT8)


def test_too_many_flips() -> None:
    change = changed([0.04, 0.01, 0.03, 0.02], [False, True, True, False])
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(change, Budget(flips=0.25), Precision.INT8)
    assert str(caught.value) == (
        "int8 changes the decision on 2 of 4 rows (50.0%), and 25.0% is allowed; of these, row 2 of the data (from 0) "
        "changes the most; allow more, or take another precision, or calibrate on more rows"
    )
    assert isinstance(caught.value, ExportError)


@pytest.mark.parametrize("worst", [0.2, INF])
def test_too_large_a_change(worst: float) -> None:
    with pytest.raises(BudgetExceeded) as caught:
        check_budget(changed([0.04, worst], [False, False]), Budget(), Precision.FLOAT16)
    assert str(caught.value) == (
        f"float16 changes an output by {worst}, and 0.05 is allowed, in row 1 of the data (from 0); "
        "allow more, or take another precision"
    )


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


def network(width: int, layers: int) -> bytes:
    """Linear layers with random weights, x [batch, width] to y, in ONNX; and `bias`, an input of a fixed length."""
    random = np.random.default_rng(0)
    weights = [random.normal(size=(width, width)).astype(np.float32) / width**0.5 for _ in range(layers)]
    names = ["x", *(f"h{layer}" for layer in range(layers))]
    nodes = [onnx.helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]], f"layer{i}") for i in range(layers)]
    nodes.append(onnx.helper.make_node("Add", [names[-1], "bias"], ["y"], "last"))
    x, bias, y = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("x", ["batch", width]), ("bias", [width]), ("y", ["batch", width]))
    )
    initializers = [onnx.numpy_helper.from_array(weight, f"w{i}") for i, weight in enumerate(weights)]
    graph = onnx.helper.make_graph(nodes, "graph", [x, bias], [y], initializers)
    proto = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    return proto.SerializeToString()


def rows(count: int, width: int, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    x = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return {"x": x, "bias": np.zeros(width, np.float32)}


def test_latency_is_a_ratio() -> None:
    small, large = network(256, 1), network(256, 8)
    start = time.perf_counter()
    slower = measure_latency(small, large, rows(64, 256))
    assert time.perf_counter() - start < 5
    assert slower.low <= slower.median <= slower.high
    assert slower.median > 2
    assert measure_latency(large, small, rows(64, 256)).median < 0.5


def test_latency_of_a_slow_model_takes_few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    class Slow:
        def __init__(self, content: bytes, device: str, threads: int) -> None:
            assert device == "cpu"

        def run(self, batch: object) -> None:
            nonlocal calls
            calls += 1
            time.sleep(0.15)

    monkeypatch.setattr(quantization_budget, "Predictor", Slow)
    ratio = measure_latency(b"", b"", {})
    assert calls == 2 + 2 * 5
    assert 0.7 < ratio.median < 1.4


def test_int8_measured_on_rows_it_has_not_seen() -> None:
    content = network(512, 3)
    quantized = to_int8(content, [rows(200, 512)])
    measured = measure(content, quantized, [rows(30, 512, seed=1), rows(7, 512, seed=2)], argmax)
    assert (measured.size, measured.change.rows) == (len(quantized), 37)
    assert measured.size_ratio == len(quantized) / len(content) < 0.3
    assert 0 < measured.change.largest < 0.1
    assert measured.verdict.startswith("smaller")
    again = measure(content, quantized, [rows(30, 512, seed=1), rows(7, 512, seed=2)], argmax)
    np.testing.assert_array_equal(again.change.changes, measured.change.changes)
    with pytest.raises(BudgetExceeded, match="int8 changes an output by"):
        check_budget(measured.change, Budget(flips=1, change=1e-4), Precision.INT8)
