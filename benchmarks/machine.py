"""What the figures were measured on."""

import importlib.metadata
import os
import platform
from pathlib import Path

_PACKAGES = (
    *("edge-predict", "numpy", "onnxruntime", "onnxruntime-gpu", "torch", "openvino", "scikit-learn", "typer", "click"),
)


def machine() -> dict[str, str]:
    """The processor, how busy it is, the interpreter and the packages, by what they are called."""
    found = {
        "processor": _processor(),
        "cores": f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} usable",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "not known"
