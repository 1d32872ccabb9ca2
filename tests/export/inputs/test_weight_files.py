"""What kind a file of weights is of, and the tensors in it."""

import io
import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from edge_export import ExportError
from edge_export.inputs.weight_files import Kind, kind_of, read_contents, shards


def save_program(path: Path) -> None:
    content = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 1), (torch.ones(2, 2),)), content)
    path.write_bytes(content.getvalue())


def save_torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 1)), path)


def save_state(path: Path) -> None:
    torch.save(nn.Linear(2, 1).state_dict(), path)


def save_former(path: Path) -> None:
    torch.save(nn.Linear(2, 1).state_dict(), path, _use_new_zipfile_serialization=False)


def of_another_version(path: Path) -> None:
    """An archive whose directory asks for a newer zip than Python reads."""
    save_state(path)
    content = path.read_bytes()
    place = content.rindex(b"PK\1\2") + 6
    path.write_bytes(content[:place] + b"\xff" + content[place + 1 :])


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (save_program, Kind.EXPORTED),
        (save_torchscript, Kind.TORCHSCRIPT),
        (lambda path: save_file({"weight": torch.ones(1)}, path), Kind.SAFETENSORS),
        (save_state, Kind.OTHER),
        (save_former, Kind.OTHER),
        (lambda path: path.write_bytes(pickle.dumps({"weight": torch.ones(1)})), Kind.OTHER),
        (lambda path: path.write_text("text that is long enough"), Kind.OTHER),
        (lambda path: path.write_bytes(b""), Kind.OTHER),
        (lambda path: path.write_bytes(b"PK\x03\x04 and not a zip file"), Kind.OTHER),
        (of_another_version, Kind.OTHER),
        (lambda path: None, Kind.OTHER),
        (Path.mkdir, Kind.OTHER),
    ],
)
def test_the_content_tells_the_kind_and_not_the_name(tmp_path: Path, make: Callable[[Path], None], kind: Kind) -> None:
    path = tmp_path / "weights.bin"
    make(path)
    assert kind_of(path) == kind


