"""The rooms of the three packages, as the code has them: draws them into docs/architecture.md.

python tests/helpers/rooms.py

A test fails while the drawing there is another one.
"""

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import grimp
from paths import ROOT

PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- rooms: drawn by tests/helpers/rooms.py -->\n", "<!-- rooms: end -->\n"
PACKAGES = {"edge_export": "export", "edge_train": "train", "edge_runtime": "runtime"}


def drawn() -> str:
    """A table for each package: its rooms from the top down, what they are for, and what they stand on."""
    graph = grimp.build_graph(*PACKAGES)
    imports: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if room_of(module) != room_of(imported):
                imports[room_of(module)].add(room_of(imported))
    return "\n".join(table(package, folder, imports) for package, folder in PACKAGES.items())


def room_of(module: str) -> str:
    """The room, or the file of its own, that a module is in."""
    return ".".join(module.split(".")[:2])


def table(package: str, folder: str, imports: Mapping[str, set[str]]) -> str:
    """The rooms of one package, those above that stand on others."""
    root = ROOT / folder / package
    names = {
        path.stem if path.suffix else path.name
        for path in root.iterdir()
        if (path.suffix == ".py" and path.stem not in ("__init__", "__main__")) or (path / "__init__.py").exists()
    }
    floors = {name: floor(f"{package}.{name}", package, imports) for name in names}
    lines = [f"### {folder}/{package}", "", "| room | for | files | stands on |", "| --- | --- | --- | --- |"]
    for name in sorted(names, key=lambda name: (-floors[name], name)):
        path = root / name
        is_room = path.is_dir()
        files = ", ".join(sorted(f"`{one.stem}`" for one in path.glob("*.py") if one.stem != "__init__"))
        shown = f"`{name}/`" if is_room else f"`{name}.py`"
        purpose = first_line(path / "__init__.py" if is_room else path.with_suffix(".py"))
        below = sorted(shortened(one, package) for one in imports[f"{package}.{name}"] if one != package)
        lines.append(f"| {shown} | {purpose} | {files} | {', '.join(below)} |")
    return "\n".join(lines) + "\n"


def floor(room: str, package: str, imports: Mapping[str, set[str]]) -> int:
    """How many rooms of the same package lie below, one on the other."""
    below = [one for one in imports[room] if one.startswith(f"{package}.")]
    return 1 + max((floor(one, package, imports) for one in below), default=-1)


def shortened(room: str, package: str) -> str:
    return f"`{room.removeprefix(f'{package}.')}`"


def first_line(path: Path) -> str:
    """The first sentence of a file's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ").rstrip(".")


def with_drawing(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawn()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_drawing(PAGE.read_text()))
