"""Feeds of any size give the same outputs, whether they are split into batches or not."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_onnxruntime
import numpy as np
import pytest
from paths import MODELS
from sessions import placement_of

from edge_runtime import InferenceFailed, InvalidInput, Predictor, TensorSpec
from edge_runtime.contract.input_ranges import InputRange, InputRanges
from edge_runtime.contract.metadata_keys import RANGES_KEY, WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import batch_splitting, feed_runner, placement
from edge_runtime.engine.feed_runner import FeedRunner
from edge_runtime.engine.placement import Placement

WithMetadata = Callable[[bytes, str, str], bytes]

# So much work that a few rows are worth a batch of their own.
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)


@pytest.fixture
def placed(with_metadata: WithMetadata) -> Callable[..., Placement]:
    def make(name: str, workload: Workload | None = COSTLY, threads: int | None = None) -> Placement:
        content = (MODELS / f"{name}.onnx").read_bytes()
        if workload is not None:
            content = with_metadata(content, WORKLOAD_KEY, workload.to_json())
        return placement_of(content, "cpu", threads)

    return make


# How many threads each call that is split may use.
used_threads: list[int | None] = []


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each batch, of the calls that are split."""
    counts: list[int] = []
    run_in_batches = batch_splitting.run_in_batches
    used_threads.clear()

    def counting(rows: int, workload: Workload, threads: int | None, work: Callable[[int, int], None]) -> None:
        used_threads.append(threads)

        def counted(start: int, stop: int) -> None:
            counts.append(stop - start)
            work(start, stop)

        run_in_batches(rows, workload, threads, counted)

    monkeypatch.setattr(feed_runner, "run_in_batches", counting)
    return counts


def drawn(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 2)).astype(np.float32)


def all_outputs(found: Placement) -> FeedRunner:
    return FeedRunner(found, found.main.outputs)


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
@pytest.mark.parametrize("name", ["four_blobs", "three_labels"])
def test_batches_give_what_rows_give(
    placed: Callable[..., Placement], batches: list[int], name: str, threads: int | None
) -> None:
    split, whole = placed(name, threads=threads), placed(name, None)
    names = [spec.name for spec in whole.main.outputs]
    for count in (20, 8193, 100_003):
        rows = drawn(count)
        parts = [whole.main.run(names, {"x": rows[start : start + 5000]})[0] for start in range(0, count, 5000)]
        batches.clear()
        (found,) = all_outputs(split).run({"x": rows})
        np.testing.assert_array_equal(found, np.concatenate(parts), strict=True)
        assert sum(batches) == count
    assert len(batches) > 1
    assert used_threads == 3 * [threads]
    batches.clear()
    all_outputs(split).run({"x": drawn(19)})
    assert batches == []


@pytest.mark.parametrize("count", [0, 1, 19, 20, 5000])
def test_both_labels(placed: Callable[..., Placement], batches: list[int], count: int) -> None:
    found = placed("four_blobs")
    (result,) = FeedRunner(found, found.main.outputs, is_binary=True).run({"x": drawn(count)})
    (positive,) = found.main.run(["probability"], {"x": drawn(count)})
    assert (result.shape, result.dtype) == ((count, 2), np.float32)
    np.testing.assert_allclose(result[:, 1:], positive, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(result[:, 0], np.float32(1) - result[:, 1])
    assert sum(batches) == (count if count >= 20 else 0)


def test_several_outputs_in_any_order(placed: Callable[..., Placement], batches: list[int]) -> None:
    found = placed("outputs")
    rows = drawn(1000)
    outputs = found.main.outputs
    for wanted in (outputs, outputs[::-1], outputs[1:2]):
        results = FeedRunner(found, wanted).run({"x": rows})
        expected = found.main.run([spec.name for spec in wanted], {"x": rows})
        for result, one in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, one, strict=True)
    assert sum(batches) == 3000


def test_strings_are_split_too(placed: Callable[..., Placement], batches: list[int]) -> None:
    found = placed("penguins")
    feed = {
        "x": np.tile(np.array([[3000, 40, 1], [np.nan, np.nan, 0]], np.float32), (50, 1)),
        "text": np.tile(np.array([["Dream", "2007"], ["", "?"]], object), (50, 1)),
    }
    (result,) = all_outputs(found).run(feed)
    np.testing.assert_allclose(result, found.main.run(["probabilities"], feed)[0], rtol=0, atol=1e-6)
    assert sum(batches) == 100


