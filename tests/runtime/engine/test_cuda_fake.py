"""The calls of CUDA, with a fake onnxruntime in place of a GPU. test_cuda.py makes them on one."""

from typing import Any

import fake_onnxruntime
import numpy as np
import pytest
from certificates import appended
from concurrency import call_within, held, in_threads
from fake_onnxruntime import FakeOnnxRuntime, FakeTensor
from paths import FOUR_BLOBS, MODELS
from wrong_answers import wrong

from edge_runtime import InferenceFailed, InvalidInput, OutOfResources, Predictor
from edge_runtime.contract.input_ranges import InputRange, InputRanges
from edge_runtime.contract.metadata_keys import RANGES_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine import cuda

OUTPUTS = MODELS / "outputs.onnx"
ROWS = np.array([[-1, 1], [1, 1], [0.25, -3.5]], np.float32)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    return fake_onnxruntime.install(monkeypatch, "comes up")


def test_single_rows_go_through_a_recorded_graph(fake: FakeOnnxRuntime) -> None:
    on_cuda, on_cpu = Predictor(FOUR_BLOBS, "cuda"), Predictor(FOUR_BLOBS, "cpu")
    for row in ROWS.tolist():
        for form in (row, tuple(row), np.array(row), [row]):
            assert on_cuda.predict_one(form) == on_cpu.predict_one(form)
    # One graph: the same buffers each time.
    assert len(set(fake.graphs)) == 1
    assert len(fake.graphs) == 12
    again = Predictor(FOUR_BLOBS, "cuda")
    again.predict_one([1, 2])
    assert fake.graphs[-1] != fake.graphs[0]
    assert fake.graphs[-1] != "-1"


def test_calls_of_many_rows_are_not_recorded(fake: FakeOnnxRuntime) -> None:
    on_cuda, on_cpu = Predictor(FOUR_BLOBS, "cuda"), Predictor(FOUR_BLOBS, "cpu")
    for rows in (ROWS, ROWS.tolist(), ROWS[:1], ROWS[:0], np.tile(ROWS, (10_000, 1))):
        np.testing.assert_array_equal(on_cuda.predict_proba(rows), on_cpu.predict_proba(rows))
    np.testing.assert_array_equal(on_cuda.run({"x": ROWS})["probability"], on_cpu.run({"x": ROWS})["probability"])
    assert fake.graphs == []


def test_all_threads_use_the_same_buffers(fake: FakeOnnxRuntime) -> None:
    on_cuda = Predictor(FOUR_BLOBS, "cuda")
    expected = Predictor(FOUR_BLOBS, "cpu").predict_one([-1, 1])
    on_cuda.predict_one([1, 1])
    found: list[Any] = []
    for _ in range(3):
        in_threads(lambda: found.append(on_cuda.predict_one([-1, 1])), 1)
    assert found == 3 * [expected]
    assert len(set(fake.graphs)) == 1


def test_a_bad_row_does_not_cost_buffers(fake: FakeOnnxRuntime) -> None:
    """Each of them, and its graph, would take of the GPU's memory."""
    on_cuda = Predictor(FOUR_BLOBS, "cuda")
    expected = on_cuda.predict_one([-1, 1])
    for row in (["a", 1], [1], None, {"x1": 1}):
        with pytest.raises(InvalidInput):
            on_cuda.predict_one(row)
    fake.problem = RuntimeError("out of memory")
    with pytest.raises(OutOfResources, match="the model cannot compute this now: out of memory"):
        on_cuda.predict_one([1, 1])
    fake.problem = None
    assert on_cuda.predict_one([-1, 1]) == expected
    assert len(set(fake.graphs)) == 1


def test_a_call_within_a_call(fake: FakeOnnxRuntime) -> None:
    on_cuda = Predictor(FOUR_BLOBS, "cuda")
    expected = on_cuda.predict_one([0.5, 1.5])
    buffers = held(on_cuda).one
    call_within(buffers, lambda: on_cuda.predict_one([-1.0, -1.0]))
    assert on_cuda.predict_one([0.5, 1.5]) == expected
    assert len(set(fake.graphs)) == 2


