"""The compiler and the emulator for Cortex-M: those that are installed, or Debian's packages, unpacked."""

import os
import platform
import shutil

from tests.everywhere.debian import BUILD, script, unpacked

TOOLS = ("arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm")
PACKAGES = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm")


def provide_tools() -> None:
    """Put them on this process's PATH.

    Raises:
        Absent: they cannot be had here.
    """
    if all(map(shutil.which, TOOLS)):
        return
    root = unpacked("cortex-m", None, PACKAGES).absolute()
    # Where a compiler that is not in its place looks for the C library.
    for name, target in (("lib", "newlib"), ("include", "../../include/newlib")):
        link = root / "usr" / "lib" / "arm-none-eabi" / name
        if not link.is_symlink():
            link.symlink_to(target)
    machine = f"{platform.machine()}-linux-gnu"
    libraries = f"{root}/usr/lib/{machine}:{root}/lib/{machine}"
    scripts = BUILD.absolute() / "cortex-m-tools"
    for tool in TOOLS:
        script(scripts / tool, root / "usr" / "bin" / tool, LD_LIBRARY_PATH=libraries)
    os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
