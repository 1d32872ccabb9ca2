import os
import re
import warnings
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zoo import ZOO

from edge_export import Export, export, export_checkpoint
from edge_export.budget import Budget
from edge_export.capture.capture import capture
from edge_export.capture.program import Program
from edge_export.report.page import write_report
from edge_export.report.regions import plane, regions
from edge_runtime import Feature, Signature
from edge_runtime.contract.signature import Input, Task
from edge_train import four_blobs, load_checkpoint, save_checkpoint, train

SECTIONS = ("files", "signature", "proof", "worst", "regions", "precisions", "certificate")


class Page(HTMLParser):
    """What is on a page; fails where an element is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = re.findall(r"url\(([^)]*)", html)
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def sections(self) -> tuple[str, ...]:
        return tuple(name for name in SECTIONS if name in self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [str(value) for name, value in attrs if name.rpartition(":")[2] in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Classifier(nn.Module):
    """Labels from the first and the last of its features."""

    def __init__(self, features: Sequence[Feature], labels: Sequence[Any], task: Task = "multiclass_classification"):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1 if task == "binary_classification" else len(labels))
        self.signature = Signature((Input("x", tuple(features)),), "answer", tuple(labels), task)

    def forward(self, x: Tensor) -> Tensor:
        found = self.layer(x[:, [0, -1]])
        return torch.sigmoid(found) if self.signature.task == "binary_classification" else torch.softmax(found, -1)


def written(program: Program, exports: Sequence[Export]) -> Page:
    """The page on `exports`, which warns of nothing and loads nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "`torch.jit")
        html = write_report(program, exports)
    page = Page(html)
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert "@import" not in html
    return page


def report(module: nn.Module, example: Any, folder: Path, **options: Any) -> Page:
    exports = export(module, example, folder / "model.onnx", **options)
    return written(capture(module, example, options.get("dynamic")), exports)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, list[Export]]:
    """The example in every format."""
    path = tmp_path_factory.mktemp("example") / "model.pt"
    save_checkpoint(train(four_blobs(0)).model, path)
    exports = export_checkpoint(path, formats=["onnx", "torchscript", "ort"], precisions=["float32", "float16"])
    return capture(load_checkpoint(path), torch.zeros(2, 2)), exports


def test_the_example(example: tuple[Program, list[Export]]) -> None:
    program, exports = example
    page = written(program, exports)
    assert page.sections == SECTIONS
    assert len(page.html) < 1_000_000
    assert "Everything passed." in page.text
    assert page.text.startswith("Export of model.onnx")
    for made in exports:
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
    assert page.tags.count("svg") == 2 * 3 + 3 * 2 + 2


def test_the_same_files_give_the_same_page(example: tuple[Program, list[Export]]) -> None:
    assert write_report(*example) == write_report(*example)


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


@pytest.mark.parametrize(
    "name", ["no batch", "dict in, dict out", "boolean output", "embedding of integers", "branches"]
)
def test_any_module(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    exhibit = ZOO[name]
    options = {"formats": ["onnx", "torchscript"], "finite_only": True, "note": lambda _: None, **exhibit.options}
    page = report(exhibit.module(), exhibit.example(), tmp_path, **options)
    assert page.sections == ("files", "signature", "proof", "worst", "precisions", "certificate")
    assert "Only float32 was made" in page.text


def test_inputs_without_rows_are_shown_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    page = report(ZOO["no batch"].module(), torch.randn(6), tmp_path, dynamic={"state": ()}, finite_only=True)
    assert re.search(r"state \[(\S+, ){5}\S+\]", page.text)


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
    assert page.sections == ("files", "signature", "proof", "regions", "precisions", "certificate")
    assert "There is no float32 file here" in page.text
    assert "on rows of the given data" in page.text


def test_no_file() -> None:
    page = written(capture(nn.Linear(2, 1), torch.randn(3, 2)), [])
    assert "No file was made" in page.text


def test_dimensions_are_named(tmp_path: Path) -> None:
    class Longer(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x, x], 1)

    page = report(Longer(), torch.randn(3, 5), tmp_path, dynamic={"x": ("batch", "length")})
    assert "input x float32 [batch, length] output output float32 [batch, 2*length]" in page.text
    assert "length is 1 or more" in page.text


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    module = Classifier([Feature("a"), Feature("b")], [0, 1], "binary_classification")
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff model.onnx"))
    page = written(capture(module, torch.randn(8, 2)), export(module, torch.randn(8, 2), path))
    page.html.encode()
    assert "edge-predict '? model.onnx' --verify" in page.text


@pytest.mark.parametrize("task", ["binary_classification", "multiclass_classification"])
@pytest.mark.parametrize("size", [0.0, 3e38, np.inf, np.nan])
def test_regions_of_any_numbers(size: float, task: Task) -> None:
    module = Classifier(
        [Feature("a", "numeric", -1e308, 1e308), Feature("b", "numeric", 2.0, 2.0)], ["no", "yes"], task
    )
    nn.init.constant_(module.layer.weight, size)
    program = capture(module, torch.randn(8, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = plane(program)
        assert drawn is not None
        values = drawn.run(program.run, "answer")
        assert values is not None
        same = regions(drawn, values, values, module.signature, "model.onnx")
        other = regions(drawn, values, np.where(values > 0.4, 0.4, values), module.signature, "model.onnx")
    assert (len(same.figures), same.flips, same.largest) == (2, 0, 0.0)
    assert same.points == 200 * 200
    assert len(other.figures) == 2 + bool(other.largest)


def test_the_plane_is_of_the_features_that_matter() -> None:
    ranges = [(-1, 1), (-1, 1), (-1e6, 1e6), (-1, 1)]
    module = Classifier([Feature(f"x{i}", "numeric", *ends) for i, ends in enumerate(ranges)], [0, 1, 2])
    drawn = plane(capture(module, torch.randn(8, 4)))
    assert drawn is not None
    assert [feature.name for feature in drawn.features] == ["x0", "x3"]
    assert drawn.across[0] == pytest.approx(-1.3)
    assert drawn.up[-1] == pytest.approx(1.3)


def test_no_picture_of_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    program = capture(Classifier([Feature("a"), Feature("b")], range(3)), torch.randn(8, 2))
    assert plane(program) is not None
    assert plane(capture(Classifier([Feature("a"), Feature("b")], range(101)), torch.randn(8, 2))) is None
    assert plane(capture(Classifier([Feature("a")], range(3)), torch.randn(8, 1))) is None
    monkeypatch.setattr("edge_export.report.regions._MOST_COST", 1000)
    assert plane(program) is None
