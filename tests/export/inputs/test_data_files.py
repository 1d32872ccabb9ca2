import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_export import ExportError
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.cli.command import main
from edge_export.inputs.data_files import fitted, read_data, read_tensors
from edge_runtime.contract.errors import InvalidInput
from edge_train import NeuralNet, save_checkpoint

Command = Callable[..., Any]


class Two(nn.Module):
    def forward(self, sequence: Tensor, ids: Tensor, keep: Tensor) -> Tensor:
        return sequence.sum(-1) * ids * keep


@pytest.fixture(scope="module")
def two() -> Program:
    length = ("batch", "length")
    example = (torch.randn(3, 5, 2), torch.ones(3, 5, dtype=torch.int32), torch.ones(3, 5, dtype=torch.bool))
    return capture(Two(), example, {"sequence": length, "ids": length, "keep": length})


@pytest.fixture(scope="module")
def features() -> Program:
    """A program with a signature, whose features are x1 and x2."""
    return capture(NeuralNet(2, 3), torch.zeros(2, 2))


def data(rows: int = 4, length: int = 6, **changes: Any) -> dict[str, Any]:
    arrays = {
        "sequence": np.random.default_rng(0).normal(size=(rows, length, 2)),
        "ids": np.arange(rows * length).reshape(rows, length),
        "keep": np.ones((rows, length), dtype=bool),
    }
    return {name: values for name, values in {**arrays, **changes}.items() if values is not None}


def test_arrays_take_the_types_of_the_inputs(two: Program) -> None:
    given = data(label=np.zeros(4))
    taken = fitted(given, two, "data")
    assert list(taken) == ["sequence", "ids", "keep"]
    assert [values.dtype for values in taken.values()] == [np.float32, np.int32, np.bool_]
    for name, values in taken.items():
        np.testing.assert_array_equal(values, given[name].astype(values.dtype))
    # Integers are numbers too, and lists are arrays; NaN and infinity are what float32 has as well.
    assert fitted(data(sequence=np.ones((4, 6, 2), dtype=np.int8)), two, "data")["sequence"].dtype == np.float32
    assert fitted(data(1, 1, ids=[[7]]), two, "data")["ids"].tolist() == [[7]]
    odd = fitted(data(1, 1, sequence=[[[np.nan, -np.inf]]]), two, "data")["sequence"]
    np.testing.assert_array_equal(odd, [[[np.nan, -np.inf]]])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (data(ids=None), "data lacks ids; it holds sequence, keep"),
        ({}, "data lacks sequence; it holds nothing"),
        (data(sequence=np.ones((4, 6))), "data: sequence has the shape [4, 6], and [batch, length, 2] is needed"),
        (data(sequence=np.ones((4, 6, 3))), "data: sequence has the shape [4, 6, 3], and [batch, length, 2] is needed"),
        (data(ids=np.ones(())), "data: ids has the shape [], and [batch, length] is needed"),
        (data(ids=np.ones((4, 6))), "data: ids is float64, and int32 is needed"),
        (data(keep=np.ones((4, 6), dtype=np.int64)), "data: keep is int64, and bool is needed"),
        (data(sequence=np.ones((4, 6, 2), dtype=bool)), "data: sequence is bool, and float32 is needed"),
        (data(sequence=np.full((4, 6, 2), "a")), "data: sequence is <U1, and float32 is needed"),
        (data(sequence=np.full((4, 6, 2), 1j)), "data: sequence is complex128, and float32 is needed"),
        (data(sequence=np.full((4, 6, 2), None)), "data: sequence is object, and float32 is needed"),
        (data(sequence=np.full((4, 6, 2), -1e39)), "data: sequence holds -1e+39, which does not fit float32"),
        (data(ids=np.full((4, 6), 2**31)), "data: ids holds 2147483648, which does not fit int32"),
        (data(ids=np.full((4, 6), 2**64 - 1, dtype=np.uint64)), "data: ids holds 18446744073709551615, which does not"),
        (data(ids=np.ones((5, 6), dtype=np.int32)), "data: batch is 4 in one array and 5 in ids"),
        (data(keep=np.ones((4, 7), dtype=bool)), "data: length is 6 in one array and 7 in keep"),
        (data(0), "data holds no row"),
        (data(4, 0), "data is empty along length"),
    ],
)
def test_arrays_that_do_not_fit(two: Program, given: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ExportError) as raised:
        fitted(given, two, "data")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_a_program_without_a_batch() -> None:
    program = capture(nn.Linear(3, 3), torch.randn(3), {"input": ()})
    assert fitted({"input": [1, 2, 3]}, program, "data")["input"].tolist() == [1, 2, 3]
    with pytest.raises(ExportError, match=r"input has the shape \[1, 3\], and \[3\] is needed"):
        fitted({"input": [[1, 2, 3]]}, program, "data")


