"""The HTML page: everything that was found, on one page that needs nothing else."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from date_module import Dated
from date_module import example as dates
from exports import the_one
from layers import layer, rows
from markupsafe import Markup, escape
from pages import SECTIONS, Classifier, Page, written
from quick_exports import few_probes
from table_module import TASKS, OnlyNumbers, OnlyStrings, Table, TableModule, example
from tiers import mostly_slow
from torch import nn
from zoo import ZOO

from edge_export import Budget, Export, export
from edge_export.c_code.cortex_m import Footprint
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.report import figures, regions
from edge_runtime import Feature
from edge_runtime.contract.signature import Task
from edge_train import load_checkpoint


@pytest.fixture(autouse=True)
def empty_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures with a title alone, which take no time; slow tests and those that ask for it have real ones."""
    if "real_pictures" in request.fixturenames or request.node.get_closest_marker("slow"):
        return

    def svg(title: str, draw: Callable[..., None]) -> Markup:
        return Markup(f"<svg><title>{escape(title)}</title></svg>")

    for module in (figures, regions):
        monkeypatch.setattr(module, "svg", svg)


@pytest.fixture
def real_pictures() -> None:
    """Nothing in place of the pictures."""


@pytest.fixture(scope="module")
def program(trained: Path) -> Program:
    return capture(load_checkpoint(trained), torch.zeros(2, 2))


def report(module: nn.Module, given: Any, folder: Path, **options: Any) -> Page:
    exports = export(module, given, folder / "model.onnx", **options)
    return written(capture(module, given, options.get("dynamic")), exports)


# ---------------------------------------------------------------------------------------------------------- the example


def test_everything_on_the_example(program: Program, example_exports: list[Export]) -> None:
    page = written(program, example_exports)
    assert page.sections == SECTIONS
    assert "Everything passed." in page.text
    assert page.text.startswith("Export of model.onnx")
    for made in example_exports:
        assert f"{made.path.name} {made.format} {made.precision} {len(made.content):,}" in page.text
        for comparison in made.comparisons:
            assert f"{comparison.probe.kind} {comparison.rows:,}" in page.text
            if comparison.tolerance_used and (worst := comparison.worst):
                numbers = f"{worst.found:.9g} {worst.float32:.9g} {worst.float64:.17g} {worst.tolerance:.1e}"
                assert f"{worst.output}[{worst.index[0]}][0] {numbers} {worst.tolerance_used:.0%}" in page.text
                row = worst.tensors["x"][worst.index[0]]
                assert f"x [{row[0]:.9g}, {row[1]:.9g}]" in page.text
        if made.measured is not None:
            assert made.measured.verdict in page.text
        if made.certificate is not None:
            assert f"edge-predict {made.path.name} --verify" in page.text
            assert made.certificate.tolerance_rule in page.text
            for name, digits in {**made.certificate.hashes, **made.certificate.versions}.items():
                assert name.replace("_", " ") in page.text
                assert digits in page.text
    # Two pictures on each float32 file, three on each precision, and two on sizes and times.
    assert page.tags.count("svg") == 2 * 5 + 3 * 4 + 2


def test_what_code_needs_on_microcontrollers(program: Program, example_exports: list[Export]) -> None:
    code = the_one(example_exports, "c")
    found = [
        Footprint("Cortex-M4", 1144, 0, 4, 172, 234, True, "passed"),
        Footprint("Cortex-M0", 4936, 8, 0, 264, 5380, True, "passed"),
    ]
    page = written(program, [replace(code, footprints=found)])
    assert "Microcontrollers What the C code needs" in page.text
    assert "model.c Cortex-M4 1,144 4 172 234" in page.text
    assert "model.c Cortex-M0 4,936 8 264 5,380" in page.text


def test_the_largest_use_of_a_tolerance_is_on_top(program: Program, example_exports: list[Export]) -> None:
    made = the_one(example_exports, "onnx")
    elements = sum(comparison.errors.size for comparison in made.comparisons)
    used = max(comparison.tolerance_used for comparison in made.comparisons)
    text = written(program, [made]).text
    assert f"{elements:,} elements of outputs were compared with torch in float64, and each is within" in text
    assert f"the worst one uses {used:.0%} of it." in text


@pytest.mark.usefixtures("real_pictures")
def test_a_page_with_its_pictures(program: Program, example_exports: list[Export]) -> None:
    made = [the_one(example_exports, "onnx")]
    page = written(program, made)
    assert len(page.html) < 500_000
    assert page.tags.count("svg") == 2 + 3
    assert "distance from torch in float64" in page.text
    assert "decision regions" in page.text.lower()


@pytest.mark.slow
def test_the_same_files_give_the_same_page(program: Program, example_exports: list[Export]) -> None:
    assert written(program, example_exports).html == written(program, example_exports).html


def test_the_same_files_give_the_same_text(program: Program, example_exports: list[Export]) -> None:
    assert written(program, example_exports).html == written(program, example_exports).html


def test_it_is_written_beside_the_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    (made,) = export(nn.Linear(3, 2), rows(), tmp_path / "model.onnx", report=path)
    assert Page(path.read_text()).text.startswith("Export of model.onnx")
    assert made.path.exists()


