"""The ways to run a network that are timed beside each other, each as its own documentation says.

One row comes as a Python list, as an application has it; many rows come as a numpy array. A contestant gives back what
it has at hand, array or tensor: `predict_one` alone looks up the label too, and makes a Python number of its
probability.
"""

import importlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import nn

from benchmarks.models import Array, Model
from edge_runtime import Predictor
from edge_train.networks.neural_net import NeuralNet

OURS = "edge-predict"
ORT_ONE = "onnxruntime, 1 thread"
ORT_DEFAULT = "onnxruntime"
ORT_BINDING = "onnxruntime, IO binding"
TORCH = "torch eager"
TORCHSCRIPT = "TorchScript frozen"
OPENVINO = "OpenVINO"
NUMPY = "numpy"
SKLEARN = "scikit-learn"

# What float32 arithmetic in another order may change in these networks, generously.
TOLERANCE = 1e-4


class Missing(Exception):
    """A contestant cannot take part, and why."""


@dataclass(frozen=True)
class Peer:
    """One way to run one network.

    Attributes:
        one: answers a row that is a Python list.
        many: answers rows that are an array, float32.
    """

    one: Callable[[list[Any]], Any]
    many: Callable[[Array], Any]


def contestants(model: Model) -> tuple[dict[str, Peer], dict[str, str]]:
    """All that can run `model`, ours first, and why the others cannot."""
    peers: dict[str, Peer] = {}
    missing: dict[str, str] = {}
    for name, make in _MAKERS.items():
        try:
            peers[name] = make(model)
        except (Missing, ImportError) as reason:
            missing[name] = str(reason)
    return peers, missing


def check(name: str, answer: Any, expected: Array) -> None:
    """Raise Missing if `answer` is not what `expected` has, up to `TOLERANCE`; two classes may come as one column."""
    found = np.asarray(answer if not hasattr(answer, "probability") else [[answer.probability]])
    if found.shape[1] == 1 < expected.shape[1] and len(found) == len(expected) == 1:
        expected = expected.max(axis=1, keepdims=True)
    elif found.shape[1] == 2 and expected.shape[1] == 1:
        found = found[:, 1:]
    elif found.shape == expected.shape == (1, 1) and hasattr(answer, "probability"):
        # The probability of the label that is predicted.
        expected = np.maximum(expected, 1 - expected)
    if found.shape != expected.shape:
        raise Missing(f"{name} answers in the shape {found.shape}, {expected.shape} is right")
    if not np.allclose(found, expected, atol=TOLERANCE, rtol=TOLERANCE):
        raise Missing(f"{name} is wrong by {np.abs(found - expected).max():.1e}")


def _ours(model: Model) -> Peer:
    predictor = Predictor(model.onnx, device="cpu")
    if model.labelled:
        return Peer(predictor.predict_one, predictor.predict_proba)
    # Without a signature there are no rows and labels, only tensors by name.
    name, output = predictor.inputs[0].name, predictor.outputs[0].name
    return Peer(
        lambda row: predictor.run({name: [row]})[output],
        lambda rows: predictor.run({name: rows})[output],
    )


def _session(model: Model, threads: int | None) -> Any:
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.onnx, options, providers=["CPUExecutionProvider"])


def _onnxruntime(model: Model, threads: int | None) -> Peer:
    session = _session(model, threads)
    name = session.get_inputs()[0].name
    return Peer(
        lambda row: session.run(None, {name: np.asarray([row], dtype=np.float32)})[0],
        lambda rows: session.run(None, {name: rows})[0],
    )


