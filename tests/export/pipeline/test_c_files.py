"""C code is verified as every format is, and what cannot be written is said."""

import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from layers import layer, rows
from random_tables import random_table_net, zeros
from torch import Tensor, nn

from edge_export import ExportError, ParityError, export
from edge_export.c_code.compiler import builds, compile_c, compilers, load_c
from edge_export.c_code.cortex_m import CORES, Core, Footprint
from edge_export.c_code.extension import extension_source, loaded
from edge_export.c_code.files import CCode, c_code, c_test
from edge_export.c_code.wheel import wheel_name
from edge_export.pipeline import c_files
from edge_runtime.contract.signature import Feature, Input, Signature


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).eval()


def test_code_is_verified_and_its_test_passes_where_it_is_put(tmp_path: Path) -> None:
    (made,) = export(small(), rows(), tmp_path / "net.onnx", formats=["c"])
    assert names(tmp_path) == ["net.c", "net.h", "net_test.c"]
    assert made.path == tmp_path / "net.c"
    assert made.summary.startswith(f"{tmp_path / 'net.c'}, net.h, net_test.c ")
    assert "verified against torch on" in made.summary
    assert made.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    program = tmp_path / "net_test"
    compile_c(compilers()[0], [tmp_path / "net.c", tmp_path / "net_test.c"], program)
    assert subprocess.run([program], capture_output=True, text=True).stdout.startswith("passed: ")


def test_code_beside_other_formats(tmp_path: Path) -> None:
    exports = export(small(), rows(), tmp_path / "net.onnx", formats=["onnx", "c"], precisions=["float32", "float16"])
    assert [made.path.name for made in exports] == ["net.onnx", "net.c", "net.float16.onnx"]


def test_a_lower_precision_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="c is made in float32 and int8; choose onnx or ort for another precision"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"], precisions=["float16"])


def test_code_that_one_compiler_makes_wrong_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong as the last of the commands compiles it."""
    last = builds()[-1]

    def wrong(code: Any, command: Any, is_batched: bool) -> Any:
        run = load_c(code, command, is_batched)
        if command != last:
            return run
        return lambda tensors: {name: values + 1 for name, values in run(tensors).items()}

    monkeypatch.setattr(c_files, "load_c", wrong)
    with pytest.raises(ParityError, match=r"net\.c, compiled by .* does not compute what torch computes"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"])
    assert names(tmp_path) == []


def test_code_that_does_not_pass_its_own_test_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(code: Any, *others: Any) -> str:
        return c_test(code, *others).replace("_checksum() != ", "_checksum() == ")

    monkeypatch.setattr(c_files, "c_test", damaged)
    with pytest.raises(ExportError, match="does not pass its own test: the constants are not those"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"])
    assert names(tmp_path) == []


def test_code_that_takes_one_column_for_another_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed from tensors is right."""

    def swapped(*rest: Any, **others: Any) -> CCode:
        code = c_code(*rest, **others)
        source = code.source.replace("        row->n0,\n        row->n1,\n", "        row->n1,\n        row->n0,\n")
        assert source != code.source
        return replace(code, source=source)

    monkeypatch.setattr(c_files, "c_code", swapped)
    net = random_table_net(4)
    with pytest.raises(ParityError, match=r"net_predict of .*net\.c, compiled by .*, does not compute what torch"):
        export(net, zeros(net.signature), tmp_path / "net.onnx", formats=["c"])
    assert names(tmp_path) == []


def test_a_report_says_what_the_code_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(folder: Path, name: str, core: Core) -> Footprint:
        assert (folder / f"{name}_test.c").exists()
        if core is CORES[1]:
            raise ExportError("it has 256 KiB of flash")
        return Footprint(core.name, 1000, 0, 4, 100, 234, True, "passed")

    monkeypatch.setattr(c_files, "footprint", measured)
    notes: list[str] = []
    report = tmp_path / "report.html"
    (made,) = export(small(), rows(), tmp_path / "net.onnx", formats=["c"], report=report, note=notes.append)
    assert [one.core for one in made.footprints] == [CORES[0].name]
    assert notes == ["net.c is not measured on every microcontroller: it has 256 KiB of flash"]
    assert CORES[0].name in report.read_text()


