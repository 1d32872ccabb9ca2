"""Where the microseconds of `predict_one` go, on the example's network.

    .venv/bin/python -m benchmarks.one_row

Each line does what the one above it does, and a little more; the last two are the ways without this project.
"""

import numpy as np
import onnxruntime

from benchmarks.models import EXAMPLE, prepared
from benchmarks.timing import Call, interleaved, summary
from edge_runtime import Predictor
from edge_runtime.engine.bound_buffers import BoundBuffers
from edge_runtime.engine.model_source import ModelSource
from edge_runtime.engine.session import Session
from edge_runtime.engine.session_settings import SessionSettings

ROUNDS, SECONDS = 60, 60.0


def main() -> None:
    """Measure and print."""
    model = next(model for model in prepared() if model.name == EXAMPLE)
    predictor = Predictor(model.onnx, device="cpu")
    session = Session(ModelSource(model.onnx), SessionSettings("cpu"))
    source, target = session.inputs[0], session.outputs[0]
    buffers = BoundBuffers(session, source, target, 1)
    # Rows of both labels, since the answer to one takes a rounding more.
    rows = [[float(value) for value in row] for row in np.random.default_rng(0).normal(size=(100, 2))]
    by_label = {predictor.predict_one(row).label: row for row in rows}
    first, second = (by_label[label] for label in predictor.classes_.tolist())

    def packed() -> None:
        buffers.pack(*second)
        buffers.run()

    def read() -> bool:
        packed()
        return bool(buffers.item() > 0.5)

    plain = onnxruntime.InferenceSession(model.onnx, providers=["CPUExecutionProvider"])
    binding, buffer, answer = plain.io_binding(), np.zeros((1, 2), np.float32), np.zeros((1, 1), np.float32)
    binding.bind_input(source.name, "cpu", 0, np.float32, buffer.shape, buffer.ctypes.data)
    binding.bind_output(target.name, "cpu", 0, np.float32, answer.shape, answer.ctypes.data)

    def in_place() -> None:
        buffer[0] = second
        plain.run_with_iobinding(binding)

    calls: dict[str, Call] = {
        "ONNX Runtime, on buffers that were bound once": buffers.run,
        "and the row written into them, and checked": packed,
        "and the result read and compared": read,
        "predict_one, of a row of the second label": lambda: predictor.predict_one(second),
        "predict_one, of a row of the first label": lambda: predictor.predict_one(first),
        "run_with_iobinding, the row written in place": in_place,
        "session.run, with np.asarray": lambda: plain.run(None, {source.name: np.asarray([second], dtype=np.float32)}),
    }
    samples = interleaved(calls, ROUNDS, SECONDS)
    for name, values in samples.items():
        found = summary(values)
        print(f"{name:<48}{found['median'] * 1e6:6.2f} us ({found['low'] * 1e6:.2f}-{found['high'] * 1e6:.2f})")


if __name__ == "__main__":
    main()