def _bound(model: Model) -> Peer:
    """Input and output bound once for each size of a batch; the answer is in the bound buffer.

    Without RunOptions: ONNX Runtime 1.32 spends 30 us on asking them for a setting that they do not have.
    """
    session = _session(model, 1)
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    with torch.inference_mode():
        classes = model.module()(torch.from_numpy(model.rows(2))).shape[1]

    def bind(rows: int) -> tuple[Any, Array, Array]:
        binding = session.io_binding()
        read, written = np.empty((rows, *model.row_shape), np.float32), np.empty((rows, classes), np.float32)
        binding.bind_input(source.name, "cpu", 0, np.float32, read.shape, read.ctypes.data)
        binding.bind_output(target.name, "cpu", 0, np.float32, written.shape, written.ctypes.data)
        return binding, read, written

    single, single_read, single_written = bind(1)
    bound = bind(1)

    def one(row: list[Any]) -> Array:
        single_read[0] = row
        session.run_with_iobinding(single)
        return single_written

    def many(rows: Array) -> Array:
        nonlocal bound
        if len(bound[1]) != len(rows):
            bound = bind(len(rows))
        binding, read, written = bound
        read[:] = rows
        session.run_with_iobinding(binding)
        return written

    return Peer(one, many)


def _torch(module: nn.Module) -> Peer:
    def one(row: list[Any]) -> Any:
        with torch.inference_mode():
            return module(torch.tensor([row]))

    def many(rows: Array) -> Any:
        with torch.inference_mode():
            return module(torch.from_numpy(rows)).numpy()

    return Peer(one, many)


def _torchscript(model: Model) -> Peer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(model.module(), torch.from_numpy(model.rows(1)))  # type: ignore[no-untyped-call]
        return _torch(torch.jit.optimize_for_inference(torch.jit.freeze(traced)))


def _openvino(model: Model) -> Peer:
    # It reports its use to its maker with this package, and does without if it is not there.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    # By name, since not everyone who checks types has it.
    openvino: Any = importlib.import_module("openvino")
    # On processors with bfloat16 OpenVINO computes in it by default: faster, and not the same answers.
    compiled = openvino.Core().compile_model(model.onnx, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return Peer(
        lambda row: request.infer([np.asarray([row], dtype=np.float32)])[0],
        lambda rows: request.infer([rows], share_inputs=True)[0],
    )


def _layers(model: Model) -> list[tuple[Array, Array]]:
    """Weights, shape (inputs, outputs), and biases of each linear layer."""
    modules = list(model.module().modules())
    if any(isinstance(module, nn.Conv2d) for module in modules):
        raise Missing("written for linear layers alone")
    return [
        (module.weight.detach().numpy().T.copy(), module.bias.detach().numpy())
        for module in modules
        if isinstance(module, nn.Linear)
    ]


def _numpy(model: Model) -> Peer:
    *hidden, (weight, bias) = _layers(model)
    binary = isinstance(model.make(), NeuralNet)

    def many(rows: Array) -> Any:
        for w, b in hidden:
            rows = np.maximum(rows @ w + b, 0)
        logits = rows @ weight + bias
        if binary:
            return 1 / (1 + np.exp(-logits))
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    return Peer(lambda row: many(np.asarray([row], dtype=np.float32)), many)


def _sklearn(model: Model) -> Peer:
    """Its multi-layer perceptron has the same layers: ReLU, then logistic for two classes or softmax for more."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    layers = _layers(model)
    classes = max(2, len(layers[-1][1]))
    network = MLPClassifier(tuple(len(bias) for _, bias in layers[:-1]), activation="relu", max_iter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(model.rows(4 * classes), np.arange(4 * classes) % classes)
    network.coefs_ = [weight for weight, _ in layers]
    network.intercepts_ = [bias for _, bias in layers]
    return Peer(lambda row: network.predict_proba([row]), network.predict_proba)


_MAKERS: dict[str, Callable[[Model], Peer]] = {
    OURS: _ours,
    ORT_DEFAULT: lambda model: _onnxruntime(model, None),
    ORT_ONE: lambda model: _onnxruntime(model, 1),
    ORT_BINDING: _bound,
    TORCH: lambda model: _torch(model.module()),
    TORCHSCRIPT: _torchscript,
    OPENVINO: _openvino,
    NUMPY: _numpy,
    SKLEARN: _sklearn,
}