def test_models_of_strings_run_there_too(fake: FakeOnnxRuntime) -> None:
    on_cuda, on_cpu = Predictor(MODELS / "penguins.onnx", "cuda"), Predictor(MODELS / "penguins.onnx", "cpu")
    row = ["Torgersen", 39.1, 3750, True, 2007]
    assert on_cuda.predict_one(row) == on_cpu.predict_one(row)
    assert fake.graphs == []


def test_without_graphs_calls_need_not_wait_for_each_other(
    fake: FakeOnnxRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that cannot run on the GPU as a whole."""
    open_session = fake.InferenceSession

    def refuse_graphs(source: Any, settings: Any, providers: list[Any], **rest: Any) -> Any:
        if isinstance(providers[0], tuple) and "enable_cuda_graph" in providers[0][1]:
            raise RuntimeError("some nodes are not on the GPU")
        return open_session(source, settings, providers, **rest)

    monkeypatch.setattr(fake, "InferenceSession", refuse_graphs)
    predictor = Predictor(FOUR_BLOBS, "cuda")
    assert fake.options == {"use_tf32": "0"}
    assert predictor._runner.placement.main.turn is None
    assert predictor.predict_one([-1, 1]) == Predictor(FOUR_BLOBS, "cpu").predict_one([-1, 1])
    assert fake.graphs == [None]
    assert predictor.run({"x": FakeTensor(ROWS)})["probability"].numpy().shape == (3, 1)
    np.testing.assert_array_equal(predictor.predict_proba(ROWS), Predictor(FOUR_BLOBS, "cpu").predict_proba(ROWS))


def test_a_session_that_records_takes_one_call_at_a_time(fake: FakeOnnxRuntime) -> None:
    session = Predictor(FOUR_BLOBS, "cuda")._runner.placement.main
    turn: Any = session.turn
    assert turn is not None
    held: list[bool] = []
    run = session._run

    def watched(*arguments: Any) -> Any:
        held.append(turn._is_owned())
        return run(*arguments)

    session._run = watched
    session.run(["probability"], {"x": ROWS})
    assert held == [True]
    assert not turn._is_owned()


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_tensors_on_the_gpu_are_not_copied(fake: FakeOnnxRuntime, device: str) -> None:
    # It does not say how much work its rows take, so auto runs it on CUDA.
    predictor = Predictor(OUTPUTS, device)
    found = predictor.run({"x": FakeTensor(ROWS)})
    expected = Predictor(OUTPUTS, "cpu").run({"x": ROWS})
    assert list(found) == list(expected)
    for name, value in found.items():
        np.testing.assert_array_equal(value.numpy(), expected[name])
    # Not recorded: the next tensors lie elsewhere.
    assert fake.graphs == ["-1"]


def test_tensors_on_the_gpu_of_a_small_model(fake: FakeOnnxRuntime) -> None:
    """It runs on the CPU otherwise: CUDA is opened for them."""
    predictor = Predictor(FOUR_BLOBS, "auto")
    assert predictor.provider == "CPUExecutionProvider"
    found = predictor.run({"x": FakeTensor(ROWS)})
    np.testing.assert_array_equal(
        found["probability"].numpy(), Predictor(FOUR_BLOBS, "cpu").run({"x": ROWS})["probability"]
    )


def test_tensors_beside_arrays(fake: FakeOnnxRuntime) -> None:
    predictor = Predictor(MODELS / "two_inputs.onnx", "cuda")
    b = FakeTensor(np.array([[10], [20]], np.float32))
    assert predictor.run({"a": [[1], [2]], "b": b})["value"].numpy().tolist() == [[11], [22]]
    # A tensor on the host is an array like others.
    on_host = np.array([[10], [20]], np.float32)
    assert predictor.run({"a": [[1], [2]], "b": on_host})["value"].tolist() == [[11], [22]]


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (
            FakeTensor(ROWS.astype(np.float64)),
            r"the model takes x: float32 \[batch, 2\], found tensor\(double\) of shape \[3, 2\] on a GPU",
        ),
        (FakeTensor(ROWS[:, :1]), r"found tensor\(float\) of shape \[3, 1\] on a GPU"),
        (FakeTensor(ROWS, is_contiguous=False), "x cannot be used on the GPU as it is: only contiguous tensors"),
    ],
)
def test_tensors_that_do_not_fit(fake: FakeOnnxRuntime, tensor: FakeTensor, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Predictor(OUTPUTS, "cuda").run({"x": tensor})


def test_what_fails_on_the_gpu(fake: FakeOnnxRuntime) -> None:
    predictor = Predictor(OUTPUTS, "cuda")
    fake.problem = RuntimeError("CUDA error")
    with pytest.raises(InferenceFailed, match="ONNX Runtime failed on the model: CUDA error"):
        predictor.run({"x": FakeTensor(ROWS)})
    with pytest.raises(InferenceFailed, match="CUDA error"):
        predictor.run({"x": ROWS})


def test_an_onnxruntime_that_cannot_take_tensors(fake: FakeOnnxRuntime) -> None:
    class Older:
        ortvalue_from_numpy = FakeOnnxRuntime.OrtValue.ortvalue_from_numpy

    fake.OrtValue = Older
    with pytest.raises(InvalidInput, match=r"ONNX Runtime 1\.99\.0 cannot take tensors on a GPU; upgrade it"):
        Predictor(OUTPUTS, "cuda").run({"x": FakeTensor(ROWS)})


def test_tensors_on_a_gpu_for_a_model_on_the_cpu() -> None:
    with pytest.raises(InvalidInput) as raised:
        Predictor(OUTPUTS, "cpu").run({"x": FakeTensor(ROWS)})
    assert str(raised.value) == "x is on a GPU, but the model runs on CPUExecutionProvider; pass an array"


@pytest.mark.parametrize(("device", "number"), [("cuda", 0), ("cuda:0", 0), ("cuda:3", 3), ("cpu", 0)])
def test_one_of_several_gpus(fake: FakeOnnxRuntime, device: str, number: int) -> None:
    assert Predictor(OUTPUTS, device)._runner.placement.main.device_id == number


def test_where_a_tensor_is() -> None:
    assert cuda.is_on_cuda(FakeTensor(ROWS))
    assert not cuda.is_on_cuda(FakeTensor(ROWS, device=1))
    assert not cuda.is_on_cuda(ROWS)
    assert not cuda.is_on_cuda([1, 2])
    assert not cuda.is_on_cuda(None)


def test_integers_on_the_gpu_are_within_their_ranges_too(fake: FakeOnnxRuntime) -> None:
    ranges = InputRanges((InputRange("x", (1, 2), (-9, None), (9, None)),)).to_json()
    predictor = Predictor(appended(OUTPUTS.read_bytes(), RANGES_KEY, ranges), "cuda")
    predictor.run({"x": FakeTensor(ROWS)})
    with pytest.raises(InvalidInput, match=r"^x\[1, 0\] is 10.0, but the model takes -9 to 9 there"):
        predictor.run({"x": FakeTensor(np.array([[9, 99], [10, 0]], np.float32))})


@pytest.mark.parametrize("name", ["each row twice", "one row", "three axes, hidden"])
def test_rows_are_counted_on_the_gpu_too(fake: FakeOnnxRuntime, name: str) -> None:
    independent = Workload(True, 1.0, 8)
    tensor, row = FakeTensor(ROWS), {"x": ROWS}
    for workload in (independent, None):
        predictor = Predictor(wrong(name, "regression", workload=workload), "cuda")
        if workload is None:
            # Nobody knows how many there should be.
            predictor.run({"x": tensor})
            continue
        with pytest.raises(InferenceFailed, match="the model returns") as on_gpu:
            predictor.run({"x": tensor})
        with pytest.raises(InferenceFailed) as elsewhere:
            predictor.run(row)
        assert str(on_gpu.value) == str(elsewhere.value)
    right = Predictor(FOUR_BLOBS, "cuda")
    assert right.has_independent_rows
    assert right.run({"x": tensor})["probability"].numpy().shape == (len(ROWS), 1)
