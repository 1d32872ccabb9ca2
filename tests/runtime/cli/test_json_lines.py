import json

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.cli.json_lines import json_line


@given(st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.floats(allow_nan=False) | st.none()))
def test_json_is_exact_and_controls_no_terminal(plain: dict[str, object]) -> None:
    line = json_line(plain)
    assert json.loads(line) == plain
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_what_is_printable_stays_readable() -> None:
    assert json_line({"Île": "日本語 🙂"}) == '{"Île": "日本語 🙂"}\n'
    assert json_line({"a": "\x1b\u202e\x9b\n\U000e0001"}) == '{"a": "\\u001b\\u202e\\u009b\\n\\udb40\\udc01"}\n'
