"""The field's words, in code, messages and tests alike. CONTRIBUTING says which word to use instead."""

import re

import pytest
from paths import ROOT

FOLDERS = ("runtime", "tests/runtime", "tests/architecture", "tests/helpers", "tests/parity")
AVOIDED = re.compile(
    r"""\b(truths?|gaps?|gappy|strangers?|golden|proofs?|proves?|proven|mend(s|ed)?|lanes?|text_front)\b
      | \bis\ no\b(?!\ longer) | \bno\ one\b | \b(a|the|its|their|of|this)\ shares?\b | \bthe\ lab\b""",
    re.IGNORECASE | re.VERBOSE,
)
FILES = sorted(path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def words(text: str) -> str:
    """`text` with the words of names apart: `takesGaps`, `takes_gaps`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")


@pytest.mark.parametrize("name", [name for name in FILES if name != "tests/architecture/test_words.py"])
def test_words(name: str) -> None:
    for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), start=1):
        found = AVOIDED.search(words(line))
        assert found is None, f"line {number}: {found[0]!r}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("'a' is no number", True),
        ("it is no longer there", False),
        ("def takes_gaps()", True),
        ("class GoldenBatch", True),
        ("a share of the rows", True),
        ("threads share it", False),
        ("the truth", True),
        ("recommend", False),
        ("front", False),
    ],
)
def test_this_check_can_fail(text: str, found: bool) -> None:
    assert bool(AVOIDED.search(words(text))) == found