def test_an_archive(tmp_path: Path, two: Program) -> None:
    path = tmp_path / "rows.npz"
    np.savez(path, **data())
    assert {name: values.shape for name, values in read_data(path, two).items()} == {
        "sequence": (4, 6, 2),
        "ids": (4, 6),
        "keep": (4, 6),
    }
    np.savez_compressed(path, **data(ids=None))
    with pytest.raises(ExportError, match=rf"{path} lacks ids"):
        read_data(path, two)


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def text(path: Path) -> None:
    path.write_text("1,2\n")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(path.with_name("ran"))))


def pickled_within(path: Path) -> None:
    np.savez(path, sequence=np.array([Payload(path.with_name("ran"))]))


def half(path: Path) -> None:
    np.savez(path, **data())
    path.write_bytes(path.read_bytes()[:200])


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (text, "is no .npz file"),
        (nothing, "is no .npz file"),
        (half, "is no .npz file"),
        (pickled, "is no .npz file"),
        (pickled_within, "is no .npz file"),
        (one_array, "holds one array without a name; save it with numpy.savez"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (lambda path: None, "cannot be read: No such file or directory"),
    ],
)
def test_files_that_are_no_archives(tmp_path: Path, make: Callable[[Path], Any], message: str) -> None:
    path = tmp_path / "rows.npz"
    make(path)
    with pytest.raises(ExportError) as raised:
        read_tensors(path)
    assert str(raised.value).startswith(f"{path} {message}")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv", "x2,label,x1\n2,yes,1\n-4,no,3e-1\n"),
        ("rows.csv", "1,2\n0.3,-4\n"),
        ("rows.csv", "\ufeffx1,x2\n1,2\n0.3,-4\n"),
        ("rows.jsonl", '[1, 2]\n{"x2": -4, "x1": 0.3, "label": "no"}\n'),
        ("rows", "1,2\r\n0.3,-4\r\n"),
    ],
)
def test_tables(tmp_path: Path, features: Program, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, newline="")
    read = read_data(tmp_path / name, features)["x"]
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, np.array([[1, 2], [0.3, -4]], dtype=np.float32))


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"x1,x2\n", InvalidInput, "rows.csv has no rows below its header"),
        (b"", InvalidInput, "rows.csv is empty"),
        (b"x1,x2\n1,2\n1\n", InvalidInput, "rows.csv line 3: 2 values are needed"),
        (b"x1,x2\n1,a\n", InvalidInput, "rows.csv line 2: x2: 'a' is not a number"),
        (b"x1,x3\n1,2\n", InvalidInput, "as a header the line lacks x2"),
        (b"x1,x2\n1,1e39\n", InvalidInput, "1e39 does not fit float32"),
        (b'{"x1": 1}\n', InvalidInput, "rows.csv line 1: missing x2"),
        (b"x1,x2\n1,\xff\n", ExportError, "rows.csv is not UTF-8 text"),
    ],
)
def test_tables_that_do_not_fit(
    tmp_path: Path, features: Program, content: bytes, kind: type[Exception], message: str
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(kind) as raised:
        read_data(tmp_path / "rows.csv", features)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_needs_features(tmp_path: Path, two: Program, features: Program) -> None:
    (tmp_path / "rows.csv").write_text("1,2\n")
    with pytest.raises(ExportError, match=r"no named features; give an \.npz file with an array for each input"):
        read_data(tmp_path / "rows.csv", two)
    with pytest.raises(ExportError, match=r"nowhere\.csv cannot be read: No such file"):
        read_data(tmp_path / "nowhere.csv", features)
    with pytest.raises(ExportError, match="cannot be read: Is a directory"):
        read_data(tmp_path, features)


def test_command(command: Command, tmp_path: Path) -> None:
    save_checkpoint(NeuralNet(2, 3), tmp_path / "model.pt")
    (tmp_path / "rows.csv").write_text("x1,x2\n1,2\n0.3,-4\n")
    result = command(main, tmp_path / "model.pt", "--format", "onnx", "--data", tmp_path / "rows.csv")
    assert (result.code, result.err) == (0, "")
    assert "rows like the data" in result.out
    assert (tmp_path / "model.onnx").exists()
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "rows.csv").write_text("x1,x2\n1,two\n")
    result = command(main, tmp_path / "model.pt", "--format", "onnx", "--data", tmp_path / "rows.csv")
    assert (result.code, result.out) == (1, "")
    assert result.err == f"error: {tmp_path / 'rows.csv'} line 2: x2: 'two' is not a number\n"
    assert not (tmp_path / "model.onnx").exists()
