import getpass
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from paths import FOUR_BLOBS as COMMITTED

from edge_export.capture.capture import capture
from edge_export.errors import ExportError
from edge_export.formats.onnx_file import IR_VERSION, OPSET
from edge_export.formats.onnx_file import onnx_model as onnx_bytes
from edge_runtime import Predictor, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_train import Network, NeuralNet, TableNet, four_blobs, save_checkpoint


@pytest.fixture(scope="module", params=[False, True], ids=["example", "table"])
def model(request: pytest.FixtureRequest) -> Network:
    torch.manual_seed(0)
    blobs = four_blobs(0)
    if not request.param:
        return NeuralNet(2, 5).eval()
    model = TableNet(blobs.signature, (5,))
    model.fit(blobs.train.inputs, blobs.train.target)
    return model.eval()


@pytest.fixture(scope="module")
def content(model: Network) -> bytes:
    return onnx_bytes(capture(model, torch.zeros(2, 2)))


def test_what_is_promised(model: Network, content: bytes) -> None:
    proto = onnx.load_from_string(content)
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", OPSET)]
    assert (OPSET, IR_VERSION, proto.ir_version) == (18, 8, 8)
    dimensions = [
        dimension.dim_param or dimension.dim_value
        for tensor in (*proto.graph.input, *proto.graph.output)
        for dimension in tensor.type.tensor_type.shape.dim
    ]
    assert dimensions == ["batch", 2, "batch", 1]
    assert [(entry.key, Signature.from_json(entry.value)) for entry in proto.metadata_props] == [
        (SIGNATURE_KEY, model.signature)
    ]


def test_no_trace_of_this_machine(content: bytes) -> None:
    text = content.decode("latin-1")
    for trace in (str(Path.cwd()), str(Path.home()), "site-packages", ".py", "File "):
        assert trace not in text
    # As a byte it may be the length of something.
    assert "/" not in str(onnx.load_from_string(content))
    if (user := getpass.getuser()) != "root":
        assert user not in text
    proto = onnx.load_from_string(content)
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_same_model_same_bytes(model: Network, content: bytes, tmp_path: Path) -> None:
    assert onnx_bytes(capture(model, torch.zeros(2, 2))) == content
    save_checkpoint(model, tmp_path / "model.pt")
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.formats.onnx_file import onnx_bytes
from edge_export.inputs.model_files import load_program
print(hashlib.sha256(onnx_bytes(load_program(Path(sys.argv[1]))[0])).hexdigest())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.pt")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert printed.stdout.strip() == hashlib.sha256(content).hexdigest()
    assert printed.stderr == ""


def test_the_committed_model_is_still_what_is_exported(tmp_path: Path) -> None:
    """The runtime's tests stand on a committed file; it must not drift from what the exporter writes."""
    committed = onnx.load(COMMITTED)
    model = NeuralNet(2, 5)
    initializers = committed.graph.initializer
    weights = {tensor.name: torch.tensor(onnx.numpy_helper.to_array(tensor)) for tensor in initializers}
    model.load_state_dict(weights)
    (signature,) = [entry.value for entry in committed.metadata_props if entry.key == SIGNATURE_KEY]
    model.signature = Signature.from_json(signature)
    rows = np.random.default_rng(0).normal(size=(100, 2))
    np.testing.assert_array_equal(
        Predictor(onnx_bytes(capture(model, torch.zeros(2, 2)))).predict_proba(rows),
        Predictor(COMMITTED).predict_proba(rows),
    )


def test_an_operation_without_counterpart_is_named() -> None:
    class Unheard(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    with pytest.raises(ExportError, match=r"ONNX has no counterpart of the operation prims.bessel_j0"):
        onnx_bytes(capture(Unheard(), torch.zeros(2, 2)))


def test_a_network_that_its_signature_does_not_describe_is_refused() -> None:
    model = NeuralNet(2, 5)
    model.linear_1 = torch.nn.Linear(3, 5)
    with pytest.raises(ExportError, match=r"the signature describes inputs .*\('x', 2\).*takes \[\('x', 3\)\]"):
        capture(model, torch.zeros(2, 3))
