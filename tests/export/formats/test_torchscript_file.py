"""The TorchScript file: any batch, the signature beside the module, and nothing of the machine that made it."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exports import from_torchscript, the_one
from layers import layer, rows
from torch import Tensor

from edge_export import Export
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.errors import ExportError
from edge_export.formats.torchscript_file import load_torchscript, torchscript_bytes
from edge_runtime import Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_train import NeuralNet, save_checkpoint


@pytest.fixture(scope="module")
def model() -> NeuralNet:
    torch.manual_seed(0)
    return NeuralNet(2, 5).eval()


@pytest.fixture(scope="module")
def program(model: NeuralNet) -> Program:
    return capture(model, torch.zeros(2, 2))


@pytest.fixture(scope="module")
def content(program: Program) -> bytes:
    return torchscript_bytes(program)


def test_any_batch_and_the_signature(model: NeuralNet, content: bytes) -> None:
    extra = {SIGNATURE_KEY: ""}
    loaded = from_torchscript(content, extra)
    assert Signature.from_json(extra[SIGNATURE_KEY]) == model.signature
    for batch in (0, 1, 2, 37):
        x = torch.randn(batch, 2)
        assert torch.equal(loaded(x), model(x))


def test_it_runs_as_the_program_does(program: Program, content: bytes) -> None:
    x = {"x": rows(7, 2).numpy()}
    found = load_torchscript(content, program)(x)
    assert list(found) == ["probability"]
    np.testing.assert_array_equal(found["probability"], program.run(x)["probability"])


def test_it_takes_codes(table: Program, table_exports: list[Export]) -> None:
    """TorchScript has no strings."""
    content = the_one(table_exports, "torchscript").content
    codes = {"x": np.full((2, 5), np.nan, np.float32), "text": np.array([[7, 4, 4], [0, 1, 2]])}
    found = load_torchscript(content, table)(codes)["probability"]
    np.testing.assert_allclose(found, table.run(codes)["probability"], atol=1e-6)


def test_no_path_of_this_machine(content: bytes) -> None:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for path in (str(Path.cwd()), str(Path.home()), "site-packages", str(Path(torch.__file__).parent)):
        assert path.encode() not in everything


@pytest.mark.slow
def test_same_model_same_bytes_in_another_process(model: NeuralNet, tmp_path: Path) -> None:
    save_checkpoint(model, tmp_path / "model.pt")
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.formats.torchscript_file import torchscript_bytes
from edge_export.inputs.model_files import load_program
print(hashlib.sha256(torchscript_bytes(load_program(Path(sys.argv[1]))[0])).hexdigest())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.pt")]
    printed = [subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout for _ in range(2)]
    assert printed[0] == printed[1]
    assert len(printed[0]) == 65


def test_keyword_arguments() -> None:
    def shifted(self: object, x: Tensor, *, shift: Tensor) -> Tensor:
        return x - shift

    program = capture(layer(shifted), {"x": rows(), "shift": rows()})
    with pytest.raises(ExportError, match="its forward does not take shift both by position and by name"):
        torchscript_bytes(program)
    by_name = capture(layer(lambda self, x, shift: x - shift), {"shift": rows(), "x": 2 * rows()})
    found = load_torchscript(torchscript_bytes(by_name), by_name)(by_name.example)
    np.testing.assert_allclose(found["output"], rows().numpy())


def test_an_optional_argument_in_the_middle_is_not_given() -> None:
    def shifted(self: object, x: Tensor, scale: Tensor | None = None, shift: Tensor | float = 0.0) -> Tensor:
        return (x if scale is None else x * scale) - shift

    program = capture(layer(shifted), {"x": 3 * rows(), "shift": rows()})
    found = load_torchscript(torchscript_bytes(program), program)(program.example)
    np.testing.assert_array_equal(found["output"], program.run(program.example)["output"])


def test_what_torchscript_cannot_hold_is_one_error() -> None:
    def branch(self: object, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda v: v.clone(), lambda v: v * 2, (x,))

    with pytest.raises(ExportError, match=r"^TorchScript cannot hold this module: ") as raised:
        torchscript_bytes(capture(layer(branch), torch.ones(2, 2)))
    assert "\n" not in str(raised.value)


def test_a_size_that_tracing_fixed_is_said() -> None:
    program = capture(layer(lambda self, x: x * 2), rows(4, 3))
    fixed = torchscript_bytes(capture(layer(lambda self, x: x.reshape(4, 3)), rows(4, 3), {"x": ()}))
    with pytest.raises(ExportError, match=r"it fails on inputs of the shapes \[2, 3\]: ") as raised:
        load_torchscript(fixed, program)({"x": rows(2, 3).numpy()})
    assert "\n" not in str(raised.value)
