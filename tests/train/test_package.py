"""The public names of edge_train."""

import subprocess
import sys

import pytest

import edge_train


def test_every_public_name_is_there() -> None:
    assert sorted(edge_train.__all__) == edge_train.__all__
    assert set(edge_train.__all__) == set(edge_train._HOMES)
    for name, home in edge_train._HOMES.items():
        assert getattr(edge_train, name) is getattr(sys.modules[home], name)


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'edge_train' has no attribute 'nothing'"):
        edge_train.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_and_the_command_import_nothing_by_themselves() -> None:
    """Else Ctrl-C would end in a traceback in that time."""
    code = """
import sys
before = set(sys.modules)
import edge_train.cli.command
print(sorted(set(sys.modules) - before))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "['edge_train', 'edge_train.cli', 'edge_train.cli.command']\n", result.stderr
