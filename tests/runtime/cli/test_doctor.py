"""What edge-predict --doctor says of a sound installation, and of each kind of broken one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import assert_one_line
from paths import FOUR_BLOBS as MODEL
from traced import bare_environment

from edge_runtime import RuntimeNotInstalled, __version__
from edge_runtime.cli import doctor
from edge_runtime.cli.command import main
from edge_runtime.cli.installed import Requirement
from edge_runtime.engine.devices import CPU, CUDA
from edge_runtime.engine.installation import import_onnxruntime, numbers

Command = Callable[..., Any]
ORT_VERSION = import_onnxruntime().__version__
NO_DRIVER = "the NVIDIA driver is not installed (libcuda.so.1 is not found)"


def loaded(version: str, **parts: str) -> SimpleNamespace:
    """An onnxruntime module."""
    file = "/site/onnxruntime/__init__.py"
    return SimpleNamespace(__version__=version, __file__=file, get_available_providers=lambda: [], **parts)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A sound installation without a GPU, whose parts a test may change."""
    parts: dict[str, Any] = {
        "requirements": [
            Requirement("numpy", ">=1.26", None),
            Requirement("onnxruntime", ">=1.17", "cpu"),
            Requirement("onnxruntime-gpu", ">=1.18", "gpu"),
            Requirement("starlette", ">=0.46", "serve"),
            Requirement("uvicorn", ">=0.34", "serve"),
        ],
        "versions": {"numpy": "2.4.6", "edge-predict": "9.9", "starlette": "0.50", "uvicorn": "0.30", "typer": "0.28"},
        "packages": {"onnxruntime": "1.32.0"},
        "onnxruntime": loaded("1.32.0"),
        "trials": {CPU: None},
        "telemetry": (True, "edge_runtime sets ORT_DISABLE_TELEMETRY=1"),
        "driver": NO_DRIVER,
        "driver_cuda": (12, 8),
        "gpus": [],
        "nvidia": {},
    }

    def import_onnxruntime() -> Any:
        if isinstance(parts["onnxruntime"], Exception):
            raise parts["onnxruntime"]
        return parts["onnxruntime"]

    for name, function in {
        "requirements": lambda: parts["requirements"],
        "version_of": lambda name: {**parts["versions"], **parts["nvidia"]}.get(name),
        "installed": lambda prefix: parts["nvidia"],
        "packages": lambda folders: parts["packages"],
        "import_onnxruntime": import_onnxruntime,
        "trials": lambda providers: parts["trials"],
        "telemetry": lambda: parts["telemetry"],
        "cuda_driver_problem": lambda: parts["driver"],
        "driver_cuda_version": lambda: parts["driver_cuda"],
        "_gpus": lambda: parts["gpus"],
    }.items():
        monkeypatch.setattr(doctor, name, function)
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    return parts


def test_this_installation(command: Command) -> None:
    shown = command(main, "--doctor")
    found = json.loads(command(main, MODEL, "--doctor", "--format", "json").out)
    assert shown.err == ""
    assert shown.code == (0 if found["ok"] else 1)
    assert f"edge-predict  {__version__} in " in shown.out
    assert f"provider      {CPU}: works\n" in shown.out
    assert found["onnxruntime"]["version"] == ORT_VERSION
    assert found["providers"][CPU] is None
    assert found["telemetry"]["off"]
    assert "four_blobs.onnx" in found["model"]


@pytest.mark.usefixtures("machine")
def test_a_sound_installation(command: Command) -> None:
    result = command(main, "--doctor")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("all is well\n")
    assert "extra         serve: not installed, without uvicorn>=0.34\n" in result.out
    assert "ONNX Runtime  onnxruntime 1.32.0; 1.32.0 in /site/onnxruntime\n" in result.out
    assert f"GPU           {NO_DRIVER}\n" in result.out
    assert json.loads(command(main, "--doctor", "--format=json").out)["problems"] == []


