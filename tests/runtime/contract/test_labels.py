from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.contract.labels import as_classes, checked_labels

one_line = st.text().map(lambda text: " ".join(text.splitlines()))


@given(st.one_of([st.lists(kind, min_size=2, unique_by=str) for kind in (one_line, st.integers(-(2**63), 2**64 - 1))]))
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
        ([2**64, 1], False, "the label 18446744073709551616 does not fit into 64 bits; write it as a string"),
        ([0, -(2**63) - 1], True, "the label -9223372036854775809 does not fit into 64 bits; write it as a string"),
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


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ([0, 1], "i"),
        ([-(2**63), 2**63 - 1], "i"),
        ([2**63, 2**64 - 1], "u"),
        ([0, 2**64 - 1], "O"),
        ([2**63, -1], "O"),
        ([-1, 2**53 + 1, 2**64 - 1], "O"),
        ([True, False], "b"),
        ([0.5, 1.0], "f"),
        (["a", "b"], "U"),
        (["a", "a\0"], "O"),
        (["", "\0"], "O"),
        ([], "f"),
    ],
)
def test_an_array_gives_labels_back_as_they_are(labels: list[Any], kind: str) -> None:
    classes = as_classes(labels)
    assert classes.dtype.kind == kind
    assert [(type(one), one) for one in classes.tolist()] == [(type(one), one) for one in labels]
