"""Draws the picture of training's report in docs/images: python docs/report_pictures.py.

It is of the model of birds in README.md, in the Chromium of this machine; training it takes a minute.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from page_pictures import CHROMIUM, ROOT, write
from playwright.sync_api import sync_playwright


def main() -> None:
    """Train, open the report and draw it."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        folder = Path(name)
        for command in (
            [str(ROOT / "examples" / "tables.py"), "tables"],
            ["-m", "edge_train", "tables/birds.csv", "--target", "species", "--report", "birds.html"],
        ):
            subprocess.run([sys.executable, *command], cwd=folder, check=True)
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 1900}, color_scheme="light")
        page.goto((folder / "birds.html").as_uri())
        write(page.screenshot(), "report-light-1400")
        browser.close()


if __name__ == "__main__":
    main()
