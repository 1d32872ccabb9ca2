"""The passphrase of a key: from the environment, or asked for at the terminal, never on a command line."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import assert_one_line
from concurrency import HANG
from signatures import new_key, private_pem, sha256

from edge_export import ExportError, PassphraseNeeded, SigningKey
from edge_export.cli.command import main
from edge_export.cli.passphrases import VARIABLE, signing_key
from edge_runtime.signing.trust import Trust

SCRIPT = """
import pathlib, sys
from edge_export.cli.passphrases import signing_key
print(signing_key(pathlib.Path(sys.argv[1])).public.hint)
"""


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(private_pem(new_key(), b"secret"))
    return path


def test_from_the_environment(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "secret")
    assert signing_key(encrypted).public == SigningKey.read(encrypted, "secret").public
    monkeypatch.setenv(VARIABLE, "another")
    with pytest.raises(ExportError, match=r"key\.pem cannot be read with this passphrase"):
        signing_key(encrypted)


def test_the_command_signs_and_says_so(
    command: Callable[..., Any], trained: Path, encrypted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.delenv(VARIABLE, raising=False)
    asked = (main, trained, "--output", tmp_path / "out", "--format", "onnx", "--sign", encrypted)
    assert_one_line(command(*asked), 1, "key.pem is encrypted; run the command at a terminal", VARIABLE)
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv(VARIABLE, "secret")
    result = command(*asked)
    assert (result.code, result.err) == (0, "")
    signed = tmp_path / "out" / "model.onnx"
    assert result.out.splitlines()[1] == f"{signed.with_suffix('.sig')}: signs all of these"
    trust = Trust.given(SigningKey.read(encrypted, "secret").public.pem, None)
    assert trust is not None
    trust.signed(signed, lambda: sha256(signed.read_bytes())).check({})


def test_where_nobody_can_be_asked_both_ways_are_named(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    for stdin in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(PassphraseNeeded, match=f"at a terminal, .* or put it into the environment as {VARIABLE}"):
            signing_key(encrypted)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("typed", ["secret", "another"])
def test_asked_for_at_a_terminal(encrypted: Path, typed: str) -> None:
    ours, theirs = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(encrypted)],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        env=environment,
    ) as process:
        shown = b""
        while b"key.pem: " not in shown:
            shown += os.read(ours, 100)
        os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate(timeout=HANG)
    os.close(theirs)
    os.close(ours)
    assert b"Passphrase of " in shown
    # It is not echoed.
    assert typed.encode() not in shown
    assert (process.returncode == 0) == (typed == "secret")
    assert out.decode().strip() == (SigningKey.read(encrypted, "secret").public.hint if typed == "secret" else "")
