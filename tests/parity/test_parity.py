"""torch, TorchScript and ONNX Runtime agree on random networks, weights and rows, by the project's standard."""

from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_export.cases import Case, draw_cases
from edge_export.exporting import load_onnx, load_torchscript
from edge_export.onnx_file import onnx_bytes
from edge_export.parity import compare, compute_references
from edge_export.torchscript_file import torchscript_bytes
from edge_runtime import Predictor
from edge_train import NeuralNet


class Network(NamedTuple):
    input_size: int
    hidden_size: int
    standardize: bool
    gain: float
    seed: int

    def model(self) -> NeuralNet:
        """A network with normal weights of this gain; its standardisation spans six orders of magnitude."""
        torch.manual_seed(self.seed)
        random = np.random.default_rng(self.seed)
        model = NeuralNet(self.input_size, self.hidden_size, self.standardize)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(self.gain)
        if model.standardize is not None:
            scale, center = 10 ** random.uniform(-3, 3, size=(2, self.input_size))
            model.standardize.fit((center + scale * random.normal(size=(100, self.input_size))).astype(np.float32))
        return model.eval()


networks = st.builds(
    Network,
    input_size=st.integers(1, 64),
    hidden_size=st.integers(1, 128),
    standardize=st.booleans(),
    gain=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 30.0]),
    seed=st.integers(0, 2**32 - 1),
)


@settings(deadline=None, max_examples=25)
@given(networks, st.data())
def test_three_runtimes_agree(network: Network, data: st.DataObject) -> None:
    model = network.model()
    onnx_file, torchscript_file = onnx_bytes(model), torchscript_bytes(model)
    references = compute_references(model, draw_cases(model, seed=network.seed))
    for load, content in ((load_onnx, onnx_file), (load_torchscript, torchscript_file)):
        compare(load(content, model.signature), references, model.signature, load.__name__)

    # Rows of hypothesis's own choosing, and the same answers through every way into the runtime.
    values = st.floats(-100, 100, width=32)
    rows = np.array(
        data.draw(
            st.lists(st.lists(values, min_size=network.input_size, max_size=network.input_size), min_size=1, max_size=9)
        ),
        dtype=np.float32,
    )
    if model.standardize is not None:
        rows = (rows * model.standardize.scale.numpy() + model.standardize.mean.numpy()).astype(np.float32)
    chosen = compute_references(model, [Case("rows of hypothesis's choosing", (rows,))])
    for load, content in ((load_onnx, onnx_file), (load_torchscript, torchscript_file)):
        compare(load(content, model.signature), chosen, model.signature, load.__name__)
    predictor = Predictor(onnx_file, device="cpu")
    raw = predictor.run({"x": rows})["probability"][:, 0]
    np.testing.assert_array_equal(predictor.predict_proba(rows)[:, 1], raw)
    np.testing.assert_array_equal(predictor.predict(rows), (raw > 0.5).astype(int))
    one_by_one = Case("one by one", tuple(rows[index : index + 1] for index in range(len(rows))))
    compare(
        lambda row: np.array([[answer_of(predictor, row)]]),
        compute_references(model, [one_by_one]),
        model.signature,
        "predict_one",
    )


def answer_of(predictor: Predictor, row: np.ndarray) -> float:
    """The probability of label 1, read off `predict_one`."""
    label, probability = predictor.predict_one(row)
    assert probability >= 0.5
    return probability if label == 1 else 1 - probability
