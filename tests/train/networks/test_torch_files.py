"""Checkpoints that would take memory without bound, or hold what no program writes into them."""

import io
import os
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bounded import run_bounded

from edge_runtime import Limits
from edge_runtime.contract.metadata_keys import CHECKPOINT_SIGNATURE_KEY
from edge_train import NeuralNet, load_checkpoint
from edge_train.errors import CheckpointError
from edge_train.networks.torch_files import check_file

MIB = 1 << 20


def state(**changes: Any) -> OrderedDict[str, Any]:
    plain: OrderedDict[str, Any] = OrderedDict(NeuralNet(2, 5).state_dict())
    plain.update(
        {name.replace("_weight", ".weight").replace("_bias", ".bias"): value for name, value in changes.items()}
    )
    return plain


def saved(path: Path, what: object) -> Path:
    torch.save(what, path)
    return path


def rewritten(path: Path, member: Callable[[str, bytes], bytes | None], method: int = zipfile.ZIP_STORED) -> Path:
    """A checkpoint whose members are what `member` makes of them; None for 400 MiB of zeros."""
    content = io.BytesIO()
    torch.save(state(), content)
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(path, "w", method, compresslevel=1) as new:
        for name in old.namelist():
            if (made := member(name, old.read(name))) is not None:
                new.writestr(name, made)
                continue
            with new.open(name, "w") as file:
                for _ in range(400):
                    file.write(bytes(MIB))
    return path


def test_what_is_compressed_is_not_read(tmp_path: Path) -> None:
    path = rewritten(tmp_path / "model.pt", lambda name, old: old, zipfile.ZIP_DEFLATED)
    with pytest.raises(
        CheckpointError, match=r"model\.pt is compressed, as no file of torch is; save it with torch again"
    ):
        load_checkpoint(path)
    assert isinstance(load_checkpoint(rewritten(path, lambda name, old: old)), NeuralNet)


@pytest.mark.parametrize(
    "weights",
    [
        {"linear_1_weight": torch.zeros(1).expand(2**20, 2**20), "linear_1_bias": torch.zeros(1).expand(2**20)},
        dict.fromkeys((f"w{name}" for name in range(20_000)), torch.zeros(100_000)),
    ],
    ids=["the same element everywhere", "one tensor of many names"],
)
def test_tensors_that_are_larger_written_out(tmp_path: Path, weights: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"holds more than 4,294,967,296 bytes; .*--limit unpacked_bytes=\.\.\."):
        load_checkpoint(saved(tmp_path / "model.pt", state(**weights)))


def test_holes(tmp_path: Path) -> None:
    with (tmp_path / "model.pt").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(CheckpointError, match="holds more than"):
        load_checkpoint(tmp_path / "model.pt")
    with (tmp_path / "small.pt").open("wb") as file:
        file.truncate(1000)
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        load_checkpoint(tmp_path / "small.pt")


def test_a_file_may_hold_what_it_takes_on_the_disk(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pt", NeuralNet(100, 1000).state_dict())
    with path.open("rb") as file:
        os.fsync(file.fileno())
    assert check_file(path, Limits(unpacked_bytes=10)) == path.stat().st_size
    assert check_file(path, Limits(unpacked_bytes=None)) is None
    assert isinstance(load_checkpoint(path, Limits(unpacked_bytes=10)), NeuralNet)


@pytest.mark.parametrize(
    "metadata",
    [[1], "x", None, 5, {1: {2: 3}}, {"": [1], "linear_1": 5}, {"": None}, {("a",): {}}, {"": {"version": [1]}}],
    ids=repr,
)
def test_odd_metadata_is_ignored(tmp_path: Path, metadata: Any) -> None:
    odd = state()
    vars(odd)["_metadata"] = metadata
    network = load_checkpoint(saved(tmp_path / "model.pt", odd))
    assert torch.equal(network.state_dict()["linear_1.weight"], odd["linear_1.weight"])


@pytest.mark.parametrize("signature", [[1], "x", 5, {1: 2}, {"schema_version": 10**30}, {"inputs": [[[[]]]]}], ids=repr)
def test_a_signature_that_is_not_one(tmp_path: Path, signature: Any) -> None:
    odd = state()
    vars(odd)["_metadata"] = {"": {CHECKPOINT_SIGNATURE_KEY: signature}}
    with pytest.raises(CheckpointError, match="the signature"):
        load_checkpoint(saved(tmp_path / "model.pt", odd))


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("data/0", b""),
        ("data/0", bytes(4)),
        ("data.pkl", b""),
        ("data.pkl", b"\x80\x02" + b"]" * 10**6),
        ("byteorder", b"x"),
    ],
)
def test_damaged_members(tmp_path: Path, member: str, content: bytes) -> None:
    path = rewritten(tmp_path / "model.pt", lambda name, old: content if name.endswith(member) else old)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


@pytest.mark.skipif(sys.platform != "linux", reason="its devices, and its way to measure memory")
def test_what_is_not_a_file(tmp_path: Path) -> None:
    for device in ("/dev/zero", "/dev/urandom", "/dev/full"):
        with pytest.raises(CheckpointError, match="it is a device, not a file"):
            load_checkpoint(Path(device))
    source, target = os.pipe()
    os.close(target)
    with pytest.raises(CheckpointError, match="is a pipe, and a checkpoint is read more than once"):
        load_checkpoint(Path(f"/dev/fd/{source}"))
    os.close(source)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="its way to measure memory")
@pytest.mark.parametrize("words", [[], ["--module", "torch.nn:Identity", "--example", "x.npz"]])
def test_the_command_in_bounded_memory(tmp_path: Path, words: list[str]) -> None:
    bomb = rewritten(
        tmp_path / "bomb.pt", lambda name, old: None if name.endswith("data/0") else old, zipfile.ZIP_DEFLATED
    )
    (tmp_path / "bomb.pt2").write_bytes(bomb.read_bytes())
    with (tmp_path / "holes.pt").open("wb") as file:
        file.truncate(10**12)
    saved(tmp_path / "repeated.pt", state(linear_1_weight=torch.zeros(1).expand(2**20, 2**20)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w"):
        pass
    words = [word.replace("x.npz", str(tmp_path / "x.npz")) for word in words]
    for name in ("bomb.pt", "bomb.pt2", "holes.pt", "repeated.pt", "/dev/zero"):
        result = run_bounded(
            "edge_export", tmp_path / name, "--output", tmp_path / "output", "--format", "onnx", *words
        )
        assert (result.code, result.err.count("\n"), result.out) == (1, 1, ""), result
        assert result.peak < 700 * MIB
    assert not list((tmp_path / "output").glob("*"))
