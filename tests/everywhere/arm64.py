"""A Python of arm64 on another processor: Debian's, run by an emulator, with the runtime in an environment of its own.

The emulator translates one process at a time, and the kernel knows nothing of it. So the environment's python is a
script that starts the emulator: what a program starts as `sys.executable` is emulated too.
"""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.everywhere.debian import BUILD, Absent, script, unpacked

# What is emulated unless QEMU_CPU names another processor: that of a Raspberry Pi 5, and what Debian's emulator knows
# of a Raspberry Pi 4, which computes neither float16 nor products of bytes by instructions of their own.
PI_5, PI_4 = "cortex-a76", "cortex-a72"
# Later ones crash in Debian 12's emulator when they are imported.
ONNXRUNTIME = "1.27.0"
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def arm64_python(wheel: str) -> Path:
    """The python of an environment that holds the runtime and pytest.

    Args:
        wheel: the runtime's.

    Raises:
        Absent: the emulator, or what it would run, cannot be had here.
    """
    if platform.machine().lower() in ("aarch64", "arm64"):
        raise Absent("this machine is arm64 itself: `make test` tests it")
    installed = shutil.which("qemu-aarch64-static")
    emulator = Path(installed or "")
    if installed is None:
        folder = unpacked("qemu-user", None, ("qemu-user-static",)).absolute()
        emulator = folder / "usr" / "bin" / "qemu-aarch64-static"
    root = unpacked("arm64-root", "arm64", ("python3", "libstdc++6")).absolute()
    [interpreter] = [path for path in (root / "usr" / "bin").iterdir() if re.fullmatch(r"python3\.\d+", path.name)]
    environment = (BUILD / "arm64-environment").absolute()
    shutil.rmtree(environment, ignore_errors=True)
    python = environment / "bin" / "python"
    # It finds its packages by its own name, as in every virtual environment.
    script(python, emulator, "-L", root, "-0", '"$0"', interpreter, QEMU_CPU="${QEMU_CPU:-" + PI_5 + "}")
    (environment / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    _install(wheel, environment / "lib" / interpreter.name / "site-packages", interpreter.name.removeprefix("python"))
    return python


def _install(wheel: str, packages: Path, version: str) -> None:
    """Put the runtime and pytest into a folder for packages of arm64."""
    constraints = BUILD / "arm64-constraints.txt"
    pins = Path("constraints.txt").read_text()
    constraints.write_text(re.sub(r"^onnxruntime==.*$", f"onnxruntime=={ONNXRUNTIME}", pins, flags=re.MULTILINE))
    command: list[str | Path] = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", packages),
        *("--python-version", version, "--implementation", "cp", "--only-binary", ":all:", "--constraint", constraints),
        *(option for name in PLATFORMS for option in ("--platform", name)),
        *(f"{wheel}[cpu]", "pytest", "pytest-xdist", "hypothesis"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise Absent(f"wheels for arm64 cannot be fetched: {result.stderr.strip().splitlines()[-1]}")
