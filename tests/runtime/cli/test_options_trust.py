"""--trust: one line for what is refused, before anything is opened."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import assert_one_line
from paths import FOUR_BLOBS
from signatures import new_key, private_pem, public_pem, signed

from edge_runtime.cli.command import main

pytest.importorskip("cryptography")

Command = Callable[..., Any]
KEY, OTHER = new_key(), new_key()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    content = FOUR_BLOBS.read_bytes()
    (tmp_path / "model.onnx").write_bytes(content)
    (tmp_path / "model.sig").write_bytes(signed(KEY, {"model.onnx": content}))
    (tmp_path / "key.pub").write_bytes(public_pem(KEY))
    (tmp_path / "other.pub").write_bytes(public_pem(OTHER))
    (tmp_path / "key.pem").write_bytes(private_pem(KEY))
    return tmp_path


def test_a_signed_model_answers(command: Command, folder: Path) -> None:
    model, trust = folder / "model.onnx", ("--trust", folder / "key.pub")
    expected = command(main, model, -1, 1).out
    assert command(main, model, -1, 1, *trust).out == expected
    assert command(main, model, *trust, "--trust", folder / "other.pub", -1, 1).out == expected
    assert command(main, model, "--describe", *trust).code == 0


def test_others_are_refused_in_one_line(command: Command, folder: Path) -> None:
    model = folder / "model.onnx"
    sig = folder / "model.sig"
    for key, message in (
        ("other.pub", "model.sig was signed with another key than the trusted one"),
        ("nowhere.pub", "nowhere.pub: no such file"),
        ("key.pem", "key.pem is a private key, which stays where models are signed"),
        ("model.sig", "model.sig is not a public key in PEM"),
    ):
        for asked in ((-1, 1), ("--describe",), ("--verify",), ("--isolate", -1, 1)):
            result = command(main, model, "--trust", folder / key, *asked)
            assert_one_line(result, 1, message)
            assert result.out == ""
    sig.write_bytes(sig.read_bytes()[:-1])
    assert_one_line(command(main, model, "--trust", folder / "key.pub", -1, 1), 1, "not a valid signature file")
    sig.unlink()
    assert_one_line(command(main, model, "--trust", folder / "key.pub", -1, 1), 1, "model.onnx is not signed")
    assert_one_line(command(main, "--doctor", "--trust", folder / "key.pub"), 2, "--doctor goes with MODEL")
