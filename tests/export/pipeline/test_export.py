"""Exports as a whole: everything is built and verified before the first file is put in place."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from exports import from_torchscript, the_one
from layers import Layer, layer, rows
from onnx import ModelProto
from torch import Tensor, nn
from torch.export import Dim

from edge_export import Export, ExportError, Format, ParityError, Precision, export, export_checkpoint
from edge_export.formats.onnx_file import onnx_model
from edge_export.pipeline import certified
from edge_export.pipeline import export as pipeline
from edge_export.pipeline.plan import Plan
from edge_export.pipeline.reference import Reference, make_reference
from edge_export.verify import worst_case_search
from edge_runtime import Feature, Input, Predictor, Signature
from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.progress import Progress
from edge_train import CheckpointError, Network, load_checkpoint


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter changes one weight on the way."""

    def with_one_weight_changed(*given: Any, **options: Any) -> ModelProto:
        model = onnx_model(*given, **options)
        values = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
        values.flat[0] += 0.01
        model.graph.initializer[0].raw_data = values.tobytes()
        return model

    monkeypatch.setattr(pipeline, "onnx_model", with_one_weight_changed)


# ------------------------------------------------------------------------------------------------------- what is made


def test_every_format_and_precision(example_exports: list[Export]) -> None:
    every = itertools.product(Precision, Format)
    # TorchScript and extensions are made in float32 only, C also in int8.
    assert [(one.precision, one.format) for one in example_exports] == [
        (precision, kind)
        for precision, kind in every
        if kind in ("onnx", "ort") or precision == "float32" or (kind, precision) == ("c", "int8")
    ]
    folder = example_exports[0].path.parent
    assert names(folder) == sorted(path.name for one in example_exports for path in (one.path, *one.beside))
    for one in example_exports:
        assert one.path.read_bytes() == one.content


def test_they_answer_as_torch_does(example_exports: list[Export], trained: Path) -> None:
    model: Network = load_checkpoint(trained)
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).numpy()[:, 0]
        loaded = from_torchscript(the_one(example_exports, "torchscript").path)(torch.from_numpy(x)).numpy()[:, 0]
    np.testing.assert_array_equal(loaded, expected)
    for made in example_exports:
        if made.certificate is not None:
            found = Predictor(made.path, verify=True).predict_proba(x)[:, 1]
            apart = np.abs(found - expected)
            assert apart.max() < {"float32": 1e-6, "float16": 1e-3}.get(made.precision, 1)
            assert np.median(apart) < 0.01


def test_any_module_to_the_path_that_is_given(tmp_path: Path) -> None:
    path = tmp_path / "new" / "odd name.bin"
    (made,) = export(nn.Linear(3, 2), rows(), str(path))
    assert made.path == path.with_suffix(".onnx")
    assert names(path.parent) == ["odd name.onnx"]
    assert [spec.shape for spec in Predictor(made.path, verify=True).inputs] == [("batch", 3)]


def test_an_exported_program_with_a_signature(tmp_path: Path) -> None:
    module = layer(lambda self, x: self.layer(x)[:, :1].sigmoid()).eval()
    exported = torch.export.export(module, (rows(),), dynamic_shapes=({0: Dim("rows")},))
    signature = Signature((Input("x", tuple(map(Feature, "abc"))),), "chance", ("no", "yes"))
    (made,) = export(exported, None, tmp_path / "model.onnx", signature=signature)
    predictor = Predictor(made.path, verify=True)
    assert predictor.signature == signature
    with torch.no_grad():
        np.testing.assert_allclose(predictor.predict_proba(rows().numpy())[:, 1:], module(rows()), atol=1e-6)


def test_the_same_module_gives_the_same_file(tmp_path: Path) -> None:
    contents = [export(nn.Identity(), rows(), tmp_path / f"{name}.onnx")[0].content for name in "ab"]
    assert contents[0] == contents[1]


def test_a_module_that_takes_no_row_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    company = nn.BatchNorm1d(3, track_running_stats=False)
    notes: list[str] = []
    (made,) = export(company, torch.randn(4, 3), tmp_path / "m.onnx", note=notes.append)
    assert Predictor(made.path).verify().passed
    (note,) = notes
    assert made.certificate is not None
    not_run = made.certificate.comparisons[0]["not_run"]
    assert not_run > 0
    assert note.startswith(f"the module itself fails on some calls, which are not compared ({not_run} of ")
    assert "Expected more than 1 value per channel" in note


def test_torch_computes_on_one_thread_and_goes_on_with_as_many_as_before(tmp_path: Path) -> None:
    seen: list[int] = []

    class Watched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(torch.get_num_threads())
            return x * 2

    torch.set_num_threads(2)
    try:
        export(Watched(), rows(), tmp_path / "m.onnx", formats=["torchscript"])
        assert torch.get_num_threads() == 2
        with pytest.raises(ExportError):
            export(layer(fails_on_single_rows), rows(), tmp_path / "m.onnx", data={"x": np.ones((1, 3))})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert seen[-1] == 1


def fails_on_single_rows(self: object, x: Tensor) -> Tensor:
    if x.shape[0] == 1:
        raise ValueError("one row")
    return x * 2


