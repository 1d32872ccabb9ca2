"""HTML pages as a browser reads them, and modules whose decisions a page shows."""

import re
import warnings
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import torch
from torch import Tensor, nn

from edge_export import Budget, Export
from edge_export.capture.program import Program
from edge_export.report.page import write_report
from edge_runtime import Feature, Signature
from edge_runtime.contract.signature import Input, Task

SECTIONS = ("files", "signature", "verification", "worst", "regions", "precisions", "certificate")


class Page(HTMLParser):
    """What is on a page; fails if an element is not closed."""

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
        """What is to be read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that are there, in their order."""
        return tuple(name for name in SECTIONS if name in self.ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in ("input", "link", "meta"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [str(value) for name, value in attrs if name.rpartition(":")[2] in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def written(program: Program, exports: Sequence[Export]) -> Page:
    """The page on `exports`, which warns of nothing and loads nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "`torch.jit")
        html = write_report(program, exports, Budget(), is_given=True)
    page = Page(html)
    assert "script" not in page.tags
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in page.addresses)
    assert "@import" not in html
    return page


class Classifier(nn.Module):
    """Labels from the first and the last of its features."""

    signature: Signature

    def __init__(self, features: Sequence[Feature], labels: Sequence[Any], task: Task = "multiclass_classification"):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 1 if task == "binary_classification" else len(labels))
        self.signature = Signature((Input("x", tuple(features)),), "answer", tuple(labels), task)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(x[:, [0, -1]])
        return torch.sigmoid(found) if self.signature.task == "binary_classification" else torch.softmax(found, -1)
