"""Public keys: PEM files of openssl, and everything else, which is refused in one line."""

import pickle
import sys
from pathlib import Path

import pytest
from commands import assert_python_runs
from signatures import REFERENCES, new_key, private_pem, public_pem, sha256

from edge_runtime import ExtraNotInstalled, InvalidInput
from edge_runtime.signing.keys import PublicKey


@pytest.mark.parametrize("name", ["p256", "p384", "p521"])
def test_keys_of_openssl_are_read(name: str) -> None:
    pytest.importorskip("cryptography")
    path = REFERENCES / f"{name}.pub"
    for given in (path, str(path), path.read_bytes(), b"a comment before\n" + path.read_bytes()):
        key = PublicKey.read(given)
        assert key.pem == path.read_bytes()
        assert key.hint == sha256(path.read_bytes())
        assert pickle.loads(pickle.dumps(key)) == key


def test_a_key_verifies_what_its_owner_has_signed() -> None:
    owner, other = new_key(), new_key()
    key = PublicKey.read(public_pem(owner))
    assert key.verifies(owner.sign(b"message"), b"message")
    assert not key.verifies(owner.sign(b"message"), b"messages")
    assert not key.verifies(other.sign(b"message"), b"message")
    for damaged in (b"", b"\x00" * 64, b"\x30\x06\x02\x01\x00\x02\x01\x00", b"x" * 5000):
        assert not key.verifies(damaged, b"message")
        assert not PublicKey.read(REFERENCES / "p256.pub").verifies(damaged, b"message")


@pytest.mark.parametrize(
    ("kind", "shown"), [("rsa", "RSA keys"), ("secp256k1", "EC secp256k1 keys")], ids=["RSA", "another curve"]
)
def test_keys_of_other_kinds_are_refused(kind: str, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "key.pub"
    path.write_bytes(public_pem(new_key(kind)))
    with pytest.raises(InvalidInput, match=f"key.pub: models are not signed with {shown}; make one of EC P-256"):
        PublicKey.read(path)


def test_a_private_key_is_refused_wherever_a_public_one_belongs(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    for passphrase in (None, b"secret"):
        path.write_bytes(private_pem(new_key(), passphrase))
        with pytest.raises(InvalidInput, match=r"key\.pem is a private key, which stays where models are signed"):
            PublicKey.read(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    pem = (REFERENCES / "p256.pub").read_bytes()
    path = tmp_path / "key.pub"
    for content in (b"", b"\x00", pem[:-30], pem.replace(b"M", b"N", 1), pem.replace(b"PUBLIC", b"CERTIFICATE")):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"key\.pub is not a public key in PEM"):
            PublicKey.read(path)
    path.write_bytes(pem * 2)
    with pytest.raises(InvalidInput, match="more than one key; pass a list"):
        PublicKey.read(path)
    path.write_bytes(b" " * 100_000)
    with pytest.raises(InvalidInput, match=r"key\.pub is too large for a key"):
        PublicKey.read(path)
    with pytest.raises(InvalidInput, match=r"no such file; did you mean 'key\.pub'\?"):
        PublicKey.read(tmp_path / "kye.pub")
    with pytest.raises(InvalidInput, match="cannot be read: Is a directory"):
        PublicKey.read(tmp_path)
    for nowhere in ("\0", "a\0b", "", Path(), Path("a\0b")):
        with pytest.raises(InvalidInput, match=r"^trust: '.*' is not a path of a file$"):
            PublicKey.read(nowhere)
    with pytest.raises(InvalidInput, match=r"^trust: it is not a path: .*surrogates not allowed"):
        PublicKey.read("\ud800")
    with pytest.raises(InvalidInput, match=r"^trust: ~nobody-has-it/key\.pub: no such file"):
        PublicKey.read("~nobody-has-it/key.pub")
    for given in (pem.decode(), Path(pem.decode())):
        with pytest.raises(
            InvalidInput, match=r"^trust: pass the path of a PEM file, [^-]* as bytes; a string is a path$"
        ):
            PublicKey.read(given)
    with pytest.raises(InvalidInput, match="found int"):
        PublicKey.read(5)


@pytest.mark.skipif(sys.platform != "linux", reason="this system has no such device")
def test_an_endless_device_is_refused() -> None:
    with pytest.raises(InvalidInput, match="/dev/zero is too large for a key"):
        PublicKey.read("/dev/zero")


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(
        ExtraNotInstalled, match=r"trust needs the package cryptography .*pip install 'edge-predict\[sign\]'"
    ):
        PublicKey.read(REFERENCES / "p256.pub")


def test_nothing_imports_cryptography_unless_a_key_is_read() -> None:
    assert_python_runs(
        "import sys, edge_runtime.predictor, edge_runtime.signing.trust; assert 'cryptography' not in sys.modules"
    )
