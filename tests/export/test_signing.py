"""Signing: keys of openssl, and signature files that the command line of model-signing takes."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from concurrency import HANG
from signatures import new_key, private_pem, sha256

from edge_export import ExportError, PassphraseNeeded, SigningKey
from edge_runtime.signing.trust import Trust

pytest.importorskip("cryptography")

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
PASSPHRASE = "päss word"
ENCRYPTED = ["-aes256", "-passout", f"pass:{PASSPHRASE}"]
P256, ED25519 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], ["-algorithm", "ed25519"]

# How each key is made, from standard input to standard output, and whether it is encrypted then.
WAYS: dict[str, tuple[list[list[str]], bool]] = {
    "SEC1 after parameters": ([["ecparam", "-name", "prime256v1", "-genkey"]], False),
    "SEC1": ([["ecparam", "-name", "prime256v1", "-genkey", "-noout"]], False),
    "SEC1, encrypted": ([["ecparam", "-name", "prime256v1", "-genkey", "-noout"], ["ec", *ENCRYPTED]], True),
    "PKCS#8": ([["genpkey", *P256]], False),
    "PKCS#8, encrypted": ([["genpkey", *P256], ["pkcs8", "-topk8", "-v2", "aes256", *ENCRYPTED[1:]]], True),
    "P-384": ([["ecparam", "-name", "secp384r1", "-genkey", "-noout"]], False),
    "P-521": ([["ecparam", "-name", "secp521r1", "-genkey", "-noout"]], False),
    "Ed25519": ([["genpkey", *ED25519]], False),
    "Ed25519, encrypted": ([["genpkey", *ED25519], ["pkey", *ENCRYPTED]], True),
}


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def made(way: str) -> tuple[bytes, bytes, str | None]:
    """A private key, its public key, and the passphrase of the first."""
    steps, encrypted = WAYS[way]
    pem = b""
    for step in steps:
        pem = openssl(*step, given=pem)
    passphrase = PASSPHRASE if encrypted else None
    return pem, openssl("pkey", "-pubout", "-passin", f"pass:{passphrase}", given=pem), passphrase


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out" / "pages").mkdir(parents=True)
    return tmp_path / "out"


def sign(key: SigningKey, folder: Path) -> Path:
    """Files as an export writes them, and their signature file."""
    files = {"model.onnx": b"one", "model.onnx.data": b"two", "model.ort": b"three", "pages/report.html": b"four"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path = folder / "model.sig"
    contents: dict[Path, bytes | Path] = {folder / name: content for name, content in files.items()}
    contents[folder / "model.onnx.data"] = folder / "model.onnx.data"
    path.write_bytes(key.signature_file(path, contents))
    return path


def model_signing(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line of model-signing, which imports OpenSSL without saying so."""
    pytest.importorskip("model_signing", exc_type=ImportError)
    command = [sys.executable, "-m", "model_signing", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=HANG)


@needs_openssl
@pytest.mark.parametrize("way", WAYS)
def test_what_is_signed_with_a_key_of_openssl_is_trusted_with_its_public_key(way: str, folder: Path) -> None:
    private, public, passphrase = made(way)
    key = SigningKey.read(private, passphrase)
    assert key.public.pem == public
    sign(key, folder)
    trust = Trust.given(public, None)
    assert trust is not None
    trust.signed(folder / "model.onnx", lambda: sha256(b"one")).check({"model.onnx.data": sha256(b"two")})
    trust.signed(folder / "model.ort", lambda: sha256(b"three")).check({})


@needs_openssl
@pytest.mark.parametrize("way", ["SEC1", "P-384", "P-521"])
def test_model_signing_verifies_the_folder(way: str, folder: Path) -> None:
    private, public, _ = made(way)
    path = sign(SigningKey.read(private), folder)
    pub = folder.with_name("key.pub")
    pub.write_bytes(public)

    def verify(*options: str) -> str:
        result = model_signing("verify", "key", folder, "--signature", path, "--public_key", pub, *options)
        return result.stdout + result.stderr

    assert verify() == "Verification succeeded\n"
    (folder / "model.pt").write_bytes(b"not of the export")
    assert "Extra files found in model 'out': model.pt" in verify()
    assert verify("--ignore_unsigned_files") == "Verification succeeded\n"
    (folder / "model.onnx.data").write_bytes(b"twO")
    assert "Hash mismatch for 'model.onnx.data'" in verify("--ignore_unsigned_files")


