from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_export import ExportError
from edge_export.inputs.label_files import read_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("cat\r\n tabby cat \r\nß", ("cat", "tabby cat", "ß")),
        ("\ufeff0\n1\n-2\n", (0, 1, -2)),
        ("01\n2\n", ("01", "2")),
        ("1\nother\n", ("1", "other")),
    ],
)
def test_a_label_a_line(tmp_path: Path, text: str, labels: tuple[object, ...]) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(text.encode())
    found = read_labels(path)
    assert found == labels
    assert list(map(type, found)) == list(map(type, labels))


@given(st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1), min_size=1))
def test_every_label_comes_back(tmp_path_factory: pytest.TempPathFactory, labels: list[str]) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.txt"
    path.write_text("".join(f"{label}\n" for label in labels))
    assert list(map(str, read_labels(path))) == labels


@pytest.mark.parametrize("text", ["cat\n\ndog\n", "cat\ndog\n\n", "\n", "cat\n \t\n"])
def test_empty_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(text)
    with pytest.raises(ExportError, match=r"labels.txt line \d is empty"):
        read_labels(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no such file"):
        read_labels(tmp_path / "labels.txt")
    for content, message in ((b"cat\xff\n", "is not UTF-8 text"), ("cat\n".encode("utf-16"), "is text in UTF-16; ")):
        (tmp_path / "labels.txt").write_bytes(content)
        with pytest.raises(ExportError, match=message):
            read_labels(tmp_path / "labels.txt")