GPU = {
    "packages": {"onnxruntime-gpu": "1.32.0"},
    "gpus": ["NVIDIA H100, 570.1, 81559 MiB"],
    "driver": None,
    "driver_cuda": (13, 0),
    "onnxruntime": loaded("1.32.0", cuda_version="13.0"),
    "trials": {CPU: None, CUDA: "libcudnn.so.9: not found"},
}


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        ({"versions": {}}, "numpy is not installed", "pip install 'numpy>=1.26'"),
        (
            {"versions": {"numpy": "1.25.2"}},
            "numpy 1.25.2 is installed, and edge-predict works with >=1.26",
            "pip install 'numpy>=1.26'",
        ),
        (
            {
                "packages": {"onnxruntime": "1.16.3"},
                "onnxruntime": loaded("1.16.3"),
            },
            "onnxruntime 1.16.3 is installed, and edge-predict works with >=1.17",
            "pip install 'onnxruntime>=1.17'",
        ),
        (
            {"onnxruntime": RuntimeNotInstalled("a and b are installed; or so; fix it with pip uninstall a")},
            "a and b are installed; or so",
            "pip uninstall a",
        ),
        ({"onnxruntime": RuntimeNotInstalled("nothing")}, "nothing", ""),
        (
            {"packages": {"onnxruntime": "1.31.0"}},
            "onnxruntime 1.31.0 is installed, and its folder holds 1.32.0",
            "pip install --force-reinstall onnxruntime",
        ),
        (
            {"trials": {CPU: "Illegal instruction"}},
            "ONNX Runtime does not compute on the CPU: Illegal instruction",
            "pip install --force-reinstall onnxruntime",
        ),
        (
            {"telemetry": (False, "onnxruntime was imported before")},
            "telemetry is on: onnxruntime was imported before",
            "export ORT_DISABLE_TELEMETRY=1",
        ),
        (
            {"gpus": ["NVIDIA H100"]},
            f"nvidia-smi finds a GPU, but {NO_DRIVER}",
            "reinstall NVIDIA's driver",
        ),
        (GPU, "CUDA does not start: libcudnn.so.9: not found", "pip install 'edge-predict[gpu-cuda]'"),
        (
            {**GPU, "driver_cuda": (12, 8)},
            "onnxruntime-gpu 1.32.0 is built for CUDA 13, and NVIDIA's driver supports CUDA up to 12.8",
            "update NVIDIA's driver, or pip install 'onnxruntime-gpu<1.27'",
        ),
        (
            {**GPU, "nvidia": {"nvidia-cudnn-cu12": "9.1"}},
            "onnxruntime-gpu 1.32.0 is built for CUDA 13, and the packages of CUDA 12 are installed "
            "(libcudnn.so.9: not found)",
            "pip install 'edge-predict[gpu-cuda]'",
        ),
    ],
)
def test_what_is_wrong(
    command: Command, machine: dict[str, Any], changes: dict[str, Any], problem: str, fix: str
) -> None:
    machine.update(changes)
    result = command(main, "--doctor")
    assert (result.code, result.err) == (1, "")
    advice = f"  fix         {fix}\n" if fix else ""
    assert result.out.endswith(f"problem       {problem}\n{advice}1 problem\n"), result.out
    found = json.loads(command(main, "--doctor", "--format", "json").out)
    assert found["problems"] == [{"problem": problem, "fix": fix}]


@pytest.mark.parametrize(
    "changes",
    [
        {**GPU, "trials": {CPU: None, CUDA: None}},
        {"trials": {CPU: None, "AzureExecutionProvider": "it leaves even a matrix product to the CPU"}},
        {
            "telemetry": (False, "onnxruntime was imported before"),
            "packages": {"onnxruntime": "1.28.0"},
            "onnxruntime": loaded("1.28.0"),
        },
    ],
)
def test_what_is_not_wrong(command: Command, machine: dict[str, Any], changes: dict[str, Any]) -> None:
    machine.update(changes)
    assert command(main, "--doctor").out.endswith("all is well\n")


def test_the_cpu_package_on_a_machine_with_a_gpu_is_a_choice(command: Command, machine: dict[str, Any]) -> None:
    machine.update({**GPU, "packages": {"onnxruntime": "1.32.0"}, "trials": {CPU: None}})
    result = command(main, "--doctor")
    assert result.code == 0
    advice = "pip uninstall -y onnxruntime && pip install 'edge-predict[gpu-cuda]'"
    assert f"GPU           NVIDIA H100, 570.1, 81559 MiB; ONNX Runtime has no CUDA, {advice} adds it\n" in result.out


