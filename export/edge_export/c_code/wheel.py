"""The wheel that an extension module comes in."""

import io
import sysconfig
import zipfile
from base64 import urlsafe_b64encode
from hashlib import sha256

from edge_export.c_code.literals import Names
from edge_runtime.contract.version import __version__


def wheel_name(stem: str) -> str:
    """The name of the wheel that the module of a model comes in."""
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"{Names().new(stem)}-1.0-cp311-abi3-{platform}.whl"


def wheel(binary: bytes, stem: str) -> bytes:
    """A wheel (https://packaging.python.org/en/latest/specifications/binary-distribution-format/) with the module.

    Equal binaries give equal wheels.
    """
    name = Names().new(stem)
    tag = wheel_name(stem).removeprefix(f"{name}-1.0-").removesuffix(".whl")
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.abi3.so": binary,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: edge-predict {__version__}\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
        ),
    }
    hashes = {
        path: urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode() for path, content in files.items()
    }
    record = [f"{path},sha256={hashes[path]},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
