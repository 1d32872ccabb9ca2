"""No file, class or function is too long to be read in one go."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import ROOT

FOLDERS = ("runtime", "tests/runtime", "tests/architecture", "tests/helpers")
FILES = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def code_lines(node: ast.ClassDef | ast.FunctionDef) -> int:
    """The lines of a class or a function, without decorators, docstrings, and the options of a command."""
    first = node.body[0].lineno if isinstance(node, ast.FunctionDef) and node.decorator_list else node.lineno
    documented = [one for one in ast.walk(node) if isinstance(one, ast.ClassDef | ast.FunctionDef)]
    docstrings = [one.body[0] for one in documented if ast.get_docstring(one)]
    return node.end_lineno - first + 1 - sum(one.end_lineno - one.lineno + 1 for one in docstrings)  # type: ignore[operator]


def definitions(path: Path) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    yield from (
        one for one in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(one, ast.ClassDef | ast.FunctionDef)
    )


@pytest.mark.parametrize("name", FILES)
def test_sizes(name: str) -> None:
    path = ROOT / name
    assert len(path.read_text("utf-8").splitlines()) <= 320
    for one in definitions(path):
        most = 150 if isinstance(one, ast.ClassDef) else 60
        assert code_lines(one) <= most, f"{one.name} has {code_lines(one)} lines"


def test_what_counts() -> None:
    source = '''
class A:
    """Two
    lines."""

    def b(self):
        """One."""
        return 1

@decorated
def c(
    one,
    two,
):
    """Two
    lines."""
    return 2
'''
    a, c = (one for one in ast.parse(source).body if isinstance(one, ast.ClassDef | ast.FunctionDef))
    assert (code_lines(a), code_lines(c)) == (4, 1)
