"""An onnxruntime whose CUDA does what a test wants, on a machine without a GPU: the CPU computes for it."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge_runtime.engine import cuda, devices, placement, session
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.installation import import_onnxruntime


class Computing(SimpleNamespace):
    """What computes in a session; unlike its base, it can be referred to weakly, as ONNX Runtime's own."""


class FakeValue:
    """An onnxruntime.OrtValue on a GPU."""

    def __init__(self, array: npt.NDArray[Any], type_: str = "tensor(float)") -> None:
        self.array, self.type = array.copy(), type_

    @classmethod
    def ortvalue_from_numpy(cls, array: npt.NDArray[Any], device: str, number: int) -> "FakeValue":
        assert (device, number) == ("cuda", 0)
        return cls(array)

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape: Any, dtype: Any, device: str, number: int) -> "FakeValue":
        assert (device, number) == ("cuda", 0)
        return cls(np.zeros(shape, dtype))

    @classmethod
    def from_dlpack(cls, tensor: "FakeTensor") -> "FakeValue":
        if not tensor.is_contiguous:
            raise RuntimeError("only contiguous tensors")
        return cls(tensor.array, {"f": "tensor(float)", "d": "tensor(double)"}[tensor.array.dtype.char])

    def update_inplace(self, array: npt.NDArray[Any]) -> None:
        self.array[...] = array

    def numpy(self) -> npt.NDArray[Any]:
        return self.array.copy()

    def data_type(self) -> str:
        return self.type

    def shape(self) -> list[int]:
        return list(self.array.shape)


class FakeTensor:
    """A tensor of another library on a GPU, or on another device than that."""

    def __init__(self, array: npt.NDArray[Any], device: int = 2, is_contiguous: bool = True) -> None:
        self.array, self.device, self.is_contiguous = array, device, is_contiguous

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0


class FakeBinding:
    """An onnxruntime.IOBinding, and what it keeps from Python."""

    def __init__(self) -> None:
        self._iobinding = self
        self.inputs: dict[str, FakeValue] = {}
        self.outputs: dict[str, FakeValue | None] = {}
        self.synchronized: list[str] = []

    def bind_ortvalue_input(self, name: str, value: FakeValue) -> None:
        self.inputs[name] = value

    def bind_ortvalue_output(self, name: str, value: FakeValue) -> None:
        self.outputs[name] = value

    def bind_output(self, name: str, device: str, number: int) -> None:
        assert (device, number) == ("cuda", 0)
        self.outputs[name] = None

    def synchronize_inputs(self) -> None:
        self.synchronized.append("inputs")

    def synchronize_outputs(self) -> None:
        self.synchronized.append("outputs")

    def get_outputs(self) -> list[FakeValue]:
        assert self.synchronized == ["inputs", "outputs"]
        return [value for value in self.outputs.values() if value is not None]


class FakeOnnxRuntime:
    """Stands in for the onnxruntime module.

    Attributes:
        cuda: "comes up"; "falls back" to the CPU without a message; or "raises".
        options: of the last session on CUDA, empty before there is one.
        settings: the SessionOptions of all sessions.
        graphs: the number of the CUDA graph that each bound call on CUDA named.
        problem: raised by every call on CUDA, if it is not None.
    """

    OrtValue: Any = FakeValue

    def __init__(self, cuda: str) -> None:
        self.cuda = cuda
        self.options: dict[str, str] = {}
        self.settings: list[Any] = []
        self.graphs: list[str | None] = []
        self.problem: Exception | None = None
        self.__file__, self.__version__ = str(Path(sys.executable)), "1.99.0"
        self.real = import_onnxruntime()

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU]

    def SessionOptions(self) -> Any:  # noqa: N802
        self.settings.append(self.real.SessionOptions())
        return self.settings[-1]

    def RunOptions(self) -> Any:  # noqa: N802
        class RunOptions(self.real.RunOptions):  # type: ignore[name-defined,misc]
            graph: str | None = None

            def add_run_config_entry(self, name: str, value: str) -> None:
                assert name == "gpu_graph_id"
                self.graph = value

        return RunOptions()

    def preload_dlls(self) -> None:
        print("Failed to load libcudnn.so.9")

    def InferenceSession(self, source: Any, settings: Any, providers: list[Any], **_: Any) -> Any:  # noqa: N802
        opened = self.real.InferenceSession(source, settings, providers=[CPU])
        if providers == [CPU]:
            return opened
        if self.cuda == "raises":
            raise RuntimeError("CUDA failure 35: driver version is insufficient")
        ((provider, self.options),) = providers
        names = [provider, CPU] if self.cuda == "comes up" else [CPU]
        return SimpleNamespace(
            get_providers=lambda: names,
            get_inputs=opened.get_inputs,
            get_overridable_initializers=list,
            get_outputs=opened.get_outputs,
            get_modelmeta=opened.get_modelmeta,
            io_binding=FakeBinding,
            _sess=Computing(run=self._run(opened), run_with_iobinding=self._bound_run(opened)),
        )

    def _run(self, opened: Any) -> Callable[..., Any]:
        def run(names: Any, feed: Any, options: Any) -> Any:
            if self.problem is not None:
                raise self.problem
            return opened.run(names, feed)

        return run

    def _bound_run(self, opened: Any) -> Callable[[FakeBinding, Any], None]:
        def run(binding: FakeBinding, options: Any) -> None:
            self.graphs.append(options.graph)
            if self.problem is not None:
                raise self.problem
            found = opened.run(list(binding.outputs), {name: value.array for name, value in binding.inputs.items()})
            for name, array in zip(list(binding.outputs), found, strict=True):
                value = binding.outputs[name]
                if value is None:
                    binding.outputs[name] = FakeValue(array)
                else:
                    value.update_inplace(array)

        return run


def install(monkeypatch: pytest.MonkeyPatch, cuda_does: str) -> FakeOnnxRuntime:
    """Put a fake in the place of onnxruntime, on a machine whose driver finds a GPU."""
    ort = FakeOnnxRuntime(cuda_does)
    for module in (session, devices, cuda, placement):
        monkeypatch.setattr(module, "import_onnxruntime", lambda: ort)
    monkeypatch.setattr(devices, "cuda_driver_problem", lambda: None)
    return ort
