import hashlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from edge_export import ExportError
from edge_export.cli.command import main
from edge_export.inputs.model_files import load_program
from edge_runtime import Predictor, Signature
from edge_runtime.cli.command import main as predict
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Feature, Input
from edge_train import NeuralNet, save_checkpoint

Command = Callable[..., Any]

SIGNATURE = Signature(
    inputs=(Input("x", (Feature("width"), Feature("height"))),), output="probability", labels=("no", "yes")
)

# What stands in a file that a person has beside the weights.
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.embedding, self.head = nn.Embedding(20, 4), nn.Linear(4, classes)

    def forward(self, ids, scale):
        return self.head(self.embedding(ids).mean(1)) * scale

def small(): return Net()
def large(): return Net(5)
def fails(): raise ValueError("no\\nweights")
def wants(width): return Net(width)
def ends(): raise SystemExit(2)
nothing = 3
def gives_text(): return "text"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """The current folder, with a module in it of a name that no other test imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    Path(f"{module_name(request)}.py").write_text(NET)
    return tmp_path


def module_name(request: pytest.FixtureRequest) -> str:
    return f"net_{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"


@pytest.fixture
def net(folder: Path, request: pytest.FixtureRequest) -> str:
    """The name of the module, beside model.pt and rows.npz."""
    name = module_name(request)
    __import__("sys").path.insert(0, "")
    torch.manual_seed(0)
    torch.save(__import__(name).Net().state_dict(), "model.pt")
    np.savez("rows.npz", ids=np.arange(12).reshape(3, 4) % 20, scale=np.full((3, 1), 2, dtype=np.float32))
    return name


def save(module: nn.Module, path: Path, shapes: Any = None, signature: Signature | None = None, width: int = 2) -> None:
    exported = torch.export.export(module.eval(), (torch.randn(4, width),), dynamic_shapes=shapes)
    torch.export.save(exported, path, extra_files={} if signature is None else {SIGNATURE_KEY: signature.to_json()})


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.layer(x))


# ------------------------------------------------------------------------------------------------- torch.export files


def test_a_saved_program(command: Command, tmp_path: Path) -> None:
    module = Plain()
    save(module, tmp_path / "model.pt2", ({0: Dim("rows")},))
    result = command(main, tmp_path / "model.pt2", "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert f"wrote {tmp_path / 'model.onnx'}" in result.out
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    assert [spec.shape for spec in predictor.inputs] == [("batch", 2)]
    assert predictor.signature is None
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(predictor.run({"x": x})["output"], module(torch.from_numpy(x)), atol=1e-6)


def test_a_saved_program_of_fixed_size(command: Command, tmp_path: Path) -> None:
    save(Plain(), tmp_path / "model.pt2")
    result = command(main, tmp_path / "model.pt2", "--format", "onnx", "--output", tmp_path / "there")
    assert (result.code, result.err) == (0, "")
    predictor = Predictor(tmp_path / "there" / "model.onnx", verify=True)
    assert [spec.shape for spec in predictor.inputs] == [(4, 2)]


def test_a_saved_program_with_a_signature(command: Command, tmp_path: Path) -> None:
    save(Plain(), tmp_path / "model.pt2", ({0: Dim("rows")},), SIGNATURE)
    assert command(main, tmp_path / "model.pt2", "--format", "onnx").code == 0
    predictor = Predictor(tmp_path / "model.onnx", verify=True)
    assert predictor.signature == SIGNATURE
    result = command(predict, tmp_path / "model.onnx", 0.5, -1)
    assert result.code == 0
    assert result.out.startswith(("label no", "label yes"))


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("{", "the signature"),
        (Signature(SIGNATURE.inputs, "probability", ("no", "yes")).to_json().replace("width", "x"), None),
        (Signature((Input("y", SIGNATURE.features),), "probability", ("a", "b")).to_json(), "the signature describes"),
        (Signature((Input("x", SIGNATURE.features[:1]),), "probability", ("a", "b")).to_json(), "describes"),
    ],
)
def test_a_signature_must_describe_the_program(
    command: Command, tmp_path: Path, signature: str, message: str | None
) -> None:
    exported = torch.export.export(Plain().eval(), (torch.randn(4, 2),), dynamic_shapes=({0: Dim("rows")},))
    torch.export.save(exported, tmp_path / "model.pt2", extra_files={SIGNATURE_KEY: signature})
    result = command(main, tmp_path / "model.pt2", "--format", "onnx")
    assert result.code == (0 if message is None else 1)
    if message is not None:
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


def make_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text_file, "is no program of torch.export"),
        (empty_file, "is no program of torch.export"),
        (damaged, "is no program of torch.export"),
        (other_archive, "is no program of torch.export"),
        (checkpoint, "is no program of torch.export"),
        (make_folder, "cannot be read: Is a directory"),
        (lambda path: None, "cannot be read: No such file or directory"),
    ],
)
def test_files_that_are_no_programs(
    command: Command, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "model.pt2"
    make(path)
    result = command(main, path)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {path} {message}")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("make", [text_file, damaged, checkpoint])
def test_torch_says_nothing_besides(
    tmp_path: Path, make: Callable[[Path], None], capfd: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "model.pt2")
    with pytest.raises(ExportError):
        load_program(tmp_path / "model.pt2")
    assert capfd.readouterr() == ("", "")


def test_a_saved_program_that_torch_refuses_later(command: Command, tmp_path: Path) -> None:
    exported = torch.export.export(nn.Dropout().train(), (torch.randn(4, 2),))
    torch.export.save(exported, tmp_path / "model.pt2")
    result = command(main, tmp_path / "model.pt2")
    assert (result.code, result.out) == (1, "")
    assert "it draws random numbers" in result.err
    assert result.err.count("\n") == 1


# ---------------------------------------------------------------------------------------------- somebody's own module


def test_a_module_of_a_file_in_this_folder(command: Command, folder: Path, net: str) -> None:
    result = command(
        main,
        "model.pt",
        "--module",
        f"{net}:small",
        "--example",
        "rows.npz",
        "--format",
        "onnx",
        "--dynamic",
        "ids=batch,length",
    )
    assert (result.code, result.err) == (0, "")
    predictor = Predictor(folder / "model.onnx", verify=True)
    assert [(spec.name, spec.shape) for spec in predictor.inputs] == [
        ("ids", ("batch", "length")),
        ("scale", ("batch", 1)),
    ]
    module = __import__(net).Net()
    module.load_state_dict(torch.load("model.pt"))
    ids, scale = torch.tensor([[3, 19], [0, 7]]), torch.tensor([[1.5], [-2.0]])
    with torch.no_grad():
        expected = module(ids, scale)
    found = predictor.run({"ids": ids.numpy(), "scale": scale.numpy()})["output"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_hashes_of_what_was_exported(folder: Path, net: str) -> None:
    program, hashes = load_program(Path("model.pt"), f"{net}:small", Path("rows.npz"))
    assert hashes == {"checkpoint": hashlib.sha256(Path("model.pt").read_bytes()).hexdigest()}
    assert [spec.shape for spec in program.inputs] == [("batch", 4), ("batch", 1)]
    np.testing.assert_array_equal(program.example["ids"], np.arange(12).reshape(3, 4))
    save_checkpoint(NeuralNet(2, 5), folder / "ours.pt")
    program, hashes = load_program(folder / "ours.pt")
    assert hashes["checkpoint"] == hashlib.sha256((folder / "ours.pt").read_bytes()).hexdigest()
    assert program.signature is not None


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("NET", "'NET' names no module; write it as package.module:name"),
        ("NET:", "names no module"),
        ("NET:missing", "has no attribute 'missing'"),
        ("no_such_module:small", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("NET:fails", "cannot be made: ValueError: no (at "),
        ("NET:wants", "missing 1 required positional argument: 'width'"),
        ("NET:ends", "cannot be made: SystemExit: 2"),
        ("NET:nothing", "'int' object is not callable"),
        ("NET:gives_text", "gives str, not a torch.nn.Module"),
        ("NET:large", "model.pt does not fit the module: Error(s) in loading state_dict for Net: size mismatch"),
        ("torch.nn:Identity", "model.pt does not fit the module: Error(s) in loading state_dict"),
    ],
)
def test_factories_that_make_nothing(command: Command, net: str, factory: str, message: str) -> None:
    result = command(main, "model.pt", "--module", factory.replace("NET", net), "--example", "rows.npz")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: ")
    assert message.replace("NET", net) in result.err
    assert result.err.count("\n") == 1
    assert len(result.err) < 1000
    assert not Path("model.onnx").exists()


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path("ran"),)


def with_payload(path: Path) -> None:
    torch.save({"embedding.weight": Payload()}, path)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def whole_module(path: Path) -> None:
    torch.save(Plain(), path)


def without_a_key(path: Path) -> None:
    state = torch.load(path)
    del state["head.bias"]
    torch.save(state, path)


def with_another_key(path: Path) -> None:
    torch.save({**torch.load(path), "tail.bias": torch.zeros(3)}, path)


def of_a_large_module(path: Path) -> None:
    torch.save({f"layers.{place}.weight": torch.zeros(1) for place in range(500)}, path)


def nested(path: Path) -> None:
    torch.save({"model": torch.load(path), "epoch": 3}, path)


def one_tensor(path: Path) -> None:
    torch.save(torch.zeros(3), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_payload, "is no state_dict that can be read without running code from it"),
        (pickled, "is no state_dict that can be read without running code from it"),
        (whole_module, "is no state_dict that can be read without running code from it"),
        (text_file, "is no state_dict"),
        (empty_file, "is no state_dict"),
        (without_a_key, "does not fit the module: Error(s) in loading state_dict for Net: Missing key(s)"),
        (with_another_key, 'Unexpected key(s) in state_dict: "tail.bias"'),
        (nested, "does not fit the module"),
        (of_a_large_module, "does not fit the module: Error(s) in loading state_dict for Net: Missing key(s)"),
        (one_tensor, "does not fit the module"),
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
    ],
)
def test_weights_that_cannot_be_taken(command: Command, net: str, make: Callable[[Path], None], message: str) -> None:
    make(Path("model.pt"))
    result = command(main, "model.pt", "--module", f"{net}:small", "--example", "rows.npz")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: model.pt ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert len(result.err) < 500
    assert not Path("ran").exists()
    assert not Path("model.onnx").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "missing a required argument: 'ids'"),
        ({"ids": np.zeros((3, 4), dtype=np.int64)}, "missing a required argument: 'scale'"),
        ({"ids": np.zeros((3, 4)), "scale": np.ones(3), "more": np.ones(3)}, "do not fit the module's forward"),
        ({"ids": np.zeros((3, 4), dtype=np.int64), "scale": np.ones((3, 1))}, "the input scale is torch.float64"),
        ({"ids": np.zeros((3, 4), dtype=np.float32), "scale": np.ones((3, 1), np.float32)}, "fails on the example"),
        ({"ids": np.full((3, 4), 20), "scale": np.ones((3, 1), np.float32)}, "IndexError: index out of range"),
        ({"ids": np.array([["a"]]), "scale": np.ones((1, 1), np.float32)}, "rows.npz: ids is <U1"),
        ({"ids": np.zeros((3, 4), dtype=np.int64), "scale": np.ones((2, 1), np.float32)}, "the dimension batch has"),
        ({"ids": np.array([[None]], dtype=object), "scale": np.ones(3)}, "rows.npz is no .npz file"),
    ],
)
def test_examples_that_do_not_fit(command: Command, net: str, rows: dict[str, Any], message: str) -> None:
    np.savez("rows.npz", **rows)
    result = command(main, "model.pt", "--module", f"{net}:small", "--example", "rows.npz")
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("dynamic", "code", "message"),
    [
        ("ids", 2, "--dynamic ids: write it as name=axis,axis"),
        ("=batch", 2, "write it as name=axis,axis"),
        ("idz=batch", 1, "no input is named idz; there are ids, scale"),
        ("ids=batch,length,depth", 1, "ids has 2 axes, and 3 are named"),
        ("ids=batch,2", 1, "'2' is no name for an axis of ids"),
        ("scale=batch,width", 1, "fails on the example inputs, when width is 2 in place of 1: RuntimeError"),
    ],
)
def test_dynamic_axes_that_cannot_be(command: Command, net: str, dynamic: str, code: int, message: str) -> None:
    arguments = ("--module", f"{net}:small", "--example", "rows.npz", "--format", "onnx", "--dynamic", dynamic)
    result = command(main, "model.pt", *arguments)
    assert (result.code, result.out) == (code, "")
    assert message in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [("--example", "rows.npz"), ("--dynamic", "ids=batch"), ("--module", "net:Net")])
def test_options_that_go_together(command: Command, net: str, arguments: tuple[str, ...]) -> None:
    result = command(main, "model.pt", *arguments)
    assert result.code == 2
    assert "--module" in result.err
    assert result.err.count("\n") == 1
