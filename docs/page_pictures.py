"""Draws the pictures of a page in docs/images: python docs/page_pictures.py, after `make web`.

They are of the model of birds in README.md, in the Chromium of this machine; training it takes a minute.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ROWS = """island,bill_mm,depth_mm,flipper_mm,mass_g,sex,ringed,observer
Dream,48.4,19.1,196,3518,female,false,2
Dream,wide,19.1,196,3518,female,false,2
Torgersen,38.6,17.2,190,3700,male,true,1
"""


def main() -> None:
    """Train, export, open the page and draw it."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        folder = Path(name)
        make_page(folder)
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for scheme in ("light", "dark"):
            for width, height, scale in ((1400, 900, 1), (360, 800, 2)):
                context = browser.new_context(
                    color_scheme=scheme,
                    viewport={"width": width, "height": height},
                    device_scale_factor=scale,
                    offline=True,
                )
                page = context.new_page()
                page.goto((folder / "birds.html").as_uri())
                page.locator("footer.good").wait_for()
                fill_in(page, folder / "new.csv", width)
                write(page.screenshot(full_page=(scheme, width) == ("light", 1400)), f"page-{scheme}-{width}")
        browser.close()


def make_page(folder: Path) -> None:
    """Write birds.html, and rows for it."""
    (folder / "new.csv").write_text(ROWS)
    for command in (
        [str(ROOT / "examples" / "tables.py"), "tables"],
        ["-m", "edge_train", "tables/birds.csv", "--target", "species", "--output", "birds"],
        ["-m", "edge_export", "birds/model.pt", "--format", "onnx", "--page", "birds.html"],
    ):
        subprocess.run([sys.executable, *command], cwd=folder, check=True)


def fill_in(page: Page, rows: Path, width: int) -> None:
    """A bird that stands near a boundary, and a table with a row that is refused."""
    page.get_by_label("sex", exact=True).select_option("male")
    page.get_by_label("bill_mm", exact=True).fill("45.5")
    page.get_by_label("flipper_mm", exact=True).fill("203")
    page.locator("#file").set_input_files(rows)
    page.locator("#table-result .downloads").wait_for()
    page.locator("#answer:not(.old)").wait_for()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    # The picture is drawn when values rest.
    page.wait_for_timeout(2000)
    if width < 1000:
        page.locator("#answer").evaluate("(one) => scrollTo(0, one.offsetTop - 12)")
    else:
        page.evaluate("scrollTo(0, 0)")


def write(content: bytes, name: str) -> None:
    """A picture as WebP, without loss."""
    picture: Any = Image.open(io.BytesIO(content)).convert("RGB")
    picture.save(IMAGES / f"{name}.webp", lossless=True, quality=100, method=6)
    print(f"wrote docs/images/{name}.webp, {(IMAGES / f'{name}.webp').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
