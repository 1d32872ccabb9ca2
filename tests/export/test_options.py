"""What the user may choose: checked before any work."""

import os
import warnings
from pathlib import Path
from typing import Unpack

import numpy as np
import pytest
from signatures import new_key, private_pem

from edge_export import Budget, ExportError, Format, Precision
from edge_export.options import Choices, Options, check_paths, choose, file_paths
from edge_export.signing import SigningKey
from edge_runtime.contract.errors import CannotWrite
from edge_runtime.contract.limits import Limits
from edge_runtime.contract.progress import SILENT, Progress

ONNX, TORCHSCRIPT, ORT, C, EXTENSION = Format
FLOAT32, FLOAT16, INT8, INT8_DYNAMIC = Precision


def test_the_defaults() -> None:
    assert choose({}) == Choices(
        formats=(ONNX,),
        precisions=(FLOAT32,),
        data=None,
        ranges={},
        sampler=None,
        budget=Budget(),
        finite_only=False,
        require_nonfinite=False,
        opset=18,
        custom_translation_table=None,
        labels=(),
        from_logits=False,
        limits=Limits(),
        report=None,
        page=None,
        sign=None,
        reproduce=None,
        note=warnings.warn,
        progress=SILENT,
    )


def test_what_is_not_finite_cannot_be_excluded_and_required() -> None:
    with pytest.raises(ExportError) as raised:
        choose({"finite_only": True, "require_nonfinite": True})
    assert str(raised.value) == (
        "what is not finite cannot be both excluded and required; choose --finite (finite_only=True) or "
        "--require-nonfinite (require_nonfinite=True)"
    )


def test_a_page_needs_the_onnx_file() -> None:
    with pytest.raises(ExportError, match="a page holds the ONNX file; make it too, with --format onnx"):
        choose({"formats": ["ort"], "page": "page.html"})


def test_everything_that_is_given_is_kept() -> None:
    notes: list[str] = []
    progress, rows = Progress(), {"x": np.zeros(3)}

    def draw(random: object, rows: int) -> dict[str, object]:
        return {}

    choices = choose(
        {
            "formats": ["ort", "onnx"],
            "precisions": ["int8", "float32"],
            "data": rows,
            "ranges": {"c": (0, 2)},
            "sampler": draw,
            "budget": Budget(0.5, 0.5),
            "finite_only": True,
            "opset": 20,
            "custom_translation_table": {print: repr},
            "labels": np.array(["cat", "dog"]),  # type: ignore[typeddict-item]
            "from_logits": True,
            "report": "report.html",
            "page": "page.html",
            "reproduce": Path("shown"),
            "note": notes.append,
            "progress": progress,
        }
    )
    assert (choices.formats, choices.precisions) == ((ORT, ONNX), (INT8, FLOAT32))
    assert choices.data is rows
    assert (choices.ranges, choices.sampler) == ({"c": (0, 2)}, draw)
    assert (choices.budget, choices.finite_only) == (Budget(0.5, 0.5), True)
    assert (choices.report, choices.page, choices.reproduce) == (Path("report.html"), Path("page.html"), Path("shown"))
    assert (choices.opset, choices.custom_translation_table) == (20, {print: repr})
    assert choices.progress is progress
    assert (choices.labels, choices.from_logits) == (("cat", "dog"), True)
    choices.note("a line")
    assert notes == ["a line"]


def test_names_may_be_given_as_strings_alone_and_twice() -> None:
    choices = choose({"formats": "ort", "precisions": ["float16", Precision.FLOAT16, "float32"], "data": "rows.csv"})
    assert (choices.formats, choices.precisions) == ((ORT,), (FLOAT16, FLOAT32))
    assert choices.data == Path("rows.csv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"formats": ["pickle"]},
            "'pickle' is not a valid Format; the choices are onnx, torchscript, ort, c, extension",
        ),
        (
            {"precisions": ["int4"]},
            "'int4' is not a valid Precision; the choices are float32, float16, int8, int8-dynamic",
        ),
        (
            {"from_logits": True},
            "--from-logits (from_logits=True) is for --labels (labels=...)",
        ),
        (
            {"labels": ["a", "a"]},
            "labels: the label 'a' is there twice, as number 1 and 2 of 2; give each class its own",
        ),
        ({"labels": []}, "labels: two different labels or more are needed, found []"),
        ({"labels": "cat"}, "labels must be a list of labels, not the string 'cat'"),
        ({"labels": ["a", 1]}, "labels: the labels are not all of the same type"),
        ({"formats": []}, "no format is chosen, so that nothing would be made"),
        ({"opset": 17}, "opset 17 is too low; the lowest is 18"),
        ({"precisions": ()}, "no precision is chosen, so that nothing would be made"),
        (
            {"formats": ["torchscript"], "precisions": ["float16", "int8-dynamic"]},
            "torchscript is made in float32 only; choose onnx or ort for another precision",
        ),
        (
            {"precisions": ["float32", "int8"]},
            "int8 is calibrated on rows like those that the model will meet; give some with --data (data=...), or "
            "choose int8-dynamic",
        ),
    ],
)
def test_choices_that_contradict_each_other(options: Options, message: str) -> None:
    with pytest.raises(ExportError) as raised:
        choose(options)
    assert str(raised.value) == message


