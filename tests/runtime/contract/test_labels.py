from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.labels import checked_labels

one_line = st.text().map(lambda text: " ".join(text.splitlines()))


@given(st.one_of([st.lists(kind, min_size=2, unique_by=str) for kind in (one_line, st.integers())]))
def test_labels(labels: list[Any]) -> None:
    assert checked_labels(labels) == tuple(labels)
    assert checked_labels(labels[:2], binary=True) == tuple(labels[:2])


@pytest.mark.parametrize(
    ("labels", "binary", "message"),
    [
        (["a", "b", "c"], True, "two different labels are needed, found ['a', 'b', 'c']"),
        ([], False, "two different labels or more are needed, found []"),
        (
            ["crane", "b", "crane"],
            False,
            "the label 'crane' is there twice, as number 1 and 3 of 3; give each class its own",
        ),
        (["a", "b\u2028c"], False, "the label 'b\\u2028c' has more than one line"),
        ([0.0, float("nan")], False, "the label nan is not finite"),
    ],
)
def test_what_is_wrong(labels: list[Any], binary: bool, message: str) -> None:
    with pytest.raises(ValueError, match="label") as raised:
        checked_labels(labels, binary)
    assert str(raised.value) == message


@pytest.mark.parametrize("labels", ["ab", 5, None, ["a", 1], [True, 0], ["a", None]])
def test_not_labels(labels: Any) -> None:
    with pytest.raises(TypeError):
        checked_labels(labels)
