"""The files of examples/serve fit the programs that they are for."""

import importlib.util
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from paths import MODELS, ROOT

from edge_runtime import Predictor

FOLDER = ROOT / "examples" / "serve"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def parsed(config: str) -> Any:
    """A config.pbtxt as Triton's own message."""
    found = importlib.util.find_spec("tritonclient")
    if found is None or found.submodule_search_locations is None:
        pytest.skip("tritonclient is not installed")
    text_format = pytest.importorskip("google.protobuf.text_format")
    # The package beside it needs grpc.
    path = Path(found.submodule_search_locations[0]) / "grpc" / "model_config_pb2.py"
    messages = runpy.run_path(str(path))
    return text_format.Parse(config, messages["ModelConfig"]())


@pytest.mark.parametrize(
    ("model", "inputs", "outputs", "most"),
    [
        ("penguins", [("x", "TYPE_FP32", [3]), ("text", "TYPE_STRING", [2])], [("probabilities", [3])], 1024),
        ("images", [("image", "TYPE_FP32", [2, 3, 4])], [("probabilities", [3])], 1024),
        ("words", [("ids", "TYPE_INT64", [-1]), ("mask", "TYPE_BOOL", [-1])], [("probability", [1])], 1024),
    ],
)
def test_triton_repository(model: str, inputs: list[Any], outputs: list[Any], most: int, tmp_path: Path) -> None:
    source = MODELS / f"{model}.onnx"
    command = [sys.executable, str(FOLDER / "triton_repository.py"), str(source), str(tmp_path), "mine"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "mine" / "1" / "model.onnx").read_bytes() == source.read_bytes()
    config = parsed((tmp_path / "mine" / "config.pbtxt").read_text())
    assert (config.name, config.backend, config.max_batch_size) == ("mine", "onnxruntime", most)
    kinds = config.input[0].DESCRIPTOR.fields_by_name["data_type"].enum_type.values_by_number
    assert [(one.name, kinds[one.data_type].name, list(one.dims)) for one in config.input] == inputs
    assert [(one.name, list(one.dims)) for one in config.output] == outputs
    assert config.HasField("dynamic_batching")


def test_a_model_of_one_size_is_not_batched() -> None:
    config = runpy.run_path(str(FOLDER / "triton_repository.py"))["config"]
    found = parsed(config("tensors", Predictor(MODELS / "tensors.onnx", device="cpu")))
    assert found.max_batch_size == 0
    assert not found.HasField("dynamic_batching")


def test_the_unit_is_valid(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd on this machine")
    text = (FOLDER / "edge-serve.service").read_text()
    # It looks for the command too.
    unit = tmp_path / "edge-serve.service"
    unit.write_text(text.replace("/opt/edge/bin/edge-serve", sys.executable))
    result = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "edge-serve.service" not in result.stderr


def test_what_the_files_name_is_there() -> None:
    container = (FOLDER / "Containerfile").read_text()
    assert "edge-serve" in PROJECT["scripts"]
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", container)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    for sources in re.findall(r"^COPY (?!--)(.+) \S+$", container, re.MULTILINE):
        assert all((ROOT / source).exists() for source in sources.split())
    # What is built from them needs no other file.
    assert set(PROJECT["license-files"]) | {PROJECT["readme"]} <= set(container.split())