def test_progress(tmp_path: Path) -> None:
    steps: list[tuple[str, int | None, int]] = []

    class Recorded(Progress):
        def begin(self, label: str, total: int | None = None) -> None:
            steps.append((self.label, self.total, self.done))
            super().begin(label, total)

    progress = Recorded("before")
    options: Any = {"formats": ["onnx", "torchscript"], "precisions": ["float32", "float16"]}
    export(nn.Linear(3, 2), rows(), tmp_path / "m.onnx", progress=progress, **options)
    steps.append((progress.label, progress.total, progress.done))
    assert [label for label, _, _ in steps] == [
        "before",
        "capturing the module",
        "drawing probe inputs",
        "running torch in float64",
        "verifying m.onnx",
        "verifying m.torchscript",
        "converting to float16 and measuring it",
    ]
    totals = {label: total for label, total, _ in steps if total is not None}
    calls = totals["running torch in float64"]
    assert totals == {
        "running torch in float64": calls,
        "verifying m.onnx": calls + len(worst_case_search.STEPS),
        "verifying m.torchscript": calls + len(worst_case_search.STEPS),
    }
    assert calls > 10
    # Each is done when the next one begins.
    assert [(label, done) for label, total, done in steps if total is not None] == list(totals.items())


# ------------------------------------------------------------------------------------------------- what is not made


@pytest.mark.usefixtures("damaged")
def test_a_damaged_export_leaves_no_file_and_earlier_files_alone(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"earlier")
    with pytest.raises(ParityError, match="does not compute what torch computes and is not written") as raised:
        export_checkpoint(trained, tmp_path, formats=["onnx", "torchscript"])
    assert str(raised.value).startswith(str(tmp_path / "model.onnx"))
    assert "the smallest tolerance that would pass is" in str(raised.value)
    assert (tmp_path / "model.onnx").read_bytes() == b"earlier"
    assert names(tmp_path) == ["model.onnx"]


def test_a_failing_export_leaves_nothing_of_several_formats(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: bytes) -> bytes:
        raise ExportError("the disk is full")

    monkeypatch.setattr(certified, "ort_bytes", full)
    with pytest.raises(ExportError, match="the disk is full"):
        export_checkpoint(trained, tmp_path, formats=["onnx", "ort"])
    assert names(tmp_path) == []


def test_a_place_that_is_taken_in_the_meantime_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(plan: Plan) -> Reference:
        (tmp_path / "m.ort").mkdir()
        return make_reference(plan)

    monkeypatch.setattr(pipeline, "make_reference", taken)
    with pytest.raises(CannotWrite, match=r"m\.ort cannot be written: Is a directory"):
        export(nn.Identity(), rows(), tmp_path / "m.onnx", formats=["onnx", "ort"])
    assert names(tmp_path) == ["m.ort"]


def test_a_checkpoint_is_not_overwritten_by_its_export(trained: Path, tmp_path: Path) -> None:
    odd = tmp_path / "odd.onnx"
    odd.write_bytes(trained.read_bytes())
    with pytest.raises(ExportError, match="has the name of a file that an export makes"):
        export_checkpoint(odd)
    assert odd.read_bytes() == trained.read_bytes()


def test_missing_files_are_found_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "load_program", None)
    monkeypatch.setattr(pipeline, "capture", None)
    with pytest.raises(ExportError, match=r"nowhere\.pt: no such file"):
        export_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(ExportError, match=r"nowhere\.csv: no such file"):
        export(nn.Identity(), rows(), tmp_path / "m.onnx", data=tmp_path / "nowhere.csv")


def test_a_file_that_is_not_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        export_checkpoint(tmp_path / "text.pt")
    assert names(tmp_path) == ["text.pt"]


def test_a_branch_beyond_the_sizes_of_the_example_is_found(tmp_path: Path) -> None:
    def branch(self: object, x: Tensor) -> Tensor:
        return x if x.shape[0] <= 5 else -x

    with pytest.raises(ParityError, match="does not compute what torch computes"):
        export(layer(branch), torch.ones(3, 2), tmp_path / "m.onnx")
    assert names(tmp_path) == []


def test_an_output_whose_size_depends_on_values(tmp_path: Path) -> None:
    export(layer(lambda self, x: x.nonzero()), rows(), tmp_path / "m.onnx")
    found = Predictor(tmp_path / "m.onnx").run({"x": np.array([[0, 2, 0], [0, 0, 1]], np.float32)})["output"]
    np.testing.assert_array_equal(found, [[0, 1], [1, 2]])


def test_an_output_whose_size_depends_on_roundings(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="the number of elements of output depends on how float32 rounds"):
        export(layer(lambda self, x: (x.exp().log() - x).nonzero()), rows(), tmp_path / "m.onnx")
    assert names(tmp_path) == []


class Counted(Layer):
    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Any:
        self.seen += 1
        return self.layer(x)


def test_notes_of_the_capture_and_the_opset_of_the_certificate(tmp_path: Path) -> None:
    notes: list[str] = []
    (made,) = export(Counted(), rows(), tmp_path / "m.onnx", opset=20, note=notes.append)
    assert notes == ["the module changes its own seen as it runs, which no output depends on: the artifact does not"]
    certificate = Predictor(made.path).certificate
    assert certificate is not None
    assert certificate.versions["opset"] == "20"
    assert [known.version for known in onnx.load(made.path).opset_import] == [20]


def test_a_module_for_one_row(tmp_path: Path) -> None:
    module = layer(lambda self, x: self.layer(x.reshape(1, 3)))
    (made,) = export(module, rows(1, 3), tmp_path / "m.onnx", dynamic={"x": ()})
    assert Predictor(made.path).verify().passed
