"""Makes the API reference from the docstrings of the public names: python docs/api.py [FOLDER]."""

import importlib
import sys
from pathlib import Path

import pdoc

PACKAGES = ("edge_runtime", "edge_train", "edge_export")


def main(folder: Path) -> None:
    """Write HTML pages into `folder`."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        # Public names are loaded at their first use, and pdoc looks only at those that are there.
        for public in package.__all__:
            setattr(package, public, getattr(package, public))
    pdoc.render.configure(docformat="google", show_source=False, footer_text="edge-predict")
    pdoc.pdoc(*PACKAGES, output_directory=folder)
    print(f"wrote {folder / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs"))
