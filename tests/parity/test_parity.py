"""torch, TorchScript and ONNX Runtime agree on random networks, weights and rows, by the project's standard."""

import copy
import io
from typing import NamedTuple

import numpy as np
import torch
from hypothesis import given, note, settings
from hypothesis import strategies as st

from edge_export.cases import draw_cases
from edge_export.exporting import _load_onnx, _load_torchscript
from edge_export.onnx_file import onnx_bytes
from edge_export.parity import HALF_UNIT, MULTIPLE, compare, compute_references
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
    for load, content in ((_load_onnx, onnx_file), (_load_torchscript, torchscript_file)):
        compare(load(content, model.signature), references, model.signature, load.__name__)

    # Rows of hypothesis's own choosing, and the same answer through every way into the runtime.
    values = st.floats(-100, 100, width=32)
    rows = np.array(
        data.draw(
            st.lists(st.lists(values, min_size=network.input_size, max_size=network.input_size), min_size=1, max_size=9)
        ),
        dtype=np.float32,
    )
    if model.standardize is not None:
        rows = (rows * model.standardize.scale.numpy() + model.standardize.mean.numpy()).astype(np.float32)
    with torch.inference_mode():
        narrow = model(torch.from_numpy(rows)).numpy()[:, 0]
        wide = copy.deepcopy(model).double()(torch.from_numpy(rows).double()).numpy()[:, 0]
        script = torch.jit.load(io.BytesIO(torchscript_file))(torch.from_numpy(rows)).numpy()[:, 0]
    predictor = Predictor(onnx_file, device="cpu")
    probabilities = predictor.predict_proba(rows)[:, 1]
    allowed = MULTIPLE * max(float(np.abs(narrow - wide).max()), rounding_of_rows(model, rows), HALF_UNIT)
    note(f"allowed {allowed}")
    np.testing.assert_array_equal(script, narrow)
    np.testing.assert_allclose(probabilities, wide, rtol=0, atol=allowed)
    decided = np.abs(wide - 0.5) > allowed
    np.testing.assert_array_equal(predictor.predict(rows)[decided], (wide > 0.5)[decided])
    for row, probability in zip(rows, wide, strict=True):
        answer = predictor.predict_one(row)
        assert (
            abs((answer.probability if answer.label == 1 else 1 - answer.probability) - probability) <= allowed + 2e-7
        )


def rounding_of_rows(model: NeuralNet, rows: np.ndarray) -> float:
    """How far the output moves if each product is off by float32's rounding: few rows give torch's error by luck."""
    w1, b1 = model.linear_1.weight.detach().double().numpy(), model.linear_1.bias.detach().double().numpy()
    w2, b2 = model.linear_2.weight.detach().double().numpy(), model.linear_2.bias.detach().double().numpy()
    x = rows.astype(np.float64)
    if model.standardize is not None:
        x = (np.abs(x) + np.abs(model.standardize.mean.numpy())) / model.standardize.scale.numpy()
    size = np.abs(w2) @ (np.abs(w1) @ np.abs(x).T + np.abs(b1)[:, None]) + np.abs(b2)[:, None]
    return float(0.25 * HALF_UNIT * size.max())
