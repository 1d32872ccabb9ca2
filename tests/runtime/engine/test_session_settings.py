"""What the user chooses of ONNX Runtime holds for every session: the first, those that follow, and after a pickle."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fake_onnxruntime
import numpy as np
import pytest
from commands import assert_python_runs
from fake_onnxruntime import FakeOnnxRuntime
from paths import FOUR_BLOBS, MODELS

from edge_runtime import DeviceUnavailable, InvalidInput, InvalidModel, Predictor, UnknownDevice
from edge_runtime.contract.metadata_keys import WORKLOAD_KEY
from edge_runtime.contract.workload import Workload
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.installation import import_onnxruntime

CUSTOM = MODELS / "custom_operators.onnx"
COSTLY = Workload(independent=True, cost=50_000.0, bytes=40)
ROWS = np.array([[1, -2], [3, 4], [-1, -1]], np.float32)
SUMS = [1.0, 7.0, 0.0]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeOnnxRuntime:
    return fake_onnxruntime.install(monkeypatch, "comes up")


@pytest.fixture
def library() -> str:
    extensions = pytest.importorskip("onnxruntime_extensions")
    path: str = extensions.get_library_path()
    return path


@pytest.fixture
def split(with_metadata: Callable[[bytes, str, str], bytes]) -> bytes:
    """A model of custom operators whose large calls are split into batches, on a session of their own."""
    return with_metadata(CUSTOM.read_bytes(), WORKLOAD_KEY, COSTLY.to_json())


def test_without_its_operators_a_model_is_refused() -> None:
    with pytest.raises(InvalidModel, match="NegPos"):
        Predictor(CUSTOM, "cpu")


def test_custom_operators_go_wherever_the_model_goes(library: str, split: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(split)
    for operators in (library, Path(library), [library]):
        predictor = Predictor(tmp_path / "model.onnx", "cpu", custom_operators=operators)
        assert predictor.predict(ROWS).tolist() == SUMS
        many = np.tile(ROWS, (100, 1))
        assert predictor.predict(many).tolist() == 100 * SUMS
        assert predictor._runner.placement._single is not None
    assert pickle.loads(pickle.dumps(predictor)).predict(ROWS).tolist() == SUMS
    (tmp_path / "new.onnx").write_bytes(split)
    (tmp_path / "new.onnx").replace(tmp_path / "model.onnx")
    assert predictor.reload()
    assert predictor.predict(ROWS).tolist() == SUMS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")
def test_custom_operators_after_a_fork(library: str) -> None:
    """Another thread has made calls, so that the child opens the model again."""
    assert_python_runs(f"""
