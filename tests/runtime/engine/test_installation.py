"""Whether ONNX Runtime is installed, and how."""

import builtins
import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from concurrency import in_threads
from paths import FOUR_BLOBS as MODEL

from edge_runtime import OutOfResources, Predictor, RuntimeNotInstalled
from edge_runtime.engine import installation


@pytest.fixture
def anew() -> Iterator[None]:
    """The module is looked for once in each process."""
    installation.import_onnxruntime.cache_clear()
    yield
    installation.import_onnxruntime.cache_clear()


@pytest.mark.usefixtures("anew")
def test_both_packages_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "packages", lambda folders: {"onnxruntime": "1", "onnxruntime-gpu": "1"})
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

    def one(folders: list[str]) -> dict[str, str]:
        looked_at.append(list(folders))
        return {"onnxruntime": "1"}

    monkeypatch.setattr(installation, "packages", one)
    module = installation.import_onnxruntime()
    assert looked_at == [[str(Path(str(module.__file__)).parents[1])]]


def test_packages_are_known_by_what_they_install(tmp_path: Path) -> None:
    for name, folder in (
        ("onnxruntime-1.20.0", "onnxruntime"),
        ("onnxruntime_gpu-1.20.1.dev2", "onnxruntime"),
        ("onnxruntime_extensions-0.15.2", "onnxruntime_extensions"),
        ("onnx-1.0", "onnx"),
    ):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "RECORD").write_text(f"{name}.dist-info/METADATA,,\n{folder}/__init__.py,,\n")
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime-9.dist-info" / "RECORD").mkdir(parents=True)
    record = tmp_path / "onnxruntime_gpu-1.20.1.dev2.dist-info" / "RECORD"
    record.write_bytes(record.read_bytes() + b"caf\xe9,,\n")
    found = installation.packages([str(tmp_path), str(tmp_path / "nowhere"), "\0"])
    assert found == {"onnxruntime": "1.20.0", "onnxruntime-gpu": "1.20.1.dev2"}


@pytest.mark.parametrize(
    ("installed", "import_statement", "message"),
    [
        (
            {},
            "raise ImportError('No module named onnxruntime')",
            r"ONNX Runtime is not installed; install it with pip install 'edge-predict\[cpu\]' \(or \[gpu\]\)$",
        ),
        (
            {"onnxruntime": "1.32.0"},
            "raise ImportError('DLL load failed')",
            r"onnxruntime is installed but cannot be loaded \(DLL load failed\); reinstall it with "
            r"pip install --force-reinstall onnxruntime$",
        ),
        (
            {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.0"},
            "raise ImportError('DLL load failed')",
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other",
        ),
        (
            {"onnxruntime": "1.18.1"},
            "import numpy; numpy.__version__ = '2.4.6'; raise ImportError",  # its own message is empty
            r"onnxruntime 1.18.1 was built for numpy 1, and numpy 2.4.6 is installed; fix it with "
            r"pip install --upgrade onnxruntime$",
        ),
        (
            {"onnxruntime": "1.18.1"},
            "import numpy; numpy.__version__ = '1.26.4'; raise ImportError",
            r"onnxruntime is installed but cannot be loaded \(ImportError\); reinstall it with ",
        ),
        (
            {"onnxruntime": "1.32.0"},
            "raise AttributeError('_ARRAY_API not found')",
            r"onnxruntime is installed but cannot be loaded \(_ARRAY_API not found\); reinstall it with ",
        ),
        (
            {"onnxruntime": "1.32.0"},
            "import sys; sys.modules['numpy'] = None; import numpy",
            r"numpy cannot be loaded \(import of numpy halted; None in sys.modules\); reinstall it with "
            r"pip install --force-reinstall numpy$",
        ),
        (
            {"onnxruntime": "1.32.0"},
            "pass",
            r"the onnxruntime package is incomplete; fix it with "
            r"pip uninstall -y onnxruntime && pip install 'edge-predict\[cpu\]' \(or \[gpu\]\)$",
        ),
        (
            {},
            "pass",
            r"ONNX Runtime is not installed; install it with pip install 'edge-predict\[cpu\]' \(or \[gpu\]\)$",
        ),
    ],
)
def test_onnxruntime_missing_or_broken(
    tmp_path: Path, installed: dict[str, str], import_statement: str, message: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text(import_statement)
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from edge_runtime import Predictor, RuntimeNotInstalled
from edge_runtime.engine import installation
installation.packages = lambda folders: {installed}
try:
    Predictor({str(MODEL)!r})
except RuntimeNotInstalled as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert re.match(message, found.stdout.rstrip("\n")), found


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
@pytest.mark.parametrize("reaction", ["pass", "raise ImportError('initialization failed') from None"])
def test_interrupted_while_onnxruntime_is_loaded(tmp_path: Path, reaction: str) -> None:
    """Its C extension loses the interrupt, or takes it for a failure of its own."""
    (tmp_path / "onnxruntime.py").write_text(
        f"""
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    any(range(1000))
except KeyboardInterrupt:
    {reaction}
print("loaded")
"""
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    result = subprocess.run(
        [sys.executable, "-m", "edge_runtime", str(MODEL), "-1", "1"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "loaded\n", "")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_other_handlers_of_interrupts_stay() -> None:
    before = signal.getsignal(signal.SIGINT)
    calls: list[int] = []

    def handler(number: int, frame: object) -> None:
        calls.append(number)

    try:
        signal.signal(signal.SIGINT, handler)
        with installation._interrupts_held():
            signal.raise_signal(signal.SIGINT)
            assert not calls
        assert calls == [signal.SIGINT]
        assert signal.getsignal(signal.SIGINT) is handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with installation._interrupts_held():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("anew")
def test_threads_load_it_too() -> None:
    """Only the main thread may hold interrupts."""
    in_threads(installation.import_onnxruntime, 1)


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        ImportError("Exception caught: std::bad_alloc"),
        ImportError("libonnxruntime.so.1: failed to map segment from shared object"),
    ],
)
def test_no_memory_to_load_it(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def without_memory(name: str, *arguments: Any) -> Any:
        if name == "onnxruntime":
            raise error
        return real(name, *arguments)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_memory)
    with pytest.raises(OutOfResources, match=r"^there is not enough memory to load ONNX Runtime$"):
        installation.import_onnxruntime()


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.19.2", (1, 19, 2)), ("2.4rc1", (2, 4)), ("1.33.0.dev20261101", (1, 33, 0)), ("", ()), ("next", ())],
)
def test_the_numbers_of_a_version(version: str, expected: tuple[int, ...]) -> None:
    assert installation.numbers(version) == expected
