"""The ONNX file: standard, the same every time, and with nothing in it of the machine that made it."""

import getpass
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import onnx
import pytest
import torch
from exports import onnx_bytes
from layers import assert_same, in_file, layer, rows
from onnx import ModelProto
from onnxscript import opset18
from paths import FOUR_BLOBS as COMMITTED
from tiers import mostly_slow
from torch import Tensor, nn

from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.formats import onnx_file
from edge_export.formats.onnx_file import load_onnx, onnx_model, serialized, with_metadata
from edge_runtime import InferenceFailed, Predictor, Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_train import Network, NeuralNet, TableNet, four_blobs, save_checkpoint


class Made(NamedTuple):
    network: Network
    program: Program
    content: bytes


@pytest.fixture(scope="module", params=[False, True], ids=["example", "table"])
def made(request: pytest.FixtureRequest) -> Made:
    torch.manual_seed(0)
    blobs = four_blobs(0)
    network: Network
    if request.param:
        network = TableNet(blobs.signature, (5,))
        network.fit(blobs.train.inputs, blobs.train.target)
    else:
        network = NeuralNet(2, 5)
    program = capture(network.eval(), torch.zeros(2, 2))
    return Made(network, program, onnx_bytes(program))


def sizes_of(tensor: onnx.ValueInfoProto) -> list[str | int]:
    return [size.dim_param or size.dim_value for size in tensor.type.tensor_type.shape.dim]


def test_what_is_promised(made: Made) -> None:
    proto = onnx.load_from_string(made.content)
    onnx.checker.check_model(proto, full_check=True)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 18)]
    assert proto.ir_version == 8
    assert [sizes_of(tensor) for tensor in (*proto.graph.input, *proto.graph.output)] == [["batch", 2], ["batch", 1]]
    assert [(entry.key, Signature.from_json(entry.value)) for entry in proto.metadata_props] == [
        (SIGNATURE_KEY, made.network.signature)
    ]


def test_no_trace_of_this_machine(made: Made) -> None:
    text = made.content.decode("latin-1")
    for trace in {str(Path.cwd()), str(Path.home()), "site-packages", ".py", "File "} - {"/"}:
        assert trace not in text
    proto = onnx.load_from_string(made.content)
    # As a byte it may be the length of something.
    assert "/" not in str(proto)
    if (user := getpass.getuser()) != "root":
        assert user not in text
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)


def test_same_model_same_bytes(made: Made) -> None:
    assert onnx_bytes(capture(made.network, torch.zeros(2, 2))) == made.content


@pytest.mark.slow
def test_same_model_same_bytes_in_another_process(made: Made, tmp_path: Path) -> None:
    save_checkpoint(made.network, tmp_path / "model.pt")
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.formats.onnx_file import onnx_model, serialized
from edge_export.inputs.model_files import load_program
print(hashlib.sha256(serialized(onnx_model(load_program(Path(sys.argv[1]))[0]))).hexdigest())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.pt")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert printed.stdout.strip() == hashlib.sha256(made.content).hexdigest()
    assert printed.stderr == ""


def test_the_committed_model_is_still_what_is_exported() -> None:
    """The runtime's tests use a committed file; it must not drift from what the exporter writes."""
    committed = onnx.load(COMMITTED)
    model = NeuralNet(2, 5)
    initializers = committed.graph.initializer
    weights = {tensor.name: torch.tensor(onnx.numpy_helper.to_array(tensor)) for tensor in initializers}
    model.load_state_dict(weights)
    (signature,) = [entry.value for entry in committed.metadata_props if entry.key == SIGNATURE_KEY]
    model.signature = Signature.from_json(signature)
    x = np.random.default_rng(0).normal(size=(100, 2))
    np.testing.assert_array_equal(
        Predictor(onnx_bytes(capture(model, torch.zeros(2, 2)))).predict_proba(x),
        Predictor(COMMITTED).predict_proba(x),
    )


def lengths(self: object, x: Tensor) -> dict[str, Tensor]:
    return {"twice": torch.cat([x, x], 1), "first": x[:, :1], "positive": x[x > 0]}


def test_dimensions_have_the_names_of_the_program() -> None:
    graph = onnx_model(capture(layer(lengths), rows(4, 5), {"x": ("batch", "length")})).graph
    assert [sizes_of(tensor) for tensor in graph.input] == [["batch", "length"]]
    # What has another size than any input, such as how many are positive, has no name.
    assert [sizes_of(tensor) for tensor in graph.output] == [["batch", "2*length"], ["batch", 1], [0]]


