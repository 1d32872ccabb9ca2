"""The field's words everywhere, in code, messages, docs and tests, and no private ones for the same things."""

import re

import pytest
from paths import tracked_files

# Each with what is said instead; docs/README.md has the list. Names are read word by word.
PRIVATE = {
    r"truths?": "boolean, or reference",
    r"gaps?": "missing value",
    r"strangers?": "unknown category",
    r"golden": "reference",
    r"proofs?|proven|prove[sd]?|proving": "verified",
    r"mend(?:ed|s|ing)?": "fix",
    r"lanes?": "bound buffers",
    r"(?:an?|the|its|their|this|of) shares?|shares of": "fraction, or tolerance used",
    r"fronts?": "string inputs, or preprocessing",
    r"spreads?": "standard deviation, or quartiles",
    r"dividing": "row independence, or batch splitting",
    r"unknown texts?": "unknown category",
    r"populations?": "input distribution",
    r"(?<!there )is no (?!longer|such)\w+": "is not a ...",
    r"left out": "dropped, or excluded",
    r"no one": "not a single",
    r"the lab": "training and export",
}
_PATTERNS = {re.compile(rf"(?<![a-z])(?:{word})(?![a-z])"): instead for word, instead in PRIVATE.items()}
_EXEMPT = {"CHANGELOG.md", "tests/architecture/test_words.py"}


def private_words(text: str) -> list[str]:
    """The private words in `text`, each with its line and what is said instead."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", line).replace("_", " ").lower()
        for pattern, instead in _PATTERNS.items():
            if match := pattern.search(words):
                found.append(f"{number}: {match[0]!r}: say {instead}")
    return found


def test_no_private_words() -> None:
    files = tracked_files("*.py", "*.md", "*.toml", "*.j2", "*.yml", "*.yaml", "Makefile")
    found = [
        f"{name}:{line}"
        for name, path in files.items()
        if name not in _EXEMPT
        for line in private_words(path.read_text())
    ]
    assert len(files) > 100
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "def takes_gaps(self):",
        "class TextFront:",
        "'a' is no number",
        "The proof holds",
        "what the truth is",
        "_golden",
        "two columns are left out",
        "a share of the rows",
    ],
)
def test_a_private_word_is_found(line: str) -> None:
    assert private_words(line)


@pytest.mark.parametrize("line", ["is no longer there", "there is no such file", "approve", "amended", "they share it"])
def test_other_words_are_not(line: str) -> None:
    assert not private_words(line)