def test_calls_of_a_file_that_does_not_say_its_workload_are_not_split(
    placed: Callable[..., Placement], batches: list[int]
) -> None:
    assert all_outputs(placed("three_labels", None)).run({"x": drawn(50_000)})[0].shape == (50_000, 3)
    assert batches == []


def test_rows_that_depend_on_each_other_are_not_split(placed: Callable[..., Placement], batches: list[int]) -> None:
    found = placed("three_labels", Workload(independent=False, cost=50_000.0, bytes=40))
    assert all_outputs(found).run({"x": drawn(50_000)})[0].shape == (50_000, 3)
    assert batches == []


@pytest.mark.parametrize("name", ["tensors"])
def test_inputs_without_a_common_batch_are_not_split(
    placed: Callable[..., Placement], batches: list[int], name: str
) -> None:
    feed: dict[str, Any] = {
        "float16": np.ones((30, 2), np.float16),
        "float32": np.ones((30, 2), np.float32),
        "float64": np.ones(30),
        "int8": np.ones(30, np.int8),
        "int64": np.ones(30, np.int64),
        "uint8": np.ones(3, np.uint8),
        "bool": np.ones(30, bool),
        "string": np.array(["a"] * 30, object),
        "scalar": np.array(1, np.float32),
    }
    results = all_outputs(placed(name)).run(feed)
    assert [result.tolist() for result in results] == [value.tolist() for value in feed.values()]
    assert batches == []


def test_inputs_of_different_lengths_are_not_split(placed: Callable[..., Placement], batches: list[int]) -> None:
    """ONNX Runtime has the last word on them."""
    found = placed("two_inputs")
    feed = {"a": np.ones((30, 1), np.float32), "b": np.ones((1, 1), np.float32)}
    (result,) = all_outputs(found).run(feed)
    assert result.shape == (30, 1)
    assert batches == []
    all_outputs(found).run({"a": feed["a"], "b": feed["a"]})
    assert sum(batches) == 30


def test_large_weights_are_not_loaded_twice(
    placed: Callable[..., Placement], batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "_SMALL_FILE", 100)
    found = placed("three_labels")
    (result,) = all_outputs(found).run({"x": drawn(20_000)})
    np.testing.assert_array_equal(result, found.main.run(["probabilities"], {"x": drawn(20_000)})[0])
    assert sum(batches) == 20_000
    assert found._single is None
    # One batch after the other, each on all of ONNX Runtime's threads.
    assert used_threads == [1]


