"""Files are rooms with one purpose: none is too long to read, nor any class or function."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import tracked_files

FILE, CLASS, FUNCTION = 320, 150, 60


def too_long(path: Path) -> Iterator[str]:
    """What has more lines than it may; the parameters of a function do not count, which may be a list of options."""
    text = path.read_text()
    if (lines := text.count("\n")) > FILE:
        yield f"{path}: {lines} lines"
    for node in ast.walk(ast.parse(text)) if path.suffix == ".py" else ():
        if isinstance(node, ast.ClassDef) and (lines := last(node) - node.lineno + 1) > CLASS:
            yield f"{path}: class {node.name}: {lines} lines"
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (lines := last(node) - node.body[0].lineno + 1) > FUNCTION:
            yield f"{path}: {node.name}: {lines} lines"


def last(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno


def test_nothing_is_too_long() -> None:
    found = [line for path in tracked_files("*.py", "*.j2").values() for line in too_long(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * (FILE + 1),
        "class Long:\n" + "    a = 1\n" * CLASS,
        "def long(\n    option: int,\n) -> None:\n" + "    print()\n" * (FUNCTION + 1),
    ],
)
def test_what_is_too_long_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(text)
    assert len(list(too_long(path))) == 1
    path.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    assert not list(too_long(path))
