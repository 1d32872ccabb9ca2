"""What tests of the command share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def model(certified: Callable[..., bytes], tmp_path: Path) -> Callable[..., Path]:
    """A file with a certificate, with changes."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(certified(**changes))
        return path

    return write
