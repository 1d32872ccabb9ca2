"""The Chromium of this machine, without a window."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from concurrency import HANG

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)

# The contrast of each text that is seen with what is behind it, by WCAG 2.2; and its text.
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((one) => linear(one / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor, [, , , alpha = 1] = channels(color);
    return alpha === 0 ? behind(element.parentElement) : color;
  };
  const holdsText = (one) => one.matches("input[type=text]") ||
    [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const seen = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() && holdsText(one));
  return seen.map((one) => {
    const [dark, light] = [luminance(getComputedStyle(one).color), luminance(behind(one))].sort((a, b) => a - b);
    return [(light + 0.05) / (dark + 0.05), one.textContent || one.value];
  });
}"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser of playwright. Skips the test if there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS), timeout=HANG * 1000)
        try:
            yield browser
        finally:
            browser.close()
