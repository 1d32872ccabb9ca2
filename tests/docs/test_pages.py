"""README and docs are run as a reader would: block by block, in order, in an empty folder."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_pages import Page, blocks, is_run
from paths import ROOT, tracked_files
from warm_commands import warm_commands

PAGES = {
    name: path
    for name, path in tracked_files("README.md", "docs/*.md").items()
    if any(map(is_run, blocks(path.read_text())))
}


@pytest.fixture(scope="session")
def warm() -> Iterator[Path]:
    """`edge-train` and `edge-export` without waiting for torch each time; what `make` starts waits for it."""
    with warm_commands(os.environ) as folder:
        yield folder


@pytest.fixture
def environment(warm: Path) -> dict[str, str]:
    """The user's own, with the commands of this installation on the path."""
    path = os.pathsep.join([str(warm), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "COLUMNS": "100"}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    page = PAGES[name]
    clone_into(tmp_path)
    assert Page(page, tmp_path, environment).run() == sum(map(is_run, blocks(page.read_text())))
    assert not_ignored(tmp_path) == []


@pytest.mark.slow
def test_a_warm_command_is_the_command(environment: dict[str, str], warm: Path, tmp_path: Path) -> None:
    cold = {**environment, "PATH": environment["PATH"].removeprefix(f"{warm}{os.pathsep}")}
    for words in (["edge-export", "there/is.none"], ["edge-export", "--opset"], ["edge-train", "--help"]):
        results = [
            subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True) for env in (environment, cold)
        ]
        warmly, coldly = [(result.returncode, result.stdout, result.stderr) for result in results]
        assert warmly == coldly
        assert shutil.which(words[0], path=environment["PATH"]) == str(warm / words[0])


@pytest.mark.parametrize("name", PAGES)
def test_examples_on_a_page_are_those_of_the_repository(name: str) -> None:
    files = tracked_files()
    shown = {block.file: block.text for block in blocks(PAGES[name].read_text()) if block.file in files}
    assert shown == {file: files[file].read_text() for file in shown}


def not_ignored(folder: Path) -> list[str]:
    """What a page left in a clone that git would show as untracked."""
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    left = {path.as_posix() for path in files if path.parts[0] != ".venv"} - set(tracked_files())
    command = ["git", "check-ignore", "--no-index", "--stdin"]
    result = subprocess.run(command, cwd=ROOT, input="\n".join(left), capture_output=True, text=True)
    assert result.returncode in (0, 1), result.stderr
    return sorted(left - set(result.stdout.splitlines()))


def test_what_git_would_show_is_found(tmp_path: Path) -> None:
    for name in ("README.md", "model.onnx", "unheard_of.txt", "tables/birds.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert not_ignored(tmp_path) == ["unheard_of.txt"]


def clone_into(folder: Path) -> None:
    """What a fresh clone holds, and this installation as its virtual environment."""
    for name, path in tracked_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, folder / name)
    lend_environment(Path(sys.executable).parents[1], folder / ".venv")


def lend_environment(environment: Path, folder: Path) -> None:
    """Make `folder` a virtual environment that is `environment`, but that can be cleared without harm to it.

    A link to all of it would not do: if pyproject.toml is newer than the environment, a page's `make` clears what is
    there, through the link. For that reason `make` also finds it ready, whichever runtime it wants.
    """
    folder.mkdir()
    for entry in environment.iterdir():
        if not entry.name.startswith("ready-"):
            (folder / entry.name).symlink_to(entry)
    for runtime in ("cpu", "gpu-cuda"):
        (folder / f"ready-{runtime}").touch()


def test_clearing_a_lent_environment_leaves_the_lender_as_it_was(tmp_path: Path) -> None:
    lender, borrower = tmp_path / "lender", tmp_path / "borrower"
    for name in ("bin/python", "lib/package.py", "pyvenv.cfg", "ready-cpu"):
        (lender / name).parent.mkdir(parents=True, exist_ok=True)
        (lender / name).write_text(name)
    lend_environment(lender, borrower)
    assert (borrower / "bin" / "python").read_text() == "bin/python"
    venv.EnvBuilder(clear=True).create(borrower)
    assert (lender / "bin" / "python").read_text() == "bin/python"
    assert (lender / "lib" / "package.py").exists()
    assert (lender / "pyvenv.cfg").read_text() == "pyvenv.cfg"
