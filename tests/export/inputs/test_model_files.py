"""Files that hold a whole program: checkpoints of edge-train, and what torch.export.save writes."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from table_module import OnlyNumbers, OnlyStrings, Table, TableModule
from tiers import mostly_slow
from torch import Tensor, nn
from torch.export import Dim

from edge_export import ExportError
from edge_export.capture.program import Program
from edge_export.capture.quiet import quiet
from edge_export.cli.command import main
from edge_export.inputs import model_files
from edge_export.inputs.model_files import load_program
from edge_runtime import Predictor, Signature
from edge_runtime.cli.command import main as predict
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Feature, Input
from edge_train import CheckpointError, NeuralNet, save_checkpoint

Command = Callable[..., Any]

SIGNATURE = Signature(
    inputs=(Input("x", (Feature("width"), Feature("height"))),), output="probability", labels=("no", "yes")
)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(x))


def save(module: nn.Module, path: Path, shapes: Any = None, signature: str | None = None) -> None:
    exported = torch.export.export(module.eval(), (torch.randn(4, 2),), dynamic_shapes=shapes)
    torch.export.save(exported, path, extra_files={} if signature is None else {SIGNATURE_KEY: signature})


def shapes(program: Program) -> list[tuple[int | str, ...]]:
    return [spec.shape for spec in program.inputs]


# ---------------------------------------------------------------------------------------------------------- checkpoints


def test_a_checkpoint_of_the_example(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(NeuralNet(2, 5), path)
    program, hashes = load_program(path)
    assert hashes == {"checkpoint": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert shapes(program) == [("batch", 2)]
    assert program.signature is not None


def test_the_users_own_weights_of_the_example(tmp_path: Path) -> None:
    torch.manual_seed(0)
    parts = nn.ModuleDict({"linear_1": nn.Linear(3, 4), "linear_2": nn.Linear(4, 1)})
    torch.save(parts.state_dict(), tmp_path / "theirs.pt")
    program, _ = load_program(tmp_path / "theirs.pt")
    row = torch.tensor([[0.5, -1.0, 2.0]])
    with torch.no_grad():
        expected = torch.sigmoid(parts["linear_2"](torch.relu(parts["linear_1"](row))))
    np.testing.assert_allclose(program.run({"x": row.numpy()})["probability"], expected, atol=1e-6)
    assert program.signature is not None
    assert [feature.name for feature in program.signature.features] == ["x1", "x2", "x3"]


@pytest.mark.parametrize("kind", mostly_slow([Table, OnlyStrings, OnlyNumbers], [OnlyStrings]))
def test_a_checkpoint_of_a_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[TableModule]) -> None:
    module = kind()
    module.data_sha256 = "0" * 64  # type: ignore[assignment]
    monkeypatch.setattr(model_files, "load_checkpoint", lambda *_: module)
    (tmp_path / "model.pt").write_bytes(b"")
    program, hashes = load_program(tmp_path / "model.pt")
    assert program.signature == module.signature
    assert hashes == {"checkpoint": hashlib.sha256(b"").hexdigest(), "training_data": "0" * 64}
    assert [spec.dtype.kind for spec in program.inputs] == [
        "i" if tensor.holds_strings else "f" for tensor in module.signature.inputs
    ]


def test_weights_of_another_module_lead_to_the_option_that_takes_them(command: Command, tmp_path: Path) -> None:
    torch.save(Plain().state_dict(), tmp_path / "mine.pt")
    found = command(main, tmp_path / "mine.pt")
    assert found.code == 1
    assert found.err.count("\n") == 1
    assert "but has layer.bias, layer.weight; for a module of your own" in found.err
    assert found.err.endswith("--module package.module:name --example example.npz\n")


def whole_module(path: Path) -> None:
    torch.save(Plain(), path)


def whole_module_in_a_dictionary(path: Path) -> None:
    torch.save({"epoch": 3, "model": Plain()}, path)


def with_a_numpy_scalar(path: Path) -> None:
    torch.save({"loss": np.float64(0.5), "state_dict": Plain().state_dict()}, path)


def in_a_dictionary(path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": Plain().state_dict()}, path)


def safetensors_file(path: Path) -> None:
    save_file(Plain().state_dict(), path)


def torchscript_file(path: Path) -> None:
    with quiet():
        torch.jit.save(torch.jit.script(Plain()), path)


WHOLE = f"holds the weights of a whole module ({__name__}.Plain), which is not made; name what makes it and the file"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (whole_module, WHOLE),
        (whole_module_in_a_dictionary, WHOLE),
        (with_a_numpy_scalar, "holds the weights of a module; name what makes it and the file of an example: --module"),
        (in_a_dictionary, "but has epoch, state_dict; for a module of your own, name what makes it and the file"),
        (safetensors_file, "holds the weights of a module; name what makes it and the file of an example: --module"),
        (torchscript_file, "is a TorchScript file; save its weights by themselves, with torch.save(torch.jit.load("),
    ],
)
@pytest.mark.parametrize("name", ["resnet.pth", "model.bin"])
def test_a_file_without_its_module_leads_to_what_is_needed(
    tmp_path: Path, name: str, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(ExportError) as raised:
        load_program(tmp_path / name)
    assert str(raised.value).startswith(str(tmp_path / name))
    assert message in str(raised.value)
    assert "--module" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_saved_program_by_another_name(tmp_path: Path) -> None:
    save(Plain(), tmp_path / "model.pt2")
    (tmp_path / "model.pt2").rename(tmp_path / "model.pt")
    assert shapes(load_program(tmp_path / "model.pt")[0]) == [(4, 2)]


def test_errors_are_of_the_one_tree(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("text")
    for name, message in (("nowhere.pt", "no such file"), ("text.pt", "not a checkpoint")):
        with pytest.raises(CheckpointError, match=message):
            load_program(tmp_path / name)


# ------------------------------------------------------------------------------------------------- torch.export's files


def test_a_saved_program(tmp_path: Path) -> None:
    module, path = Plain(), tmp_path / "model.pt2"
    save(module, path, ({0: Dim("rows")},))
    program, hashes = load_program(path)
    assert hashes == {"checkpoint": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert (shapes(program), program.signature) == ([("batch", 2)], None)
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(program.run({"x": x})["output"], module(torch.from_numpy(x)), atol=1e-6)


@pytest.mark.slow
def test_a_saved_program_of_fixed_size(command: Command, tmp_path: Path) -> None:
    save(Plain(), tmp_path / "model.pt2")
    result = command(main, tmp_path / "model.pt2", "--format", "onnx", "--output", tmp_path / "there")
    assert (result.code, result.err) == (0, "")
    predictor = Predictor(tmp_path / "there" / "model.onnx", verify=True)
    assert [spec.shape for spec in predictor.inputs] == [(4, 2)]


def test_a_saved_program_with_a_signature(command: Command, tmp_path: Path) -> None:
    save(Plain(), tmp_path / "model.pt2", ({0: Dim("rows")},), SIGNATURE.to_json())
    assert command(main, tmp_path / "model.pt2", "--format", "onnx").code == 0
    assert Predictor(tmp_path / "model.onnx", verify=True).signature == SIGNATURE
    result = command(predict, tmp_path / "model.onnx", 0.5, -1)
    assert result.code == 0
    assert result.out.startswith(("label no", "label yes"))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("{", "the signature"),
        (Signature((Input("y", SIGNATURE.features),), "probability", ("a", "b")).to_json(), "the signature describes"),
        (Signature((Input("x", SIGNATURE.features[:1]),), "probability", ("a", "b")).to_json(), "describes"),
    ],
)
def test_a_signature_that_does_not_describe_the_program(
    command: Command, tmp_path: Path, signature: str, message: str
) -> None:
    save(Plain(), tmp_path / "model.pt2", ({0: Dim("rows")},), signature)
    result = command(main, tmp_path / "model.pt2", "--format", "onnx")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "model.onnx").exists()


def text_file(path: Path) -> None:
    path.write_text("not a program")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def damaged(path: Path) -> None:
    save(Plain(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def other_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")


def checkpoint(path: Path) -> None:
    torch.save(Plain().state_dict(), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text_file, "is not a program of torch.export, or was saved by another torch version: "),
        (empty_file, "is not a program of torch.export"),
        (damaged, "is not a program of torch.export"),
        (other_archive, "is not a program of torch.export"),
        (checkpoint, "is not a program of torch.export"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (lambda path: None, ": no such file"),
    ],
)
def test_files_that_are_not_programs(
    tmp_path: Path, make: Callable[[Path], None], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pt2"
    make(path)
    with pytest.raises(ExportError) as raised:
        load_program(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    # torch says nothing besides.
    assert capfd.readouterr() == ("", "")


def test_a_saved_program_that_cannot_be_exported(command: Command, tmp_path: Path) -> None:
    exported = torch.export.export(nn.Dropout().train(), (torch.randn(4, 2),))
    torch.export.save(exported, tmp_path / "model.pt2")
    result = command(main, tmp_path / "model.pt2")
    assert (result.code, result.out) == (1, "")
    assert "it draws random numbers" in result.err
    assert result.err.count("\n") == 1