def test_torchscript_may_stand_beside_lower_precisions() -> None:
    choose({"formats": ["torchscript"], "precisions": ["float32", "float16"]})
    choose({"formats": ["torchscript", "onnx"], "precisions": ["float16"]})


@pytest.mark.parametrize(
    ("kind", "precision", "name"),
    [
        (ONNX, FLOAT32, "model.onnx"),
        (ORT, INT8_DYNAMIC, "model.int8-dynamic.ort"),
        (ONNX, FLOAT16, "model.float16.onnx"),
    ],
)
def test_where_files_go(kind: Format, precision: Precision, name: str) -> None:
    assert file_paths(Path("folder"), "model", kind, precision) == [Path("folder", name)]


def test_c_has_a_header_and_a_test_beside_it() -> None:
    found = file_paths(Path("folder"), "model", C, FLOAT32)
    assert found == [Path("folder", name) for name in ("model.c", "model.h", "model_test.c")]


# ---------------------------------------------------------------------------------------------------------------- paths


def check(folder: Path, *read: Path, **options: Unpack[Options]) -> None:
    check_paths(folder, "model", choose(options), read)


def test_the_folder_is_made(tmp_path: Path) -> None:
    check(tmp_path / "new" / "folder", report=tmp_path / "other" / "page.html")
    assert (tmp_path / "new" / "folder").is_dir()
    assert (tmp_path / "other").is_dir()
    assert not list((tmp_path / "new" / "folder").iterdir())


def test_files_that_are_not_there(tmp_path: Path) -> None:
    there, nowhere = tmp_path / "there.pt", tmp_path / "nowhere.csv"
    there.touch()
    check(tmp_path / "out", there)
    with pytest.raises(ExportError, match=rf"^{nowhere}: no such file$"):
        check(tmp_path / "out", there, nowhere)
    with pytest.raises(ExportError, match=rf"^{nowhere}: no such file$"):
        check(tmp_path / "out", there, data=nowhere)
    with pytest.raises(ExportError, match=rf"^{tmp_path} is a folder, not a file$"):
        check(tmp_path / "out", tmp_path)
    with pytest.raises(ExportError, match=rf"^{tmp_path} is a folder, not a file$"):
        check(tmp_path / "out", data=str(tmp_path))


def test_nothing_is_made_if_a_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ExportError):
        check(tmp_path / "out", tmp_path / "nowhere.pt")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["model.onnx", "model.float16.onnx", "link.pt"])
def test_what_is_read_is_not_written_over(tmp_path: Path, name: str) -> None:
    read = tmp_path / name
    (tmp_path / "model.onnx").touch()
    if name == "link.pt":
        read.symlink_to("model.onnx")
    else:
        read.touch()
    precisions = ["float32", "float16"]
    message = "would be overwritten by this export; rename it or choose another folder"
    with pytest.raises(ExportError, match=message):
        check(tmp_path, data=read, precisions=precisions)
    check(tmp_path / "elsewhere", data=read)


def test_an_artifact_is_not_exported_again(tmp_path: Path) -> None:
    for name in ("model.onnx", "model.ort", "model.torchscript"):
        (tmp_path / name).touch()
        with pytest.raises(ExportError, match=f"{name} has the name of a file that an export makes; give what"):
            check(tmp_path / "elsewhere", tmp_path / name)


def test_no_file_is_written_twice(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"^{tmp_path / 'model.onnx'} would be overwritten by this export"):
        check(tmp_path, report=tmp_path / "model.onnx")


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match=rf"^{tmp_path / 'file'} is a file, not a folder$"):
        check(tmp_path / "file")
    with pytest.raises(CannotWrite, match=rf"^{tmp_path / 'file'} is a file, not a folder$"):
        check(tmp_path / "file" / "new")
    for name in ("page.html", "model.float16.onnx"):
        (tmp_path / name).mkdir()
    with pytest.raises(CannotWrite, match=r"page\.html is a folder"):
        check(tmp_path, report=tmp_path / "page.html")
    with pytest.raises(CannotWrite, match=r"model\.float16\.onnx is a folder"):
        check(tmp_path, precisions=["float32", "float16"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWrite, match="Permission denied"):
        check(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="has no such names")
@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a\x7f", os.fsdecode(b"\xff")])
def test_what_a_signature_cannot_name_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    key = SigningKey.read(private_pem(new_key()))
    with pytest.raises(ExportError, match=r"^[ -~]+ cannot be signed; choose a name without backslashes"):
        check_paths(tmp_path, name, choose({"sign": key}), [])
    assert not list(tmp_path.iterdir())
    # What is not signed may have any name.
    check_paths(tmp_path, name, choose({}), [])
    (tmp_path / "folder").mkdir()
    check_paths(tmp_path / "folder", "model", choose({"sign": key, "report": tmp_path / f"{name}.html"}), [])
