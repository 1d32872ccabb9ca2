"""The runtime works without the packages of training and export, and its library even without typer."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import FOUR_BLOBS as MODEL
from paths import tracked_files

TRAINING_AND_EXPORT = (
    "torch",
    "sklearn",
    "onnx",
    "onnxscript",
    "pandas",
    "matplotlib",
    "tqdm",
    "edge_train",
    "edge_export",
)

USE_LIBRARY = f"""
from edge_runtime import *
import edge_runtime.cli.answers, edge_runtime.rows.text_rows
assert Predictor({str(MODEL)!r}).predict([-1, 1]).tolist() == [1]
"""
USE_COMMAND = f"""
from edge_runtime.cli.command import main
assert main([{str(MODEL)!r}, "-1", "1", "--format", "json"]) == 0
"""


def run_without(modules: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process in which importing any of `modules` fails."""
    block = f"""
import sys
from importlib.abc import MetaPathFinder
class Blocker(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"{{name}} is blocked", name=name)
sys.meta_path.insert(0, Blocker())
"""
    return subprocess.run([sys.executable, "-c", block + code], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("blocked", "code"),
    [((*TRAINING_AND_EXPORT, "typer", "rich", "click"), USE_LIBRARY), (TRAINING_AND_EXPORT, USE_COMMAND)],
)
def test_the_runtime_without_training_and_export(blocked: tuple[str, ...], code: str) -> None:
    result = run_without(blocked, code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", [*TRAINING_AND_EXPORT, "typer"])
def test_this_check_can_fail(module: str) -> None:
    result = run_without((*TRAINING_AND_EXPORT, "typer"), f"import {module}\n{USE_LIBRARY}")
    assert result.returncode == 1
    assert f"{module} is blocked" in result.stderr


def test_training_without_exporter_and_runtime() -> None:
    result = run_without(("onnx", "onnxruntime", "onnxscript", "edge_export"), "import edge_train, edge_train.plots")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", ["edge_train", "edge_export"])
def test_commands_without_torch_say_what_to_install(package: str, tmp_path: Path) -> None:
    # Of a file that exists: that one does not is said before torch is needed.
    arguments = [] if package == "edge_train" else [__file__, "--output", str(tmp_path)]
    result = run_without(("torch",), f"import sys\nfrom {package}.cli.command import main\nsys.exit(main({arguments}))")
    assert result.returncode == 1
    extra = package.removeprefix("edge_")
    message = f"error: torch is not installed; install it with pip install 'edge-predict[{extra}]'\n"
    assert result.stderr.endswith(message)
    assert result.stderr.count("\n") == 1


def test_the_server_without_its_packages_says_what_to_install() -> None:
    # The command line alone needs none of them.
    code = f"import sys\nfrom edge_runtime.serve.command import main\nsys.exit(main([{str(MODEL)!r}]))"
    result = run_without(("uvicorn", "starlette", "orjson", "prometheus_client"), code)
    assert result.returncode == 1
    expected = r"error: \w+ is not installed; install it with pip install 'edge-predict\[serve\]'\n"
    assert re.fullmatch(expected, result.stderr)


def test_importing_the_runtime_is_cheap() -> None:
    """onnxruntime comes with the first Predictor, numpy with the first mention of it."""
    code = """
import sys, edge_runtime, edge_runtime.rows, edge_runtime.contract.values
assert not {'numpy', 'onnxruntime', 'typer'} & set(sys.modules)
"""
    assert run_without((), code).returncode == 0


def loud_imports(source: str) -> Iterator[int]:
    """The lines of `source` that import ONNX Runtime before edge_runtime, which switches its telemetry off."""
    first: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [str(node.module)]
        else:
            continue
        for name in names:
            package = name.partition(".")[0]
            first[package] = min(node.lineno, first.get(package, sys.maxsize))
    if "onnxruntime" in first and first["onnxruntime"] < first.get("edge_runtime", sys.maxsize):
        yield first["onnxruntime"]


def test_onnxruntime_is_imported_in_silence() -> None:
    files = tracked_files("train/*.py", "export/*.py", "examples/*.py")
    assert len(files) > 50
    assert [f"{name}:{line}" for name, path in files.items() for line in loud_imports(path.read_text())] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import onnxruntime", [1]),
        ("import numpy, onnxruntime.capi as capi", [1]),
        ("def f():\n    from onnxruntime.quantization import quantize\nimport edge_runtime", [2]),
        ("from edge_runtime.predictor import Predictor\nfrom onnxruntime.tools import x", []),
        ("import onnx\nfrom .onnxruntime import x\nfrom onnxruntime_extensions import y", []),
    ],
)
def test_a_loud_import_is_found(source: str, lines: list[int]) -> None:
    assert list(loud_imports(source)) == lines
