"""The messages that docs/troubleshooting.md quotes are those of the code, word by word."""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from paths import ROOT, tracked_files

PAGE = ROOT / "docs" / "troubleshooting.md"
# Bold ones, and those in the first cell of a table.
_QUOTED = re.compile(r"^(?:\*\*`(.+)`\*\*|\| `(.+?)` \|.*)$", re.MULTILINE)
# What a literal leaves open: a field of an f-string, a placeholder of str.format.
_FIELD = "\0"
_PLACEHOLDER = re.compile(r"\{\w*\}")


def quoted(page: str) -> list[str]:
    """The messages that a page quotes."""
    return [bold or cell for bold, cell in _QUOTED.findall(page)]


def literals(source: str) -> Iterator[str]:
    """The strings of a program, docstrings apart, each with `_FIELD` for what is only known when it runs."""
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else _FIELD for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield _PLACEHOLDER.sub(_FIELD, node.value)


def is_said(message: str, strings: list[str]) -> bool:
    """Whether each part of `message` between ellipses is somewhere in a string.

    A field of the string stands for a word there; the last one may be the beginning of another string.
    """

    @cache
    def begins_another(rest: str) -> bool:
        return any(one.startswith(rest) for one in strings)

    parts = filter(None, (part.strip(" :;,") for part in message.split("...")))
    return all(any(_is_in(part, string, begins_another) for string in strings) for part in parts)


def _is_in(part: str, string: str, begins_another: Callable[[str], bool]) -> bool:
    if _FIELD not in string:
        return part in string

    @cache
    def literal_from(place: int, other: int) -> float:
        """How many characters of `part` from `place` on are literal if `string` is there from `other` on, at most."""
        rest = part[place:]
        if not rest:
            return 0
        if other == len(string):
            return float("-inf")
        if string[other] != _FIELD:
            return 1 + literal_from(place + 1, other + 1) if string[other] == rest[0] else float("-inf")
        if " " in rest and begins_another(rest):
            return len(rest)
        return max(literal_from(place + length, other + 1) for length in range(len(rest.split(" ")[0]) + 1))

    # Fields take any word, so that most of the message must be literal.
    return max((literal_from(0, start) for start in range(len(string))), default=0) > len(part) / 2


def strings_of_the_packages() -> list[str]:
    files = tracked_files("runtime/*.py", "train/*.py", "export/*.py")
    assert len(files) > 50
    return list({string for path in files.values() for string in literals(path.read_text())})


def test_every_quoted_message_is_in_the_code() -> None:
    messages, strings = quoted(PAGE.read_text()), strings_of_the_packages()
    assert len(messages) > 12
    assert [message for message in messages if not is_said(message, strings)] == []


SOURCE = '''
"""row 1: mass is heavy, a docstring"""
def refuse(path, row, name, cell, count):
    raise ValueError(f"{path} row {row + 1}: {name} is {cell!r}, not a number; fix the cell, "
                     f"or take the column as {name}")
    raise ValueError("ONNX has no counterpart of the operation {0}".format(name))
    raise ValueError(f"not verified on {name}: {'; '.join(path)}" "the file was changed")
    raise ValueError(f"{path}: {name} {cell}")
    raise ValueError(f"{path} row {row + 1}: {'too large for float32; fix the cell' if count else name}")
'''


@pytest.mark.parametrize(
    "message",
    [
        "row 17: mass is 'heavy', not a number",
        "row 17: mass is ..., not a number; fix the cell, or take the column as mass",
        "ONNX has no counterpart of the operation ...",
        "not verified on ...: the file was changed",
        "table.csv row 1: too large for float32",
    ],
)
def test_a_real_message_is_found(message: str) -> None:
    assert is_said(message, list(literals(SOURCE)))


@pytest.mark.parametrize(
    "message",
    [
        "row 17: mass is 'heavy': not a number",
        "row 1: mass is heavy, a docstring",
        "ONNX has no counterpart for the operation ...",
        "not verified on ...: the file was edited",
        "table.csv row 1: much too large for float32",
        "hardly one twice",
        "heavy",
    ],
)
def test_a_made_up_message_is_not(message: str) -> None:
    assert not is_said(message, list(literals(SOURCE)))


def test_quoted_messages_are_those_in_bold_and_in_the_first_cells_of_tables() -> None:
    page = "**`one`**\n: `not this`\n\n| message | fix |\n| --- | --- |\n| `two` | use `three` |\n\n**A symptom**\n"
    assert quoted(page) == ["one", "two"]
