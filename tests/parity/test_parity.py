"""torch, TorchScript and ONNX Runtime agree on random networks, weights and rows, by the project's standard."""

from typing import NamedTuple

import numpy as np
import torch
from exports import onnx_bytes
from hypothesis import given
from hypothesis import strategies as st
from quick_exports import mostly_few_probes
from random_modules import random_module
from random_tables import random_table_net, zeros
from tiers import examples

from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import load_onnx
from edge_export.formats.torchscript_file import load_torchscript, torchscript_bytes
from edge_export.verify.compare import compare
from edge_export.verify.probe_inputs import all_probe_inputs
from edge_export.verify.probe_kinds import ProbeInputs
from edge_export.verify.reference import References
from edge_export.verify.sampler import Sampler
from edge_runtime import Prediction, Predictor
from edge_train import NeuralNet


class Network(NamedTuple):
    input_size: int
    hidden_size: int
    gain: float
    seed: int

    def model(self) -> NeuralNet:
        """A network with normal weights of this gain."""
        torch.manual_seed(self.seed)
        model = NeuralNet(self.input_size, self.hidden_size)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(self.gain)
        return model.eval()


SEEDS = st.integers(0, 2**32 - 1)

networks = st.builds(
    Network,
    input_size=st.integers(1, 64),
    hidden_size=st.integers(1, 128),
    gain=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 30.0]),
    seed=SEEDS,
)


@examples(2, 60)
@given(networks, st.data())
def test_three_runtimes_agree(network: Network, data: st.DataObject) -> None:
    model = network.model()
    program = capture(model, torch.zeros(2, network.input_size))
    onnx_file = onnx_bytes(program)
    runs = {"onnx": load_onnx(onnx_file), "torchscript": load_torchscript(torchscript_bytes(program), program)}
    references = References(program)
    with mostly_few_probes(network.seed):
        probes = all_probe_inputs(Sampler(program, seed=network.seed), references.exact)

    # Rows of hypothesis's own choosing, and the same answers through every way into the runtime.
    values = st.floats(-100, 100, width=32)
    rows = np.array(
        data.draw(
            st.lists(st.lists(values, min_size=network.input_size, max_size=network.input_size), min_size=1, max_size=9)
        ),
        dtype=np.float32,
    )
    one_by_one = ProbeInputs("one by one", tuple({"x": rows[index : index + 1]} for index in range(len(rows))))
    chosen = ProbeInputs("rows of hypothesis's choosing", ({"x": rows},))
    expected = references.of_probes([*probes, chosen, one_by_one])
    for name, run in runs.items():
        compare(run, expected, program, name)
    predictor = Predictor(onnx_file, device="cpu")
    raw = predictor.run({"x": rows})["probability"][:, 0]
    np.testing.assert_array_equal(predictor.predict_proba(rows)[:, 1], raw)
    np.testing.assert_array_equal(predictor.predict(rows), (raw > 0.5).astype(int))
    compare(
        lambda row: {"probability": np.array([[answer_of(predictor, row["x"])]])},
        expected[-1:],
        program,
        "predict_one",
    )


# Some seconds an example, so `make test-all` stops at 40.
@examples(1, 40)
@given(SEEDS)
def test_random_tables(seed: int) -> None:
    """Columns of every kind, all three tasks, dates in every other: the file takes strings, TorchScript their codes."""
    model = random_table_net(seed, dates=seed % 2 == 1)
    program = capture(model, zeros(model.signature))
    references = References(program)
    with mostly_few_probes(seed):
        probes = all_probe_inputs(Sampler(program, seed=seed % 1000), references.exact)
    expected = references.of_probes(probes)
    compare(load_onnx(onnx_bytes(program)), expected, program, f"table {seed}")
    compare(load_torchscript(torchscript_bytes(program), program), expected, program, f"table {seed}")


@examples(1, 40)
@given(SEEDS)
def test_random_modules_of_many_layers(seed: int) -> None:
    """Convolutions, recurrent layers, attention, norms and activations, put together at random."""
    module, example, dynamic = random_module(seed)
    program = capture(module, example, dynamic)
    # ONNX's recurrent layers and attention do not carry NaN and overflow as torch does.
    references = References(program, finite_only=True)
    with mostly_few_probes(seed):
        probes = all_probe_inputs(Sampler(program, seed=seed % 1000), references.exact, finite_only=True)
    expected = references.of_probes(probes)
    compare(load_onnx(onnx_bytes(program)), expected, program, f"module {seed}")


def answer_of(predictor: Predictor, row: np.ndarray) -> float:
    """The probability of label 1, read off `predict_one`."""
    answer: Prediction = predictor.predict_one(row)
    assert answer.probability >= 0.5
    return answer.probability if answer.label == 1 else 1 - answer.probability