def test_a_model_that_returns_another_number_of_rows(
    placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = placed("three_labels", threads=1)
    single = found.single_threaded()
    assert single is not None
    run = single.run
    monkeypatch.setattr(single, "run", lambda *call: [output[:-1] for output in run(*call)])
    for rows in (20, 1000):
        with pytest.raises(InferenceFailed) as raised:
            all_outputs(found).run({"x": drawn(rows)})
        first = sizes_of(rows)[0]
        assert str(raised.value) == f"the model returns {first - 1:,} rows of probabilities for {first:,}"


def sizes_of(rows: int) -> list[int]:
    sizes: list[int] = []
    batch_splitting.run_in_batches(rows, COSTLY, 1, lambda start, stop: sizes.append(stop - start))
    return sizes


def spec(name: str, type_: str, *shape: int | str | None) -> TensorSpec:
    return TensorSpec(name, f"tensor({type_})", shape)


X, Y = spec("x", "float", "b", 2), spec("y", "float", "b", 3)


@pytest.mark.parametrize(
    ("inputs", "outputs", "counts_rows", "may_split"),
    [
        ([X], [Y], True, True),
        ([X, spec("t", "string", "b", 1)], [Y, spec("z", "int64", "b")], True, True),
        ([], [Y], False, False),
        ([spec("s", "float")], [Y], False, False),
        ([spec("x", "float", 4, 2)], [spec("y", "float", 4, 3)], False, False),
        ([spec("x", "float", None, 2)], [spec("y", "float", None, 3)], False, False),
        ([X, spec("z", "float", "other", 2)], [Y], False, False),
        ([X, spec("s", "float")], [Y], False, False),
        ([X, spec("z", "bfloat16", "b", 2)], [Y], False, False),
        ([X], [Y, spec("z", "float", "other")], True, False),
        ([X], [Y, spec("z", "float")], True, False),
        ([X], [spec("y", "float", "b", None)], True, False),
        ([X], [spec("y", "float", "b", "width")], True, False),
        ([X], [spec("y", "bfloat16", "b", 3)], True, False),
        ([X], [spec("y", "string", "b", 3)], True, False),
        ([X], [spec("y", "float", "b", 3, "width")], True, False),
    ],
)
def test_which_calls_may_be_split(
    inputs: list[TensorSpec], outputs: list[TensorSpec], counts_rows: bool, may_split: bool
) -> None:
    """Rows are counted if all inputs have the batch; results have known shapes if all outputs have it too."""
    placed: Any = SimpleNamespace(main=SimpleNamespace(inputs=inputs), ranges=None, turns=None, says_workload=False)
    runner = FeedRunner(placed, outputs)
    assert (runner._counts_rows, runner._may_split) == (counts_rows, may_split)


@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_is_replaced_does_not_reach_an_open_model(
    tmp_path: Path, with_metadata: WithMetadata, gone: bool
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(with_metadata((MODELS / "three_labels.onnx").read_bytes(), WORKLOAD_KEY, COSTLY.to_json()))
    predictor = Predictor(path, device="cpu")
    expected = predictor.predict_proba(drawn(19))
    path.unlink()
    if not gone:
        path.write_bytes((MODELS / "outputs.onnx").read_bytes())
    np.testing.assert_array_equal(predictor.predict_proba(np.tile(drawn(19), (200, 1))), np.tile(expected, (200, 1)))


def test_large_calls_may_run_on_cuda(placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch) -> None:
    fake = fake_onnxruntime.install(monkeypatch, "comes up")
    for independent in (True, False):
        fake.options = {}
        found = placement_of(placed("three_labels", Workload(independent, 1e6, 40)).main.source.model, "auto", None)
        runner = all_outputs(found)
        small, large = drawn(1), drawn(100)
        found._may_use_cuda = False
        expected = [runner.run({"x": rows})[0] for rows in (small, large)]
        found._may_use_cuda = True
        assert fake.options == {}
        np.testing.assert_allclose(runner.run({"x": large})[0], expected[1], atol=1e-6)
        assert fake.options["use_tf32"] == "0"


def test_integers_outside_their_range_are_refused_before_a_call_is_split(
    with_metadata: WithMetadata, batches: list[int]
) -> None:
    ranges = InputRanges((InputRange("x", (1, 2), (-9, None), (9, None)),)).to_json()
    content = with_metadata((MODELS / "three_labels.onnx").read_bytes(), RANGES_KEY, ranges)
    found = placement_of(with_metadata(content, WORKLOAD_KEY, COSTLY.to_json()), "cpu", None)
    x = drawn(20_000).clip(-9, 9)
    all_outputs(found).run({"x": x})
    assert sum(batches) == 20_000
    x[19_999, 0] = 10
    with pytest.raises(InvalidInput, match=r"^x\[19999, 0\] is 10.0, but the model takes -9 to 9 there"):
        all_outputs(found).run({"x": x})
    assert sum(batches) == 20_000


@pytest.mark.parametrize("with_rows", [True, False])
@pytest.mark.parametrize("provider", ["CPUExecutionProvider", "Another"])
def test_calls_on_another_device_do_not_wait(
    placed: Callable[..., Placement], monkeypatch: pytest.MonkeyPatch, provider: str, with_rows: bool
) -> None:
    """They use little of the processor's time, but are not small."""
    found = placed("three_labels", Workload(True, 10.0, 40) if with_rows else None)
    runner, given = all_outputs(found), []
    found.main.provider = provider
    other = found.turns.other

    def counted(is_small: bool | None = None) -> Any:
        given.append(is_small)
        return other(is_small)

    monkeypatch.setattr(found.turns, "other", counted)
    found.turns.current.pop()
    runner.run({"x": drawn(3)})
    assert given == [False if provider == "Another" else True if with_rows else None]
