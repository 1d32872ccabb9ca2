import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from edge_export.capture.capture import capture
from edge_export.errors import ExportError
from edge_export.formats.torchscript_file import torchscript_bytes
from edge_runtime import Signature
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_train import NeuralNet, save_checkpoint


@pytest.fixture(scope="module")
def model() -> NeuralNet:
    torch.manual_seed(0)
    return NeuralNet(2, 5).eval()


@pytest.fixture(scope="module")
def content(model: NeuralNet) -> bytes:
    return torchscript_bytes(capture(model, torch.zeros(2, 2)))


def test_any_batch_and_the_signature(model: NeuralNet, content: bytes) -> None:
    extra = {SIGNATURE_KEY: ""}
    loaded = torch.jit.load(io.BytesIO(content), _extra_files=extra)
    assert Signature.from_json(extra[SIGNATURE_KEY]) == model.signature
    for batch in (0, 1, 2, 37):
        x = torch.randn(batch, 2)
        assert torch.equal(loaded(x), model(x))


def test_no_path_of_this_machine(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for path in (str(Path.cwd()), str(Path.home()), "site-packages", str(Path(torch.__file__).parent)):
        assert path.encode() not in everything


def test_same_model_same_bytes_in_another_process(model: NeuralNet, tmp_path: Path) -> None:
    save_checkpoint(model, tmp_path / "model.pt")
    script = """
import hashlib, sys
from pathlib import Path
from edge_export.errors import ExportError
from edge_export.capture.capture import capture
from edge_export.formats.torchscript_file import torchscript_bytes
from edge_export.inputs.model_files import load_program
print(hashlib.sha256(torchscript_bytes(load_program(Path(sys.argv[1]))[0])).hexdigest())
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model.pt")]
    printed = [subprocess.run(command, capture_output=True, check=True, cwd=tmp_path).stdout for _ in range(2)]
    assert printed[0] == printed[1]
    assert len(printed[0]) == 65


def test_what_torchscript_cannot_hold_is_one_error() -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cond(x.sum() > 0, lambda v: v.clone(), lambda v: v * 2, (x,))

    with pytest.raises(ExportError, match="TorchScript cannot hold this module"):
        torchscript_bytes(capture(Branching(), torch.ones(2, 2)))
