"""The user's own module and its weights: --module, --example and --dynamic."""

import hashlib
import json
import pickle
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edge_export import ExportError
from edge_export.cli.command import main
from edge_export.inputs.model_files import load_program
from edge_runtime import Predictor

Command = Callable[..., Any]

# What stands in a file that the user has beside the weights.
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
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The name of a module in the current folder, beside model.pt and rows.npz, that no other test imports."""
    name = f"net_{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *sys.path])
    Path(f"{name}.py").write_text(NET)
    torch.manual_seed(0)
    torch.save(import_module(name).Net().state_dict(), "model.pt")
    np.savez("rows.npz", ids=np.arange(12).reshape(3, 4) % 20, scale=np.full((3, 1), 2, dtype=np.float32))
    return name


def refused(factory: str, dynamic: Any = None) -> str:
    """What is said of model.pt and rows.npz, in one line."""
    with pytest.raises(ExportError) as raised:
        load_program(Path("model.pt"), factory, Path("rows.npz"), dynamic)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_a_module_of_a_file_in_this_folder(command: Command, net: str) -> None:
    options = ["--module", f"{net}:small", "--example", "rows.npz", "--format", "onnx", "--dynamic", "ids=batch,length"]
    result = command(main, "model.pt", *options)
    assert (result.code, result.err) == (0, "")
    predictor = Predictor(Path("model.onnx"), verify=True)
    assert [(spec.name, spec.shape) for spec in predictor.inputs] == [
        ("ids", ("batch", "length")),
        ("scale", ("batch", 1)),
    ]
    module = import_module(net).Net()
    module.load_state_dict(torch.load("model.pt"))
    ids, scale = torch.tensor([[3, 19], [0, 7]]), torch.tensor([[1.5], [-2.0]])
    with torch.no_grad():
        expected = module(ids, scale)
    found = predictor.run({"ids": ids.numpy(), "scale": scale.numpy()})["output"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_checkpoint_of_a_trainer(command: Command, net: str) -> None:
    module = import_module(net).Net()
    state = nn.DataParallel(module).state_dict()
    torch.save({"epoch": np.int64(3), "state_dict": state, "folder": Path("data")}, "last.ckpt")
    options = ["--module", f"{net}:small", "--example", "rows.npz", "--format", "onnx"]
    result = command(main, "last.ckpt", *options)
    said = "last.ckpt: the weights are under 'state_dict', and all keys begin with 'module.'\n"
    assert (result.code, result.err) == (0, said)
    ids, scale = np.array([[3, 19, 0, 7]]), np.ones((1, 1), np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(ids), torch.from_numpy(scale))
    found = Predictor(Path("last.onnx")).run({"ids": ids, "scale": scale})["output"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_weights_in_several_files(command: Command, net: str) -> None:
    torch.save(torch.load("model.pt"), "part.bin")
    weight_map = dict.fromkeys(torch.load("model.pt"), "part.bin")
    Path("model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    options = ["--module", f"{net}:small", "--example", "rows.npz", "--format", "onnx"]
    assert command(main, "model.bin.index.json", *options).err == ""
    content = Path("model.bin.index.json").read_bytes() + Path("part.bin").read_bytes()
    certificate = Predictor(Path("model.onnx"), verify=True).certificate
    assert certificate is not None
    assert certificate.hashes["checkpoint"] == hashlib.sha256(content).hexdigest()


def test_hashes_of_what_was_exported(net: str) -> None:
    program, hashes = load_program(Path("model.pt"), f"{net}:small", Path("rows.npz"))
    assert hashes == {"checkpoint": hashlib.sha256(Path("model.pt").read_bytes()).hexdigest()}
    assert [spec.shape for spec in program.inputs] == [("batch", 4), ("batch", 1)]
    np.testing.assert_array_equal(program.example["ids"], np.arange(12).reshape(3, 4))


def test_the_current_folder_is_looked_in_by_the_command_too(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [folder for folder in sys.path if folder])
    monkeypatch.delitem(sys.modules, net)
    load_program(Path("model.pt"), f"{net}:small", Path("rows.npz"))
    assert sys.path[0] == ""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("NET", "'NET' does not name a module; write it as package.module:name"),
        ("NET:", "does not name a module"),
        ("NET:missing", "NET has no missing"),
        ("no_such_module:small", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("NET:fails", "cannot be made: ValueError: no (at "),
        ("NET:wants", "missing 1 required positional argument: 'width'"),
        ("NET:ends", "cannot be made: SystemExit: 2"),
        ("NET:nothing", "'int' object is not callable"),
        ("NET:gives_text", "gives str, not a torch.nn.Module"),
        (
            "NET:large",
            "model.pt does not fit the module: the shape of head.weight is [3, 4] in the file and [5, 4] in the module",
        ),
        ("torch.nn:Identity", "model.pt does not fit the module, which has no weights; the file has embedding.weight"),
    ],
)
def test_factories_that_make_nothing(net: str, factory: str, message: str) -> None:
    assert message.replace("NET", net) in refused(factory.replace("NET", net))


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path("ran"),)


def with_payload(path: Path) -> None:
    torch.save({"embedding.weight": Payload()}, path)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def text_file(path: Path) -> None:
    path.write_text("not a state_dict")


def empty_file(path: Path) -> None:
    path.write_bytes(b"")


def without_a_key(path: Path) -> None:
    state = torch.load(path)
    del state["head.bias"]
    torch.save(state, path)


def with_another_key(path: Path) -> None:
    torch.save({**torch.load(path), "tail.bias": torch.zeros(3)}, path)


def of_a_large_module(path: Path) -> None:
    torch.save({f"layers.{place}.weight": torch.zeros(1) for place in range(500)}, path)


def one_tensor(path: Path) -> None:
    torch.save(torch.zeros(3), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_payload, "model.pt holds no weights; its keys are embedding.weight; save them with torch.save"),
        (pickled, "model.pt holds no weights; save them with torch.save(module.state_dict(), ...)"),
        (text_file, "is not a file of weights, or a damaged one; save one with torch.save"),
        (empty_file, "is not a file of weights"),
        (without_a_key, "does not fit the module: 1 of 3 keys is missing: head.bias"),
        (with_another_key, "1 of 4 keys is not the module's: tail.bias"),
        (of_a_large_module, "does not fit the module, which has embedding.weight, head.weight, head.bias; the file"),
        (one_tensor, "holds no weights; save them with"),
        (lambda path: path.unlink(), "model.pt: no such file"),
    ],
)
def test_weights_that_cannot_be_taken(net: str, make: Callable[[Path], None], message: str) -> None:
    make(Path("model.pt"))
    found = refused(f"{net}:small")
    assert found.startswith("model.pt")
    assert message in found
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "rows.npz holds nothing; the module's forward takes ids, scale"),
        ({"ids": np.zeros((3, 4), dtype=np.int64)}, "holds ids; the module's forward takes ids, scale"),
        ({"ids": np.zeros((3, 4)), "scale": np.ones(3), "more": np.ones(3)}, "holds ids, scale, more; the module's"),
        (
            {"ids": np.zeros((3, 4), dtype=np.int64), "scale": np.ones((3, 1), "F")},
            "the input scale is torch.complex64",
        ),
        ({"ids": np.zeros((3, 4), dtype=np.float32), "scale": np.ones((3, 1), np.float32)}, "fails on the example"),
        ({"ids": np.full((3, 4), 20), "scale": np.ones((3, 1), np.float32)}, "IndexError: index out of range"),
        (
            {"ids": np.array([["a"]]), "scale": np.ones((1, 1), np.float32)},
            "rows.npz: ids is <U1; torch has no",
        ),
        ({"ids": np.zeros((3, 4), dtype=np.int64), "scale": np.ones((2, 1), np.float32)}, "the dimension batch has"),
        (
            {"ids": np.array([[None]], dtype=object), "scale": np.ones(3)},
            "rows.npz cannot be read without running",
        ),
    ],
)
def test_examples_that_do_not_fit(net: str, rows: dict[str, Any], message: str) -> None:
    np.savez("rows.npz", **rows)
    assert message in refused(f"{net}:small")


@pytest.mark.parametrize(
    ("dynamic", "message"),
    [
        ({"idz": ["batch"]}, "no input is named idz; the inputs are ids, scale; did you mean 'ids'?"),
        ({"ids": ["batch", "length", "depth"]}, "ids has 2 axes, and 3 are named"),
        ({"scale": ["batch", "width"]}, "fails on the example inputs, when width is 2 in place of 1: RuntimeError"),
    ],
)
def test_dynamic_axes_that_cannot_be(net: str, dynamic: dict[str, list[str]], message: str) -> None:
    assert message in refused(f"{net}:small", dynamic)


def test_a_module_needs_an_example(net: str) -> None:
    with pytest.raises(ExportError, match=r"--module needs --example, an \.npz file"):
        load_program(Path("model.pt"), f"{net}:small")