def test_telemetry_that_the_user_wants_is_not_wrong(
    command: Command, machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    machine["telemetry"] = (False, "ORT_DISABLE_TELEMETRY=0")
    result = command(main, "--doctor")
    assert result.code == 0
    assert "telemetry     on: ORT_DISABLE_TELEMETRY=0\n" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-1", "1"], "--doctor goes with MODEL, --isolate and --format alone"),
        (["--verify"], "--doctor goes with MODEL, --isolate and --format alone"),
        (["--device", "cuda"], "--doctor goes with MODEL, --isolate and --format alone"),
        (["--format", "csv"], "--doctor is written as text or json"),
        (["--bogus"], "no such option: --bogus"),
    ],
)
def test_wrong_usage(command: Command, arguments: list[str], message: str) -> None:
    assert_one_line(command(main, MODEL, "--doctor", *arguments), 2, message)


def test_paths_do_not_name_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert doctor._short("/home/somebody/venv/bin/python") == "~/venv/bin/python"
    assert doctor._short("/home/somebodyelse/venv") == "/home/somebodyelse/venv"

    # A user that the system does not know has no home.
    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    assert doctor._short("/home/somebody/venv") == "/home/somebody/venv"


def run(folder: Path, *arguments: str, script: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which finds the modules in `folder` first."""
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    code = f"{script}\nimport sys\nfrom edge_runtime.cli.command import main\nsys.exit(main({list(arguments)}))"
    environment = {**bare_environment(folder), "PYTHONPATH": path}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["edge_predict-1", "nvidia_cuda-1", "typer-1", "onnxruntime-1"])
def test_a_damaged_record_of_a_package(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.dist-info").mkdir()
    for file in ("METADATA", "RECORD"):
        (tmp_path / f"{name}.dist-info" / file).write_bytes(b"Name: nvidia-\xff\nVersion: \xff\n")
    result = run(tmp_path, "--doctor")
    assert result.stderr == ""
    assert result.stdout.endswith(("all is well\n", "problem\n", "problems\n"))


def test_a_broken_onnxruntime(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libstdc++.so.6: not found')")
    result = run(tmp_path, "--doctor")
    assert (result.returncode, result.stderr) == (1, "")
    assert "cannot be loaded (libstdc++.so.6: not found)\n  fix         pip install --force-reinstall" in result.stdout


def test_a_broken_typer(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise ImportError('cannot import name X')")
    result = run(tmp_path, "--doctor")
    assert (result.returncode, result.stderr) == (1, "")
    problem = "typer cannot be loaded (cannot import name X)"
    assert f"problem       {problem}\n" in result.stdout
    as_json = json.loads(run(tmp_path, "--doctor", "--format", "json").stdout)
    assert problem in [one["problem"] for one in as_json["problems"]]
    refused = run(tmp_path, str(MODEL), "--verify")
    assert refused.returncode == 1
    assert refused.stderr == f"error: {problem}; edge-predict --doctor says how to fix it\n"


@pytest.mark.skipif(numbers(ORT_VERSION) < (1, 29), reason="this ONNX Runtime sends nothing")
def test_telemetry_that_is_on_already(tmp_path: Path) -> None:
    """Something imports ONNX Runtime whenever Python starts, such as a sitecustomize."""
    result = run(tmp_path, "--doctor", script="import onnxruntime")
    assert result.returncode == 1
    assert "telemetry     on: onnxruntime was imported before edge_runtime could switch it off\n" in result.stdout
    assert "export ORT_DISABLE_TELEMETRY=1\n1 problem\n" in result.stdout


@pytest.mark.parametrize(
    ("tool", "expected"),
    [("echo 'NVIDIA H100,  570.1, 81559 MiB'", ["NVIDIA H100, 570.1, 81559 MiB"]), ("exit 9", []), (None, [])],
)
@pytest.mark.skipif(os.name == "nt", reason="the tool is a shell script")
def test_the_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tool: str | None, expected: list[str]) -> None:
    if tool is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{tool}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor._gpus() == expected
