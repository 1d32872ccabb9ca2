"""How a page is filled in."""

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
from jinja2 import UndefinedError

from edge_train.pages.template import filled_in


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with templates of its own."""
    (tmp_path / "made_pages").mkdir()
    (tmp_path / "made_pages" / "__init__.py").touch()
    (tmp_path / "made_pages" / "name.j2").write_text("<p>{{ name }}</p>\n")
    (tmp_path / "made_pages" / "style.j2").write_text('{% include "style.css" %}\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    assert isinstance(__import__("made_pages"), ModuleType)
    return "made_pages"


def test_values_stay_text(package: str) -> None:
    assert filled_in(package, "name.j2", name='<b> & "') == "<p>&lt;b&gt; &amp; &#34;</p>"
    assert filled_in(package, "name.j2", name=os.fsdecode(b"\xff.html")) == "<p>?.html</p>"


def test_a_name_that_is_not_given(package: str) -> None:
    with pytest.raises(UndefinedError, match="'name' is undefined"):
        filled_in(package, "name.j2")


def test_all_pages_have_one_style(package: str) -> None:
    style = filled_in(package, "style.j2")
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
