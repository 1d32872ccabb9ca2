"""The Chromium of this machine, without a window."""

import contextlib
import re
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


def watched_page(context: Any, said: list[str], asked: list[str]) -> Any:
    """A page that adds what comes to its console or opens a dialog to `said`, and what it asks for to `asked`."""
    shown = context.new_page()
    shown.on("console", lambda message: said.append(message.text))
    shown.on("pageerror", lambda error: said.append(str(error)))
    shown.on("dialog", lambda dialog: said.append(dialog.message))
    shown.on("request", lambda request: asked.append(request.url))
    shown.set_default_timeout(HANG * 1000)
    return shown


def assert_readable(shown: Any, width: int) -> None:
    """See that a page fits into its window, that all text stands out, fields have labels, and ids differ."""
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    for contrast, text in shown.evaluate(CONTRASTS):
        assert contrast >= 4.5, text
    fields = "[...document.querySelectorAll('input, select')]"
    unlabelled = f"{fields}.filter((one) => !one.labels.length && !one.ariaLabel && !one.ariaHidden).length"
    assert shown.evaluate(unlabelled) == 0
    ids = shown.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(set(ids)) == len(ids)


def answer_of(shown: Any, text: str) -> None:
    """Wait for an answer."""
    shown.locator("#label", has_text=re.compile(f"^{re.escape(text)}$")).wait_for()