def test_tensors_and_their_places(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    state = nn.Linear(2, 1).state_dict()
    torch.save({"epoch": 3, "state_dict": state, "callbacks": [{"best": torch.ones(2)}]}, path)
    contents = read_contents(path)
    assert [(one.path, one.key) for one in contents.saved] == [
        (("state_dict",), "weight"),
        (("state_dict",), "bias"),
        (("callbacks", "0"), "best"),
    ]
    assert contents.versions == {("state_dict",): {"": {"version": 1}}}
    assert contents.others == ["epoch", "state_dict", "callbacks"]
    assert torch.equal(contents.saved[0].value, state["weight"])


class Counted(nn.Module):
    """A module with every kind of what a module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(2, 2), nn.BatchNorm1d(2)])
        self.scale = nn.Parameter(torch.ones(2))
        self.nothing = nn.Linear(2, 2, bias=False)
        self.register_buffer("saved", torch.arange(2))
        self.register_buffer("not_saved", torch.arange(3), persistent=False)
        self.register_parameter("none", None)


@pytest.mark.parametrize("is_zip", [True, False])
def test_the_tensors_of_a_whole_module_are_those_of_its_state_dict(tmp_path: Path, is_zip: bool) -> None:
    path, module = tmp_path / "whole.pt", Counted()
    torch.save({"model": module}, path, _use_new_zipfile_serialization=is_zip)
    contents = read_contents(path)
    found = {one.key: one.value for one in contents.saved}
    assert found.keys() == module.state_dict().keys()
    assert all(torch.equal(found[key], tensor) for key, tensor in module.state_dict().items())
    assert contents.classes == {("model",): f"{__name__}.Counted"}


def test_what_refers_to_itself(tmp_path: Path) -> None:
    outer: dict[str, object] = {"weight": torch.ones(1)}
    outer["self"] = {"outer": outer}
    module = nn.Sequential(nn.Linear(2, 1))
    module[0].register_module("again", module)
    torch.save({"state": outer, "module": module}, tmp_path / "loop.pt")
    found = [(one.path, one.key) for one in read_contents(tmp_path / "loop.pt").saved]
    assert found[0] == (("state",), "weight")
    assert (("module",), "0.weight") in found


def test_dictionaries_in_dictionaries_without_end(tmp_path: Path) -> None:
    deep: object = {"weight": torch.ones(1)}
    for _ in range(200):
        deep = {"a": deep}
    torch.save({"deep": deep, "bias": torch.ones(1)}, tmp_path / "deep.pt")
    assert [one.key for one in read_contents(tmp_path / "deep.pt").saved] == ["bias"]


def sharded(folder: Path, file_name: str, save: Callable[[dict[str, torch.Tensor], Path], None]) -> Path:
    first, second = (Path(file_name).stem + f"-0000{number}" + Path(file_name).suffix for number in (1, 2))
    save({"weight": torch.ones(1, 2)}, folder / first)
    save({"bias": torch.zeros(1)}, folder / second)
    index = folder / f"{file_name}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": {"weight": first, "bias": second}}))
    return index


@pytest.mark.parametrize(("name", "save"), [("model.safetensors", save_file), ("pytorch_model.bin", torch.save)])
def test_weights_in_several_files(
    tmp_path: Path, name: str, save: Callable[[dict[str, torch.Tensor], Path], None]
) -> None:
    index = sharded(tmp_path, name, save)
    assert kind_of(index) == Kind.SHARDED
    assert [(one.path, one.key) for one in read_contents(index).saved] == [((), "weight"), ((), "bias")]
    shards(index)[1].unlink()
    with pytest.raises(ExportError, match=r"-00002\.\w+: no such file; did you mean"):
        read_contents(index)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": {"a": "../b"}}']
)
def test_what_is_not_an_index(tmp_path: Path, content: str) -> None:
    (tmp_path / "model.index.json").write_text(content)
    with pytest.raises(ExportError, match="is not an index of weights: it has no weight_map from keys to files"):
        read_contents(tmp_path / "model.index.json")


def with_an_endless_key(path: Path) -> None:
    torch.save({1 << 100_000: torch.ones(1)}, path)


def with_states_of_states(path: Path) -> None:
    """Objects whose state is another object, and so on: BUILD after BUILD."""
    path.write_bytes(b"\x80\x02" + b"ca\nb\n)\x81" * 50_000 + b"b" * 49_999 + b".")


def damaged(path: Path) -> None:
    save_state(path)
    path.write_bytes(path.read_bytes()[:-200])


def damaged_safetensors(path: Path) -> None:
    save_file({"weight": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:-8])


def test_not_enough_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    (path := tmp_path / "weights.pt").write_bytes(b"\x80\x04N.")
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(ExportError, match=r"there is not enough memory for .*weights\.pt, or it is damaged"):
        read_contents(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("text"), "is not a file of weights, or a damaged one; save one with torch.save"),
        (lambda path: path.write_bytes(b""), "is not a file of weights, or a damaged one"),
        (lambda path: path.write_bytes(b"\x80"), "is not a file of weights, or a damaged one"),
        (damaged, "is not a file of weights, or a damaged one"),
        (with_an_endless_key, "is not a file of weights, or a damaged one"),
        (damaged_safetensors, "is a damaged file of safetensors: "),
        (
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"),
            "is a pointer of Git LFS in place of the file: fetch the file with git lfs pull",
        ),
        (lambda path: None, ": no such file"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (save_torchscript, "is a TorchScript file; save its weights by themselves, with torch.save(torch.jit.load("),
        (save_program, "is a program of torch.export, which has the module in it: give it without --module"),
    ],
)
def test_files_that_are_not_weights(
    tmp_path: Path, make: Callable[[Path], None], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "weights.pth"
    make(path)
    with pytest.raises(ExportError) as raised:
        read_contents(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_states_of_states_without_end(tmp_path: Path) -> None:
    with_states_of_states(tmp_path / "states.pt")
    assert read_contents(tmp_path / "states.pt").saved == []


def test_what_is_said_of_a_torchscript_file_gives_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_torchscript(Path("scripted.pt"))
    with pytest.raises(ExportError) as raised:
        read_contents(Path("scripted.pt"))
    advice = str(raised.value).partition("with ")[2].rpartition(", and")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(advice)
    assert [one.key for one in read_contents(Path("weights.pt")).saved] == ["weight", "bias"]


@pytest.mark.parametrize(
    "header",
    [
        b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 1152921504606846976]}}',
        b'{"x": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}',
        b'{"x": {"dtype": "F32", "shape": [1099511627776], "data_offsets": [0, 8]}}',
        b'{"x": {"dtype": "F32", "shape": [1099511627776, 1099511627776], "data_offsets": [0, 8]}}',
        b'{"x": ' + b"[" * 20_000,
    ],
    ids=["offset", "backwards", "shape", "overflow", "nested"],
)
def test_headers_of_safetensors_that_lie(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "x.safetensors"
    for length in (len(header), 2**60, 2**64 - 1):
        path.write_bytes(length.to_bytes(8, "little") + header + bytes(8))
        with pytest.raises(ExportError, match="damaged"):
            read_contents(path)
