"""A page of `edge-export --page` in Firefox, opened from the disk. Run by `make test-web`."""

from pathlib import Path

import pytest
from page_models import content_of
from paths import FOUR_BLOBS
from web_pages import FIREFOX, firefox

from edge_export.web.page import BUILT, SCRIPT, write_page
from edge_runtime import Predictor

pytestmark = [
    pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox on this machine"),
    pytest.mark.skipif(not (BUILT / SCRIPT).exists(), reason="`make web` has not built what pages need"),
]

# Fills in the form, and waits for the verdict and for an answer to the row.
FILL_IN = """
const [values, resolve] = arguments, byId = (id) => document.getElementById(id);
const look = () => {
  if (!byId("verified").className) return setTimeout(look, 50);
  values.forEach((value, place) => { byId(`field-${place}`).value = value; });
  byId("row").dispatchEvent(new Event("submit", { cancelable: true }));
  const found = () => ["label", "note", "verified", "problem"].map((id) => byId(id).innerText);
  return setTimeout(() => resolve(found()), 1000);
};
look();
"""


def test_it_is_verified_and_answers(tmp_path: Path) -> None:
    predictor = Predictor(FOUR_BLOBS, device="cpu")
    (tmp_path / "page.html").write_bytes(write_page(FOUR_BLOBS.read_bytes(), "four_blobs.onnx", predictor.signature))
    with firefox((tmp_path / "page.html").as_uri()) as marionette:
        parameters = {"script": FILL_IN, "args": [["1", "1"]]}
        label, note, verdict, problem = marionette.call("WebDriver:ExecuteAsyncScript", parameters)["value"]
    answer = predictor.predict_one([1, 1])
    assert (label, note) == (str(answer.label), f"with a probability of {answer.probability:.1%}")
    assert verdict.startswith("Verified in this browser")
    assert problem == ""


def test_a_changed_file_is_not_verified(tmp_path: Path) -> None:
    content = content_of("changed")
    signature = Predictor(content, device="cpu").signature
    (tmp_path / "page.html").write_bytes(write_page(content, "changed.onnx", signature))
    with firefox((tmp_path / "page.html").as_uri()) as marionette:
        parameters = {"script": FILL_IN, "args": [["1", "1"]]}
        *_, verdict, problem = marionette.call("WebDriver:ExecuteAsyncScript", parameters)["value"]
    assert verdict.startswith("Not verified.")
    assert problem.startswith("Do not use these answers.")
