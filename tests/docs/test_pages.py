"""README and docs are run as a reader would: block by block, in order, in an empty folder."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from markdown_pages import Page, blocks, is_run
from paths import tracked_files

PAGES = {
    name: path
    for name, path in tracked_files("README.md", "docs/*.md").items()
    if any(map(is_run, blocks(path.read_text())))
}


@pytest.fixture
def environment() -> dict[str, str]:
    """The user's own, with the commands of this installation on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    page = PAGES[name]
    clone_into(tmp_path)
    assert Page(page, tmp_path, environment).run() == sum(map(is_run, blocks(page.read_text())))


def clone_into(folder: Path) -> None:
    """What a fresh clone holds, and this installation as its virtual environment."""
    for name, path in tracked_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, folder / name)
    # Older than the environment, so that make does not set it up anew, which would empty this one.
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(folder / name, (0, 0))
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
