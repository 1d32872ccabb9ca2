"""What an extra installs is asked for by name."""

import pytest

from edge_runtime import ExtraNotInstalled
from edge_runtime.contract.extras import require


def test_what_is_installed() -> None:
    require("json", "tables", "this")


def test_what_is_not() -> None:
    message = (
        r"^this needs the package pyarow \(No module named 'pyarow'\); install it with pip install "
        r"'edge-predict\[tables\]'$"
    )
    with pytest.raises(ExtraNotInstalled, match=message):
        require("pyarow", "tables", "this")