def test_code_that_fails_on_a_microcontroller_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Footprint("Cortex-M4", 1, 1, 1, 1, 1, False, "FAILED: 3 elements")
    monkeypatch.setattr(c_files, "footprint", lambda *rest: failed)
    with pytest.raises(ExportError, match="does not pass its own test on a Cortex-M4: FAILED: 3 elements"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"], report=tmp_path / "report.html")
    assert names(tmp_path) == []


def test_an_extension_of_a_table(tmp_path: Path) -> None:
    net = random_table_net(4)
    exports = export(net, zeros(net.signature), tmp_path / "net.onnx", formats=["c", "extension"])
    assert [made.path.name for made in exports] == ["net.c", wheel_name("net")]
    assert "verified against torch on" in exports[1].summary
    with zipfile.ZipFile(exports[1].path) as archive:
        module = loaded(archive.read("net.abi3.so"), "net")
    assert module.verify()
    assert module.feature_names == net.signature.feature_names


def test_an_extension_that_answers_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(code: Any, signature: Any, releases_lock: bool) -> str:
        text = extension_source(code, signature, releases_lock)
        return text.replace("answer.probabilities[i])", "answer.probabilities[i] / 2)")

    monkeypatch.setattr(c_files, "extension_source", wrong)
    net = random_table_net(3)
    with pytest.raises(ParityError, match=r"\.whl does not compute what torch computes"):
        export(net, zeros(net.signature), tmp_path / "net.onnx", formats=["extension"])
    assert names(tmp_path) == []


def test_an_extension_of_tensors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="an extension answers rows of a table, and this module takes tensors"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["extension"])


def over_the_batch(self: object, x: Tensor) -> Tensor:
    return x.sum(0)


def mixed(self: object, x: Tensor) -> Tensor:
    return x - x.mean(0, keepdim=True)


def long(self: object, x: Tensor) -> Tensor:
    return x.cumsum(1)


@pytest.mark.parametrize(
    ("forward", "dynamic", "message"),
    [
        (over_the_batch, None, "the output '.*' belongs to the whole batch"),
        (long, {"x": ("batch", "length")}, "C code takes inputs of fixed sizes, but the axis 'length' of 'x'"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path: Path, forward: Any, dynamic: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export(layer(forward), rows(), tmp_path / "net.onnx", formats=["c"], dynamic=dynamic)
    assert names(tmp_path) == []


def test_rows_are_of_float32(tmp_path: Path) -> None:
    net = nn.Linear(2, 1).double()
    net.signature = Signature((Input("input", (Feature("a"), Feature("b"))),), "output", (), "regression")  # type: ignore[assignment]
    with pytest.raises(ExportError, match="C code answers rows of a table in float32, and 'input' is float64"):
        export(net, (torch.zeros(2, 2).double(),), tmp_path / "net.onnx", formats=["c"])


def test_rows_that_depend_on_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParityError):
        export(layer(mixed), rows(), tmp_path / "net.onnx", formats=["c"])


def test_code_that_takes_too_much_of_the_stack_is_refused(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 400)).eval()
    message = r"a call may take 4 MiB of the stack, and this one takes \d+\.\d; export onnx or ort"
    with pytest.raises(ExportError, match=message):
        export(net, (torch.zeros(2, 1, 400, 400),), tmp_path / "net.onnx", formats=["c"])
    assert names(tmp_path) == []


def test_weights_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_files, "_MOST_WEIGHTS", 100)
    with pytest.raises(ExportError, match="C code is for small models"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"])


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "none"))
    with pytest.raises(ExportError, match="none cannot be run: No such file or directory"):
        export(small(), rows(), tmp_path / "net.onnx", formats=["c"])
