"""Tables that the command is given."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table() -> Path:
    """t.csv: 60 rows of columns of every kind, and y with three classes."""
    islands = ["Biscoe", "Dream", ""]
    lines = [
        f"{row},{row % 5},{islands[row % 3]},{'true' if row % 4 else 'false'},note {row},7,{row * 1.5},{'uvw'[row % 3]}"
        for row in range(60)
    ]
    path = Path("t.csv")
    path.write_text("\n".join(["id,code,island,flag,note,constant,mass,y", *lines]) + "\n")
    return path
