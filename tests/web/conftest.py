"""Pages of `edge-export --page`, opened from the disk, without a network; and artifacts for the npm package."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsers import chromium, watched_page
from page_models import content_of

from edge_export.web.page import BUILT, SCRIPT, write_page
from edge_runtime import Predictor


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if not (BUILT / SCRIPT).exists():
        pytest.skip("`make web` has not built what pages need")
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture
def opened(browser: Any, folder: Path) -> Iterator[Any]:
    """A function that opens the page of a model. At the end nothing is on the console, and nothing was asked for."""
    contexts: list[Any] = []
    said: list[str] = []
    asked: list[str] = []

    def open_page(model: str, scheme: str = "light", width: int = 1400) -> Any:
        path = folder / f"{model}.html"
        if not path.exists():
            content = content_of(model)
            path.write_bytes(write_page(content, f"{model}.onnx", Predictor(content, device="cpu").signature))
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
        contexts.append(context)
        shown = watched_page(context, said, asked)
        shown.goto(path.as_uri())
        shown.locator(
            "footer", has_text=re.compile("verified|certificate has|no certificate", re.IGNORECASE)
        ).wait_for()
        return shown

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert all(re.match(r"file:.*\.html$|blob:|data:image/svg", url) for url in asked), asked


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Artifacts of today's exporter, by what they are."""
    # Pages are tested without torch.
    from web_artifacts import exported

    return exported(tmp_path_factory.mktemp("artifacts"))