@needs_openssl
def test_what_model_signing_signs_is_trusted(folder: Path) -> None:
    private, public, _ = made("PKCS#8")
    pem = folder.with_name("key.pem")
    pem.write_bytes(private)
    (folder / "model.onnx").write_bytes(b"one")
    (folder / "model.onnx.data").write_bytes(b"two")
    sig = folder / "model.sig"
    trust = Trust.given(public, None)
    assert trust is not None
    assert model_signing("sign", "key", folder, "--private_key", pem, "--signature", sig).returncode == 0
    trust.signed(folder / "model.onnx", lambda: sha256(b"one")).check({"model.onnx.data": sha256(b"two")})
    alone = folder / "model.onnx"
    assert model_signing("sign", "key", alone, "--private_key", pem, "--signature", sig).returncode == 0
    trust.signed(alone, lambda: sha256(b"one")).check({})


@needs_openssl
def test_openssl_verifies_what_an_ed25519_key_signs(folder: Path) -> None:
    """model-signing 1.1 does not take such keys."""
    private, public, _ = made("Ed25519")
    envelope = json.loads(sign(SigningKey.read(private), folder).read_bytes())["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    message, signature, pub = (folder / name for name in ("message", "signature", "key.pub"))
    message.write_bytes(b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload))
    signature.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    pub.write_bytes(public)
    verify = ("pkeyutl", "-verify", "-pubin", "-inkey", str(pub), "-rawin", "-in", str(message))
    assert b"Success" in openssl(*verify, "-sigfile", str(signature))


def test_what_lies_elsewhere_is_not_signed(folder: Path) -> None:
    key = SigningKey.read(private_pem(new_key()))
    files: dict[Path, bytes | Path] = {folder / "model.onnx": b"one", folder.parent / "report.html": b"two"}
    payload = base64.b64decode(json.loads(key.signature_file(folder / "model.sig", files))["dsseEnvelope"]["payload"])
    assert [one["name"] for one in json.loads(payload)["predicate"]["resources"]] == ["model.onnx"]
    # Nothing of this machine is in it.
    assert folder.name.encode() not in payload


def test_keys_that_cannot_sign_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    key = new_key("secp256r1")
    encrypted = private_pem(key, b"secret")
    for content, passphrase, message in (
        (private_pem(new_key("rsa")), None, "key.pem: models are not signed with RSA keys; make one of EC P-256"),
        (private_pem(new_key("secp256k1")), None, "key.pem: models are not signed with EC secp256k1 keys"),
        (SigningKey.read(private_pem(key)).public.pem, None, "key.pem is a public key; make a private key with"),
        (b"", None, "key.pem is not a private key in PEM"),
        (b"\x00" * 100, None, "key.pem is not a private key in PEM"),
        (private_pem(key)[:100], None, "key.pem is not a private key in PEM|key.pem is damaged"),
        (private_pem(key).replace(b"M", b"N", 1), None, "key.pem is damaged, or of an unknown kind"),
        (encrypted, "Secret", "key.pem cannot be read with this passphrase"),
        (encrypted, "", "key.pem cannot be read with this passphrase"),
        (b"x" * 100_000, None, "key.pem is too large for a key"),
    ):
        path.write_bytes(content)
        with pytest.raises(ExportError, match=message) as caught:
            SigningKey.read(path, passphrase)
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value).lower()
    path.write_bytes(encrypted)
    with pytest.raises(PassphraseNeeded, match=r"key\.pem is encrypted; its passphrase is needed"):
        SigningKey.read(path)
    # One that is not needed does no harm: it may be in the environment for other keys.
    path.write_bytes(private_pem(key))
    assert SigningKey.read(path, "secret").public == SigningKey.read(encrypted, "secret").public
    with pytest.raises(ExportError, match="no such file"):
        SigningKey.read(tmp_path / "nowhere.pem")
    # A key does not show what is secret.
    assert "PRIVATE" not in repr(SigningKey.read(path))
    assert "object at" not in repr(SigningKey.read(path))
