"""The page as a file: what is in it, and what it may do. tests/web/pages.py opens it in a browser."""

import base64
import gzip
import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import assert_one_line
from exports import the_one
from pages import Page
from paths import FOUR_BLOBS
from signatures import new_key, private_pem
from torch import nn

from edge_export import ExportError, export
from edge_export.cli.command import main
from edge_export.web import page
from edge_export.web.page import write_page
from edge_runtime import Feature, Predictor, Signature
from edge_runtime.contract.signature import Input

Command = Callable[..., Any]

HOSTILE = "</script><script>alert(1)</script><!-- \"'&"


@pytest.fixture(autouse=True)
def built(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `make web` builds, in small."""
    folder = tmp_path_factory.mktemp("built")
    (folder / page.SCRIPT).write_text("console.log(1)")
    (folder / page.RUNTIME).write_bytes(gzip.compress(b"wasm"))
    monkeypatch.setattr(page, "BUILT", folder)
    return folder


def embedded(text: str, name: str) -> bytes:
    found = re.search(f'<script type="text/plain" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1]))


def test_the_artifact_is_in_it_byte_for_byte() -> None:
    signature = Predictor(FOUR_BLOBS, device="cpu").signature
    text = write_page(FOUR_BLOBS.read_bytes(), "four_blobs.onnx", signature).decode()
    assert embedded(text, "artifact") == FOUR_BLOBS.read_bytes()
    assert embedded(text, "runtime") == b"wasm"
    assert text == write_page(FOUR_BLOBS.read_bytes(), "four_blobs.onnx", signature).decode()
    assert Page(text).text.startswith("four_blobs.onnx")


def test_it_may_run_its_own_scripts_and_reach_nothing() -> None:
    text = write_page(b"model", "model.onnx", None).decode()
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert found is not None
    policy = html.unescape(found[1])
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe-(?:inline|eval')|https?:|\*|connect-src", policy.replace("'wasm-unsafe-eval'", ""))
    for tag in ("style", "script", 'script type="module"'):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag.split()[0]}>", text, re.DOTALL)
        assert page._hash(content) in policy
    assert not re.search(r"""(?:href|src)=["']?(?:https?:)?//|(?<!c)url\(|@import|\son\w+=|\sstyle=""", text)


def test_names_are_neither_markup_nor_the_end_of_a_script() -> None:
    signature = Signature((Input("x", (Feature(HOSTILE), Feature("b"))),), "y", (HOSTILE, "other"))
    text = write_page(b"model", HOSTILE, signature).decode()
    parsed = Page(text)
    assert " ".join(HOSTILE.split()) in parsed.text
    assert parsed.tags.count("script") == 5
    found = re.search(r'id="example">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == {HOSTILE: 0, "b": 0}


def test_it_is_written_with_the_artifact(tmp_path: Path) -> None:
    (made,) = export(nn.Linear(3, 2), torch.randn(4, 3), tmp_path / "model.onnx", page=tmp_path / "new" / "page.html")
    assert embedded((tmp_path / "new" / "page.html").read_text(), "artifact") == made.path.read_bytes() == made.content


@pytest.mark.parametrize("precisions", [["float16", "float32"], ["float16"]])
def test_it_holds_float32_if_that_is_made(tmp_path: Path, precisions: list[str]) -> None:
    target, linear = tmp_path / "page.html", nn.Linear(3, 2)
    exports = export(linear, torch.randn(4, 3), tmp_path / "model.onnx", precisions=precisions, page=target)
    assert embedded(target.read_text(), "artifact") == the_one(exports, "onnx", precisions[-1]).content


def test_it_is_signed_with_the_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (tmp_path / "key.pem").write_bytes(private_pem(new_key()))
    linear, key = nn.Linear(3, 2), tmp_path / "key.pem"
    export(linear, torch.randn(4, 3), folder / "model.onnx", page=folder / "model.html", sign=key)
    bundle = json.loads((folder / "model.sig").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert {one["name"] for one in statement["predicate"]["resources"]} == {"model.html", "model.onnx"}


def test_without_what_make_web_builds_nothing_is_done(tmp_path: Path, built: Path, command: Command) -> None:
    (tmp_path / "model.pt").write_bytes(b"")
    (built / page.RUNTIME).unlink()
    result = command(main, tmp_path / "model.pt", "--page", tmp_path / "model.html")
    assert_one_line(result, 1, "--page", "run `make web`")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    with pytest.raises(ExportError, match="make web"):
        export(nn.Linear(3, 2), torch.randn(4, 3), tmp_path / "model.onnx", page=tmp_path / "model.html")


def test_a_model_that_no_browser_would_open_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(page, "MOST_BYTES", 100)
    with pytest.raises(ExportError, match="too large for a page"):
        export(nn.Linear(3, 2), torch.randn(4, 3), tmp_path / "model.onnx", page=tmp_path / "model.html")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_text(tmp_path: Path) -> None:
    write_page(b"model", b"a\xff.onnx".decode(errors="surrogateescape"), None).decode()