def test_a_graph_that_is_not_as_promised_is_refused(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_name_dimensions", lambda model, program: None)
    with pytest.raises(ExportError, match=r"^the exported graph takes \{'x': .*\}, not \{'x': .*'batch', 2"):
        onnx_model(made.program)


def changed(made: Made) -> ModelProto:
    model = onnx.load_from_string(made.content)
    model.graph.output[0].name = "other"
    return model


def test_a_graph_that_is_not_valid_is_refused(made: Made) -> None:
    with pytest.raises(ExportError, match=r"^the exported graph is not valid ONNX: "):
        onnx_file._check(changed(made), made.program)


# --------------------------------------------------------------------------------------------------- bytes, metadata


def test_metadata_come_behind_the_file(made: Made) -> None:
    content = with_metadata(made.content, {"first": "1", "second": "ü"})
    assert isinstance(content, bytes)
    assert content.startswith(made.content)
    before, after = onnx.load_from_string(made.content), onnx.load_from_string(content)
    entries = [(entry.key, entry.value) for entry in after.metadata_props]
    assert entries == [(SIGNATURE_KEY, before.metadata_props[0].value), ("first", "1"), ("second", "ü")]
    del before.metadata_props[:], after.metadata_props[:]
    assert before == after
    assert with_metadata(made.content, {}) == made.content


def test_a_model_that_one_file_cannot_hold() -> None:
    class Large:
        def SerializeToString(self, **_: bool) -> bytes:  # noqa: N802
            raise ValueError("Message exceeds maximum protobuf size of 2GB")

    with pytest.raises(
        ExportError, match=r"^the graph without its large weights is larger than 2 GiB, protobuf's limit$"
    ):
        serialized(cast(ModelProto, Large()))


def test_a_file_that_onnx_runtime_cannot_load() -> None:
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot load what was made of this module: ") as raised:
        load_onnx(b"not a model")
    assert "edge-export makes one" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_loaded_runs(made: Made) -> None:
    x = {"x": np.array([[0.5, -1.0], [2.0, 0.0]], np.float32)}
    (found,) = load_onnx(made.content)(x).values()
    np.testing.assert_allclose(found, made.program.run(x)["probability"], atol=1e-6)


# ---------------------------------------------------------------------------------------------- opset, own operations


@pytest.mark.parametrize(("opset", "ir_version"), mostly_slow([(20, 9), (21, 10), (23, 11)], [(21, 10)]))
def test_the_opset_that_is_asked_for(opset: int, ir_version: int) -> None:
    program = capture(nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.LayerNorm(4)), rows(4, 3))
    model = onnx_model(program, opset)
    assert {known.domain: known.version for known in model.opset_import} == {"": opset}
    assert model.ir_version == ir_version
    x = {"input": rows(7, 3).numpy()}
    assert_same(load_onnx(serialized(model))(x), program.run(x))


def test_an_opset_that_cannot_be_written(made: Made) -> None:
    with pytest.raises(
        ExportError, match=r"in opset 99; choose a lower one with --opset \(opset=...\): \d+ works$"
    ) as raised:
        onnx_model(made.program, 99)
    works = int(str(raised.value).split()[-2])
    assert onnx_model(made.program, works).opset_import[0].version == works


@torch.library.custom_op("edge_predict_tests::doubled", mutates_args=())
def doubled(x: Tensor) -> Tensor:
    """An operation that ONNX does not have."""
    return x * 2


doubled.register_fake(torch.empty_like)


def test_an_operation_of_ones_own() -> None:
    def in_onnx(x: Any) -> Any:
        return opset18.Add(x, x)

    program = capture(layer(lambda self, x: doubled(self.layer(x))), rows())
    with pytest.raises(ExportError, match=r"ONNX has no counterpart of the operation edge_predict_tests\.doubled"):
        onnx_model(program)
    table = {torch.ops.edge_predict_tests.doubled.default: in_onnx}
    x = {"x": rows(7, 3).numpy()}
    assert_same(load_onnx(serialized(onnx_model(program, custom_translation_table=table)))(x), program.run(x))


def test_outputs_named_like_values_within_the_graph() -> None:
    def forward(self: Any, x: Tensor) -> dict[str, Tensor]:
        y = torch.relu(self.layer(x))
        return {"relu": torch.cond(x.sum() > 0, lambda v: v.sin(), lambda v: v.cos(), (y,)), "linear": y, "same": y}

    program = capture(layer(forward), rows())
    assert program.outputs == ("relu", "linear", "same")
    for x in (rows(), -rows(), rows().abs()):
        assert_same(in_file(program)({"x": x.numpy()}), program.run({"x": x.numpy()}))


def test_a_file_that_fails_on_what_the_module_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(layer(lambda self, x: x * 2), rows())
    run = load_onnx(onnx_bytes(program))
    monkeypatch.setattr(Predictor, "run", failing)
    with pytest.raises(ExportError) as raised:
        run({"x": np.ones((2, 3), np.float32)})
    assert str(raised.value).startswith(
        "ONNX Runtime fails on what was made of this module, for inputs of the shapes [2, 3], which the module takes: "
    )
    assert "\n" not in str(raised.value)


def failing(self: Predictor, tensors: object) -> None:
    raise InferenceFailed("no\nkernel")