@pytest.mark.usefixtures("real_pictures")
def test_what_users_write_stays_text(tmp_path: Path) -> None:
    features = [
        Feature(f"<script>alert({i})</script> $x^{i & 1} & \\frac ]]> -->\n\x0b" + "x" * i * 20) for i in range(3)
    ]
    module = Classifier(features, ["<b>bold</b>", "$y_", "</style><script>"])
    page = report(module, torch.randn(8, 3), tmp_path)
    assert page.sections == SECTIONS
    for text in (*module.signature.labels, *(feature.name for feature in features)):
        assert " ".join(str(text).split()) in page.text
    assert "b" in page.tags
    assert "<b>bold" not in page.html


def test_a_name_that_is_not_text(program: Program, example_exports: list[Export]) -> None:
    made = replace(the_one(example_exports, "onnx"), path=Path(os.fsdecode(b"folder/\xff model.onnx")))
    page = written(program, [made])
    page.html.encode()
    assert "edge-predict '? model.onnx' --verify" in page.text


# -------------------------------------------------------------------------------------------------------- other exports


@pytest.mark.parametrize(
    "name",
    mostly_slow(
        ["no batch", "dict in, dict out", "boolean output", "embedding of integers", "branches"], ["dict in, dict out"]
    ),
)
def test_any_module(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    exhibit = ZOO[name]
    options = {"formats": ["onnx", "torchscript"], "finite_only": True, "note": lambda _: None, **exhibit.options}
    page = report(exhibit.module(), exhibit.example(), tmp_path, **options)
    assert page.sections == ("files", "signature", "verification", "worst", "precisions", "certificate")
    assert "Only float32 was made" in page.text


def test_inputs_without_rows_are_shown_whole(tmp_path: Path) -> None:
    page = report(layer(lambda self, x: x.exp()), rows(6), tmp_path, dynamic={"x": ()}, finite_only=True)
    assert re.search(r"x \[(\S+, ){5}\S+\]", page.text)
    assert "time, one row" not in page.text


def test_torchscript_alone_carries_no_certificate(tmp_path: Path) -> None:
    module = Classifier([Feature("a"), Feature("b")], [0, 1], "binary_classification")
    page = report(module, torch.randn(8, 2), tmp_path, formats=["torchscript"])
    assert page.sections == SECTIONS
    assert "TorchScript files carry no certificate" in page.text
    assert "--verify" not in page.text


def test_lower_precisions_alone(tmp_path: Path) -> None:
    module = Classifier([Feature("a"), Feature("b")], ["a", "b", "c"])
    data = {"x": np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)}
    options = {"precisions": ["int8"], "data": data, "budget": Budget(1, 1)}
    page = report(module, torch.randn(8, 2), tmp_path, **options)
    assert page.sections == ("files", "signature", "verification", "regions", "precisions", "certificate")
    assert "There is no float32 file here" in page.text
    assert "on rows of the given data" in page.text


def test_no_file() -> None:
    page = written(capture(nn.Linear(2, 1), torch.randn(3, 2)), [])
    assert "No file was made" in page.text


def test_dimensions_are_named(tmp_path: Path) -> None:
    module = layer(lambda self, x: torch.cat([x, x], 1))
    page = report(module, rows(3, 5), tmp_path, formats=["torchscript"], dynamic={"x": ("batch", "length")})
    assert "input x float32 [batch, length] output output float32 [batch, 2*length]" in page.text
    assert "length is 1 or more" in page.text


# --------------------------------------------------------------------------------------------------------------- tables


def assert_of_table(page: Page, kind: type[TableModule], task: Task) -> None:
    takes_strings, takes_numbers = kind is not OnlyNumbers, kind is not OnlyStrings
    assert ("TorchScript has no strings" in page.text) == takes_strings
    assert ("<td>string</td>" in page.html) == takes_strings
    assert ("São Tomé, a b,  , nan, Ünï, 日本" in page.html) == takes_strings
    assert ("2.5 to 6.5" in page.text) == takes_numbers
    assert ("30.0% of the rows" in page.text) == takes_numbers
    assert ("Regression:" in page.text) == (task == "regression")
    assert ("regions" in page.ids) == (kind is OnlyNumbers and task != "regression")
    assert ("text [&#39;" in page.html) == takes_strings


def test_a_table(table: Program, table_exports: list[Export]) -> None:
    assert_of_table(written(table, table_exports), Table, TASKS[0])


def test_dates_are_shown_as_dates(tmp_path: Path) -> None:
    with few_probes():
        page = report(Dated(), dates(), tmp_path, formats=["onnx"])
    assert "<td>sold</td><td>date</td>" in page.html
    assert "2020-01-01 to 2024-12-31" in page.html
    assert "regions" not in page.ids


# Each kind of inputs and each task, not each with each.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "task"), [(Table, TASKS[1]), (OnlyStrings, TASKS[2]), (OnlyNumbers, TASKS[0]), (OnlyNumbers, TASKS[2])]
)
def test_tables(tmp_path: Path, kind: Callable[[Task], TableModule], task: Task) -> None:
    module = kind(task)
    page = report(module, example(module), tmp_path, formats=["onnx", "torchscript"])
    assert_of_table(page, type(module), task)
