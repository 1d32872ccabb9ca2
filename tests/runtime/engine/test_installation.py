"""Whether ONNX Runtime is installed, and how."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import FOUR_BLOBS as MODEL

from edge_runtime import Predictor, RuntimeNotInstalled
from edge_runtime.engine import installation


@pytest.fixture
def anew() -> Iterator[None]:
    """The module is looked for once in each process."""
    installation.import_onnxruntime.cache_clear()
    yield
    installation.import_onnxruntime.cache_clear()


@pytest.mark.usefixtures("anew")
def test_both_packages_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_distributions", lambda folders: ["onnxruntime", "onnxruntime-gpu"])
    with pytest.raises(RuntimeNotInstalled) as raised:
        Predictor(MODEL)
    assert str(raised.value) == (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; fix it with "
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'edge-predict[cpu]' (or [gpu])"
    )
    assert isinstance(raised.value, ImportError)  # for code without this package's errors


@pytest.mark.usefixtures("anew")
def test_the_folder_of_the_module_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder on the path may hold another package, which is not used."""
    looked_at: list[list[str]] = []

    def one(folders: list[str]) -> list[str]:
        looked_at.append(list(folders))
        return ["onnxruntime"]

    monkeypatch.setattr(installation, "_distributions", one)
    module = installation.import_onnxruntime()
    assert looked_at == [[str(Path(str(module.__file__)).parents[1])]]


def test_packages_are_known_by_their_folders(tmp_path: Path) -> None:
    for name in (
        "onnxruntime-1.20.0.dist-info",
        "onnxruntime_gpu-1.20.0.dist-info",
        "onnxruntime",
        "onnx-1.0.dist-info",
    ):
        (tmp_path / name).mkdir()
    assert installation._distributions([str(tmp_path), str(tmp_path / "nowhere")]) == ["onnxruntime", "onnxruntime-gpu"]


@pytest.mark.parametrize(
    ("installed", "import_statement", "message"),
    [
        (
            [],
            "raise ImportError('No module named onnxruntime')",
            r"ONNX Runtime is not installed; install it with pip install 'edge-predict\[cpu\]' \(or \[gpu\]\)$",
        ),
        (
            ["onnxruntime"],
            "raise ImportError('DLL load failed')",
            r"onnxruntime is installed but cannot be loaded \(DLL load failed\); reinstall it with "
            r"pip install --force-reinstall onnxruntime$",
        ),
        (
            ["onnxruntime", "onnxruntime-gpu"],
            "raise ImportError('DLL load failed')",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
        ),
        (
            ["onnxruntime"],
            "pass",
            r"the onnxruntime package is incomplete; fix it with "
            r"pip install --force-reinstall 'edge-predict\[cpu\]' \(or \[gpu\]\)$",
        ),
    ],
)
def test_onnxruntime_missing_or_broken(
    tmp_path: Path, installed: list[str], import_statement: str, message: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text(import_statement)
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from edge_runtime import Predictor, RuntimeNotInstalled
from edge_runtime.engine import installation
installation._distributions = lambda folders: {installed}
try:
    Predictor({str(MODEL)!r})
except RuntimeNotInstalled as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.match(message, found.stdout.rstrip("\n")), found