import os, sys
from concurrent.futures import ThreadPoolExecutor
from edge_runtime import Predictor
predictor = Predictor({str(CUSTOM)!r}, "cpu", custom_operators={library!r})
with ThreadPoolExecutor(1) as other:
    other.submit(predictor.predict, {ROWS.tolist()}).result()
    child = os.fork()
    if not child:
        os._exit(predictor.predict({ROWS.tolist()}).tolist() != {SUMS})
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
""")


@pytest.mark.parametrize(
    ("operators", "message"),
    [
        (5, "custom_operators takes the path of a library, or a list of paths, found int"),
        ([5], "a library of custom operators is given by its path, found int"),
        (
            "/nowhere/operators.so",
            "custom_operators: ONNX Runtime cannot load /nowhere/operators.so: Failed to load library",
        ),
        (str(FOUR_BLOBS), r"custom_operators: ONNX Runtime cannot load .*four_blobs\.onnx: "),
        ("", "a library of custom operators is given by its path, found an empty string"),
        ("x" * 5000, "custom_operators: ONNX Runtime cannot load xxx"),
        ("no\npath", r"custom_operators: ONNX Runtime cannot load no\\npath: .*$"),
        ("no\0path", "custom_operators: ONNX Runtime cannot load no"),
    ],
)
def test_what_is_not_a_library(operators: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        Predictor(FOUR_BLOBS, "cpu", custom_operators=operators)


def test_session_options_win(fake: FakeOnnxRuntime, with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    level = import_onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
    content = with_metadata((MODELS / "three_labels.onnx").read_bytes(), WORKLOAD_KEY, COSTLY.to_json())
    for given in ("ORT_DISABLE_ALL", level):
        fake.settings.clear()
        options = {
            "graph_optimization_level": given,
            "enable_mem_pattern": True,
            "intra_op_num_threads": 3,
            "session.intra_op.allow_spinning": True,
            "session.set_denormal_as_zero": "1",
        }
        predictor = Predictor(content, "auto", threads=1, session_options=options)
        predictor.predict_one([1, 0])
        # On one thread, and on CUDA.
        assert predictor._runner.placement.single_threaded() is not None
        assert predictor._runner.placement.cuda is not None
        pickle.loads(pickle.dumps(predictor))
        main, single, cuda, again = fake.settings
        for settings in (main, single, cuda, again):
            assert settings.graph_optimization_level == level
            assert settings.enable_mem_pattern
            assert settings.get_session_config_entry("session.set_denormal_as_zero") == "1"
            # On CUDA, there is nothing to choose.
            assert settings.enable_cpu_mem_arena is (settings in (single, cuda))
            threads, spinning = (1, "0") if settings is single else (3, "1")
            assert settings.intra_op_num_threads == threads
            assert settings.get_session_config_entry("session.intra_op.allow_spinning") == spinning


class Refusing:
    """A value that nobody can print."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (5, "session_options: a dict by name is expected, found int"),
        (SimpleNamespace(), "session_options: a dict by name is expected, found SimpleNamespace"),
        ({5: 5}, "session_options: a name is a string, found 5"),
        ({"enable_profilng": 1}, "session_options: .* no option 'enable_profilng'; did you mean 'enable_profiling'"),
        ({"__class__": 1}, "session_options: .* no option '__class__'"),
        ({"add_initializer": 1}, "session_options: .* no option 'add_initializer'"),
        ({"intra_op_num_threads": "many"}, "session_options: intra_op_num_threads cannot be 'many'"),
        ({"intra_op_num_threads": None}, "session_options: intra_op_num_threads cannot be None"),
        ({"execution_mode": "ORT_DISABLE_ALL"}, "session_options: execution_mode cannot be 'ORT_DISABLE_ALL'"),
        ({"logid": Refusing()}, "session_options: logid cannot be Refusing"),
        ({"session.x": "\ud800"}, r"session_options: session\.x cannot be '\\ud800'"),
        ({"a\nb": [1]}, r"session_options: a\\nb cannot be \[1\]$"),
        ({"session.\n": "\ud800"}, r"session_options: session\.\\n cannot be '\\ud800'$"),
    ],
)
def test_what_is_not_a_session_option(options: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        Predictor(FOUR_BLOBS, "cpu", session_options=options)


def test_providers_in_order(fake: FakeOnnxRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    real = fake.real.InferenceSession

    def open_session(source: Any, settings: Any, providers: list[Any], **_: Any) -> Any:
        opened.append(providers)
        session = real(source, settings, providers=[CPU])
        monkeypatch.setattr(session, "get_providers", lambda: [name for name, _ in providers])
        return session

    monkeypatch.setattr(fake, "InferenceSession", open_session)
    monkeypatch.setattr(fake, "get_available_providers", lambda: ["TensorrtExecutionProvider", CUDA, CPU])
    providers: list[Any] = ["TensorrtExecutionProvider", (CUDA, {"gpu_mem_limit": 2**31}), (CPU, {})]
    predictor = Predictor(FOUR_BLOBS, providers=providers)
    assert predictor.provider == "TensorrtExecutionProvider"
    # Without TF32, unless it is asked for.
    expected = [("TensorrtExecutionProvider", {}), (CUDA, {"use_tf32": "0", "gpu_mem_limit": "2147483648"}), (CPU, {})]
    assert opened == [expected]
    pickle.loads(pickle.dumps(predictor))
    assert opened == [expected, expected]
    opened.clear()
    Predictor(FOUR_BLOBS, providers=[(CUDA, {"use_tf32": True, "device_id": 1})])
    assert opened == [[(CUDA, {"use_tf32": "True", "device_id": "1"})]]


def test_all_providers_must_start(fake: FakeOnnxRuntime) -> None:
    fake.cuda = "falls back"
    with pytest.raises(DeviceUnavailable, match=f"^providers {CUDA}, {CPU} cannot be used: "):
        Predictor(FOUR_BLOBS, providers=[CUDA, CPU])
    with pytest.raises(DeviceUnavailable, match="does not have CoreMLExecutionProvider, only"):
        Predictor(FOUR_BLOBS, providers=[CPU, "CoreMLExecutionProvider"])
    with pytest.raises(DeviceUnavailable, match=r"^providers a\\nb cannot be used: .* does not have a\\nb, only .*$"):
        Predictor(FOUR_BLOBS, providers=["a\nb"])


def test_the_cpu_as_a_provider(with_metadata: Callable[[bytes, str, str], bytes]) -> None:
    content = with_metadata(FOUR_BLOBS.read_bytes(), WORKLOAD_KEY, COSTLY.to_json())
    rows = np.random.default_rng(0).normal(size=(500, 2))
    predictor = Predictor(content, providers=[CPU])
    assert predictor.provider == CPU
    np.testing.assert_array_equal(predictor.predict(rows), Predictor(content, "cpu").predict(rows))
    assert predictor._runner.placement.single_threaded() is not None


@pytest.mark.parametrize(
    ("providers", "message"),
    [
        (CPU, "providers takes a list such as .*, found str"),
        ([], "providers takes a list such as .*, found an empty one"),
        ([5], "providers takes a list such as .*, found 5"),
        ([(CPU, 5)], f"providers: the options of {CPU}: a dict by name is expected, found int"),
        ([(CPU, {"a": None})], f"providers: the options of {CPU}: a cannot be None"),
        ([("\n", 5)], r"providers: the options of \\n: a dict by name is expected, found int$"),
    ],
)
def test_what_is_not_a_provider(providers: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{message}"):
        Predictor(FOUR_BLOBS, providers=providers)


def test_one_of_device_and_providers() -> None:
    with pytest.raises(InvalidInput, match="give device or providers, not both"):
        Predictor(FOUR_BLOBS, "cpu", providers=[CPU])
    device: Any = None
    with pytest.raises(UnknownDevice, match="a device is a string such as 'cpu', found NoneType"):
        Predictor(FOUR_BLOBS, device)
    verify: Any = "yes"
    with pytest.raises(InvalidInput, match="verify must be True or False, found str"):
        Predictor(FOUR_BLOBS, verify=verify)
