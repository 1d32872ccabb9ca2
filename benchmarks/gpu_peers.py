"""The ways to run a network on a GPU that are timed beside each other.

All compute in float32 proper: TF32, which ONNX Runtime and torch's convolutions would use by default, keeps 10 bits of
a number's 23, and the runtime does not allow it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.models import Array, Model
from benchmarks.peers import Missing
from edge_runtime import EdgePredictError, Predictor

OURS = "edge-predict"
OURS_CPU = "edge-predict, on the CPU"
ORT = "onnxruntime"
ORT_BINDING = "onnxruntime, IO binding"
TORCH = "torch eager"
COMPILED = "torch.compile"
GRAPH = "torch, CUDA graph"

# Synchronised calls without arguments: numpy arrays from numpy arrays, or tensors on the GPU from tensors there.
Prepared = Callable[[], Any]


class Contestants:
    """Everything that can run `model` on the GPU, opened once for all batches; what cannot be opened is named."""

    def __init__(self, model: Model, compiled: bool) -> None:
        """Open them; torch.compile only if `compiled`, as it takes long."""
        self._model = model
        self._module = model.module().cuda()
        self._compiled: Any = torch.compile(self._module) if compiled else None
        self.missing: dict[str, str] = {} if compiled else {COMPILED: "there was no time left to compile"}
        self._ours = self._predictor("cuda", OURS)
        self._ours_cpu = self._predictor("cpu", OURS_CPU)
        self._session: Any = None
        try:
            self._session = _session(model)
        except Exception as error:  # ONNX Runtime's exceptions derive from nothing else
            self.missing[ORT] = self.missing[ORT_BINDING] = first_line(error)

    def on_host(self, rows: Array) -> dict[str, Callable[[], Prepared]]:
        """What makes the calls that take `rows` and give numpy arrays; making one may fail."""
        makers: dict[str, Callable[[], Prepared]] = {}
        if self._ours is not None:
            ours = self._ours
            makers[OURS] = lambda: self._answer(ours, rows)
        if self._ours_cpu is not None:
            cpu = self._ours_cpu
            makers[OURS_CPU] = lambda: self._answer(cpu, rows)
        if self._session is not None:
            feed = {self._session.get_inputs()[0].name: rows}
            makers[ORT] = lambda: lambda: self._session.run(None, feed)[0]
        makers[TORCH] = lambda: _from_host(self._module, rows)
        if self._compiled is not None:
            makers[COMPILED] = lambda: _from_host(self._compiled, rows)

        def graph() -> Prepared:
            replay, source, target = _graph(self._module, rows.shape)

            def call() -> Any:
                source.copy_(torch.from_numpy(rows))
                replay()
                return target.cpu().numpy()

            return call

        makers[GRAPH] = graph
        return makers

    def on_device(self, rows: Tensor) -> dict[str, Callable[[], Prepared]]:
        """The same for rows that are on the GPU already, and answers that stay there."""
        makers: dict[str, Callable[[], Prepared]] = {}
        if self._ours is not None:
            ours = self._ours
            makers[OURS] = lambda: _through_dlpack(ours, rows)
        if self._session is not None:
            makers[ORT_BINDING] = lambda: self._bound(rows)
        makers[TORCH] = lambda: _synchronised(self._module, rows)
        if self._compiled is not None:
            makers[COMPILED] = lambda: _synchronised(self._compiled, rows)

        def graph() -> Prepared:
            replay, source, target = _graph(self._module, rows.shape)

            def call() -> Tensor:
                source.copy_(rows)
                replay()
                torch.cuda.synchronize()
                return target

            return call

        makers[GRAPH] = graph
        return makers

    def _predictor(self, device: str, name: str) -> Predictor | None:
        try:
            return Predictor(self._model.onnx, device=device)
        except EdgePredictError as error:
            self.missing[name] = first_line(error)
            return None

    def _answer(self, predictor: Predictor, rows: Array) -> Prepared:
        if self._model.labelled:
            return lambda: predictor.predict_proba(rows)
        name, output = predictor.inputs[0].name, predictor.outputs[0].name
        return lambda: predictor.run({name: rows})[output]

    def _bound(self, rows: Tensor) -> Prepared:
        (source,), (target,) = self._session.get_inputs(), self._session.get_outputs()
        written = torch.empty_like(self._module(rows))
        binding = self._session.io_binding()
        for bind, name, tensor in (
            (binding.bind_input, source.name, rows),
            (binding.bind_output, target.name, written),
        ):
            bind(name, "cuda", 0, np.float32, tuple(tensor.shape), tensor.data_ptr())

        def call() -> Tensor:
            self._session.run_with_iobinding(binding)
            torch.cuda.synchronize()
            return written

        return call


def _session(model: Model) -> Any:
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    session = onnxruntime.InferenceSession(model.onnx, providers=[("CUDAExecutionProvider", {"use_tf32": "0"})])
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise Missing("ONNX Runtime fell back to the CPU")
    return session


def _from_host(module: Callable[[Tensor], Tensor], rows: Array) -> Prepared:
    return lambda: module(torch.from_numpy(rows).cuda()).cpu().numpy()


def _synchronised(module: Callable[[Tensor], Tensor], rows: Tensor) -> Prepared:
    def call() -> Tensor:
        answer = module(rows)
        torch.cuda.synchronize()
        return answer

    return call


def _graph(module: nn.Module, shape: tuple[int, ...]) -> tuple[Callable[[], None], Tensor, Tensor]:
    """What replays `module` on rows of this shape, the tensor that it reads and the one that it writes.

    Captured after some calls on a stream of their own, as torch's documentation has it.
    """
    source = torch.zeros(shape, device="cuda")
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            module(source)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        target = module(source)
    return graph.replay, source, target


def _through_dlpack(predictor: Predictor, rows: Tensor) -> Prepared:
    """Ours on a tensor of torch's, if it takes one."""
    name, output = predictor.inputs[0].name, predictor.outputs[0].name

    def call() -> Tensor:
        answer = torch.utils.dlpack.from_dlpack(predictor.run({name: rows})[output])
        torch.cuda.synchronize()
        return answer

    try:
        on_gpu = call().is_cuda
    except Exception as error:  # whatever it says about what it does not know
        raise Missing(f"not supported: {first_line(error)}") from error
    if not on_gpu:
        raise Missing("not supported: the answer is not on the GPU")
    return call


def first_line(error: BaseException) -> str:
    """What `error` says, in at most one line."""
    said = str(error).strip().splitlines()
    return (said[0] if said else type(error).__name__)[:160]
