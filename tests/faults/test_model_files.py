"""A model's file that is replaced, truncated or deleted while the model is open."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime import EdgePredictError, IsolatedPredictor, IsolationFailed, OpenedModel

onnx = pytest.importorskip("onnx")

# Of an embedding, in kilobytes. From 1 MiB on, a file is opened by its path.
SIZES = {"small": 500, "large": 10_000}
WIDTH = 64


def saved(folder: Path, size: str, has_data: bool) -> Path:
    """A model that gives the rows of a table, which ONNX Runtime does not copy for itself."""
    from onnx import TensorProto, helper, numpy_helper

    rows = SIZES[size] * 1000 // 4 // WIDTH
    table = np.arange(rows * WIDTH, dtype=np.float32).reshape(rows, WIDTH)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "place"], ["y"])],
        "g",
        [helper.make_tensor_value_info("place", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", WIDTH])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / f"{size}.onnx"
    onnx.save(model, str(path), save_as_external_data=has_data, location=f"{size}.onnx.data")
    return path


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"\xff" * path.stat().st_size)
    other.replace(path)


def truncated(path: Path) -> None:
    os.truncate(path, 100)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)


HARMS: list[Callable[[Path], object]] = [replaced, truncated, overwritten, Path.unlink]


def answers(model: Any, size: str, part: int) -> None:
    """Ask for rows that no earlier part has asked for."""
    rows = SIZES[size] * 1000 // 4 // WIDTH
    places = np.arange(part, rows, 17)
    expected = (places[:, None] * WIDTH + np.arange(WIDTH)).astype(np.float32)
    assert np.array_equal(model.run({"place": places})["y"], expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("harm", HARMS)
def test_the_file_of_an_open_model(tmp_path: Path, size: str, harm: Callable[[Path], object]) -> None:
    if sys.platform == "win32" and harm in (replaced, Path.unlink):
        pytest.skip("Windows lets nobody do that")
    path = saved(tmp_path, size, has_data=False)
    model = OpenedModel(path, device="cpu")
    harm(path)
    for part in range(3):
        answers(model, size, part)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets nobody do that")
@pytest.mark.parametrize("harm", [replaced, Path.unlink])
def test_the_data_file_of_an_open_model(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    """ONNX Runtime maps it, so it may be replaced and deleted, as docs/security.md says, and not written into."""
    path = saved(tmp_path, "large", has_data=True)
    model = OpenedModel(path, device="cpu")
    harm(path.with_name("large.onnx.data"))
    for part in range(3):
        answers(model, "large", part)


@pytest.mark.skipif(sys.platform != "linux", reason="ONNX Runtime maps files elsewhere in other ways")
def test_a_data_file_that_is_cut_ends_only_the_process_of_an_isolated_model(tmp_path: Path) -> None:
    path = saved(tmp_path, "large", has_data=True)
    with IsolatedPredictor(path) as model:
        answers(model, "large", 0)
        truncated(path.with_name("large.onnx.data"))
        with pytest.raises(IsolationFailed, match="crashed"):
            answers(model, "large", 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("has_data", [False, True])
def test_a_file_that_was_cut_before_is_refused(tmp_path: Path, size: str, has_data: bool) -> None:
    path = saved(tmp_path, size, has_data)
    file = path.with_name(f"{size}.onnx.data") if has_data else path
    for left in (0, 1, 100, file.stat().st_size // 2, file.stat().st_size - 1):
        saved(tmp_path, size, has_data)
        os.truncate(file, left)
        with pytest.raises(EdgePredictError):
            OpenedModel(path, device="cpu")
