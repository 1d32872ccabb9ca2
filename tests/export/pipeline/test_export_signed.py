"""Signed exports: every file and the signature file are put in place together."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from signatures import new_key, private_pem, public_pem, sha256
from torch import nn

from edge_export import ExportError, Precision, SigningKey, export
from edge_export.formats import external_data
from edge_export.pipeline import export as pipeline
from edge_runtime import CannotWrite
from edge_runtime.signing.trust import Trust

KEY = new_key()


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(KEY))
    return path


def made_in(folder: Path, **options: Any) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 40), nn.ReLU(), nn.Linear(40, 2))
    export(module, torch.randn(4, 3), folder / "model.onnx", finite_only=True, **options)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def signed_in(folder: Path) -> dict[str, str]:
    bundle = json.loads((folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return {one["name"]: one["digest"] for one in statement["predicate"]["resources"]}


def test_each_file_that_is_written_is_signed(key: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    made_in(
        folder,
        sign=key,
        formats=["onnx", "torchscript", "ort", "c"],
        precisions=[Precision.FLOAT32, Precision.FLOAT16],
        report=folder / "report.html",
    )
    signed = signed_in(folder)
    assert sorted([*signed, "model.sig"]) == names(folder)
    assert "model.float16.ort" in signed
    for name, digest in signed.items():
        assert digest == sha256((folder / name).read_bytes())


def test_a_data_file_is_signed_too(key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_data, "MOST_BYTES", 400)
    monkeypatch.setattr(external_data, "_SMALLEST", 100)
    folder = tmp_path / "out"
    made_in(folder, sign=str(key))
    assert names(folder) == ["model.onnx", "model.onnx.data", "model.sig"]
    trust = Trust.given(public_pem(KEY), None)
    assert trust is not None
    model, data = ((folder / name).read_bytes() for name in ("model.onnx", "model.onnx.data"))
    trust.signed(folder / "model.onnx", lambda: sha256(model)).check({"model.onnx.data": sha256(data)})


def test_a_key_that_cannot_sign_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "capture", None)
    path = tmp_path / "key.pem"
    path.write_bytes(public_pem(KEY))
    with pytest.raises(ExportError, match=r"key\.pem is a public key"):
        made_in(tmp_path / "out", sign=path)
    assert not (tmp_path / "out").exists()
    (tmp_path / "model.sig").mkdir()
    with pytest.raises(CannotWrite, match=r"model\.sig is a folder"):
        made_in(tmp_path, sign=SigningKey.read(private_pem(KEY)))


def test_a_key_is_not_written_over(key: Path, tmp_path: Path) -> None:
    content = key.read_bytes()
    for name in ("model.sig", "report.html"):
        taken = key.rename(tmp_path / name)
        with pytest.raises(ExportError, match=f"{name} would be overwritten by this export"):
            made_in(tmp_path, sign=taken, report=tmp_path / "report.html")
        assert taken.read_bytes() == content
        key = taken


def test_files_and_signature_are_put_in_place_together(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    made_in(folder, sign=key)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    written: list[list[str]] = []

    def refuse(contents: dict[Path, Any]) -> None:
        written.append([path.name for path in contents])
        raise CannotWrite("the disk is full")

    monkeypatch.setattr(pipeline, "write_files", refuse)
    with pytest.raises(CannotWrite, match="the disk is full"):
        made_in(folder, sign=SigningKey.read(private_pem(new_key())))
    # All at once, and what is looked at last comes last.
    assert written == [["model.sig", "model.onnx"]]
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_signature_of_earlier_files_is_said(key: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    made_in(tmp_path / "out", sign=key, note=notes.append)
    assert notes == []
    made_in(tmp_path / "out", note=notes.append)
    assert len(notes) == 1
    assert notes[0].endswith("model.sig is of earlier files; sign these with --sign (sign=...), or delete it")
