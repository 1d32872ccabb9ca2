"""README and docs are run as a reader would: block by block, in order, in an empty folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import Page
from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture
def environment() -> dict[str, str]:
    """The user's own, with the commands of this installation on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    clone_into(tmp_path)
    assert Page(page, tmp_path, environment).run() or "```" not in page.read_text()


def clone_into(folder: Path) -> None:
    """What a fresh clone holds, and this installation as its virtual environment."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
