"""The page at `/`, in the browser of this machine."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tables
from browsers import CONTRASTS, answer_of, assert_readable, chromium, watched_page
from certificates import appended
from concurrency import HANG
from paths import MODELS
from servers import Server, serving

from edge_runtime import Predictor
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.serve.page import page

NAMES = ("penguins", "mass", "islands", "sales", "images", "tensors")
SERVED = (*NAMES, "four_blobs")
HOSTILE = "<script>hacked = 1</script>\"'><img src=x onerror='hacked = 1'>${hacked = 1}`; touch hacked; `"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    hostile = tmp_path_factory.mktemp("models") / "hostile.onnx"
    hostile.write_bytes(
        appended((MODELS / "penguins.onnx").read_bytes(), SIGNATURE_KEY, tables.hostile_penguins(HOSTILE))
    )
    with serving(*(MODELS / f"{name}.onnx" for name in SERVED), hostile, "--device", "cpu") as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def opened(browser: Any, server: Server) -> Iterator[Any]:
    """A function that opens the page of a model. At the end nothing is on the console, and all is the server's own."""
    contexts: list[Any] = []
    said: list[str] = []
    asked: list[str] = []

    def open_page(model: str, scheme: str = "light", width: int = 1400) -> Any:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
        contexts.append(context)
        shown = watched_page(context, said, asked)
        shown.goto(f"{server.url}/#{model}")
        shown.locator("#call").wait_for()
        return shown

    yield open_page
    for context in contexts:
        context.close()
    # The console shows every response that is an error.
    expected = ("400 (Bad Request)", "ERR_INTERNET_DISCONNECTED")
    assert [text for text in said if not any(one in text for one in expected)] == []
    assert all(url.startswith((f"{server.url}/", "data:")) for url in asked)


def test_the_policy_allows_its_own_style_and_script_alone() -> None:
    content, headers = page()
    html, policy = content.decode(), headers["content-security-policy"]
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""(?:href|src)=["']?(?:https?:)?//|(?<!c)url\(|@import|\son\w+=|\sstyle=""", html)


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1400), ("dark", 360), ("light", 1400)])
def test_it_fits_and_can_be_read(opened: Any, model: str, scheme: str, width: int) -> None:
    shown = opened(model, scheme, width)
    assert shown.title() == f"{model} · edge-serve"
    assert_readable(shown, width)


def test_a_row_is_answered_at_once(opened: Any) -> None:
    shown, predictor = opened("penguins"), Predictor(MODELS / "penguins.onnx", device="cpu")
    row = {"island": "Biscoe", "bill": 46, "mass": 4500, "ringed": True, "year": 2007}
    answer_of(shown, str(predictor.predict_one(row).label))
    row |= {"mass": 3000, "bill": None, "ringed": False, "year": 2008, "island": "Dream"}
    shown.get_by_label("mass", exact=True).fill("3000")
    shown.get_by_label("bill is missing").check()
    shown.get_by_text("false", exact=True).click()
    shown.get_by_label("year", exact=True).select_option("2008")
    shown.get_by_label("island", exact=True).select_option("Dream")
    prediction = predictor.predict_one(row)
    answer_of(shown, str(prediction.label))
    shown.locator("#note", has_text=f"{prediction.probability:.1%}").wait_for()
    assert shown.locator("#bars li").count() == 3
    assert shown.locator("#bars .predicted").inner_text().startswith(str(prediction.label))
    assert shown.locator("#field-1-warning").inner_text() == "is missing, but never was in training"
    assert "unlike the training data" in shown.locator("#unseen").inner_text()
    assert json.loads(shown.locator("#command").inner_text().partition("-d '")[2].removesuffix("'")) == row
    shown.get_by_role("button", name="Typical values").click()
    shown.locator("#unseen").wait_for(state="hidden")


def test_values_that_training_never_saw(opened: Any) -> None:
    shown = opened("penguins")
    shown.get_by_label("island", exact=True).select_option("(another value)")
    shown.get_by_label("Another value of island").fill("Atlantis")
    shown.get_by_label("mass", exact=True).fill("9000")
    shown.get_by_text("'Atlantis' was not seen in training").wait_for()
    shown.get_by_text("9000 is far above the 6300 seen in training").wait_for()
    assert "Atlantis" in shown.locator("#command").inner_text()


def test_values_as_people_write_them(opened: Any) -> None:
    shown, predictor = opened("sales"), Predictor(MODELS / "sales.onnx", device="cpu")
    row = {"sold": "31.12.2025", "price": 1200, "new": False, "zip": "007", "paid": None}
    hints = shown.locator(".hint").all_inner_texts()
    assert hints[0] == "2020-01-01 to 2025-12-31 in training"
    assert hints[4] == "2020-01-01 01:00:00 to 2025-12-31 in training, 25% missing"
    price = shown.get_by_label("price", exact=True)
    price.fill("1,5")
    price.press("ArrowUp")
    assert price.input_value() == "11,5"
    for text, sent in (("1.234,50 €", "1.234,50 €"), ("1,5", 1.5), ("1200", 1200)):
        price.fill(text)
        shown.locator("#command", has_text=json.dumps(sent, ensure_ascii=False)).wait_for()
    shown.get_by_text("nein", exact=True).click()
    shown.get_by_label("sold", exact=True).fill("31.12.2025")
    shown.get_by_label("paid is missing").check()
    answer_of(shown, f"{predictor.predict_one(row):,.6g}")
    assert json.loads(shown.locator("#command").inner_text().partition("-d '")[2].removesuffix("'")) == row
    shown.get_by_label("sold", exact=True).fill("1.1.2035")
    shown.get_by_text("2035-01-01 is far above the 2025-12-31 seen in training").wait_for()


def test_a_value_that_is_refused_is_said_beside_its_field(opened: Any) -> None:
    shown = opened("penguins", "dark")
    bill = shown.get_by_label("bill", exact=True)
    bill.fill("long")
    answer_of(shown, "No answer")
    assert shown.locator("#field-1-warning").inner_text() == "'long' is not a number"
    assert bill.get_attribute("aria-invalid") == "true"
    assert "field-1-warning" in bill.get_attribute("aria-describedby")
    assert all(contrast >= 4.5 for contrast, _ in shown.evaluate(CONTRASTS))
    for text in ("0x2c", "1,250", "1e"):
        bill.fill(text)
        shown.get_by_text(f"'{text}' is not a number", exact=True).wait_for()
    for text, number in (("44,5", "44.5"), ("0,125", "0.125"), ("+4.e1 ", "40")):
        bill.fill(text)
        shown.locator("#field-1[aria-invalid=false]").wait_for()
        shown.locator("#command", has_text=f'"bill": {number},').wait_for()


def test_a_server_that_is_not_there_for_a_while(opened: Any) -> None:
    shown = opened("penguins")
    answer_of(shown, "Gentoo")
    shown.context.set_offline(True)
    shown.get_by_label("mass", exact=True).fill("3000")
    shown.get_by_text("the server cannot be reached", exact=True).wait_for()
    shown.get_by_label("Model").select_option("mass")
    shown.get_by_text("This model cannot be shown: the server cannot be reached.").wait_for()
    shown.context.set_offline(False)
    shown.get_by_label("Model").select_option("islands")
    shown.locator("#title", has_text="islands").wait_for()
    assert not shown.locator("#problem").is_visible()


@pytest.mark.parametrize("name", ["none", "%E0%A4%A"])
def test_an_address_without_a_model_shows_the_first(opened: Any, name: str) -> None:
    assert opened(name).locator("#title").inner_text() == NAMES[0]


def test_the_keyboard_is_enough(opened: Any) -> None:
    shown = opened("penguins", width=360)
    seen: list[str] = []
    for _ in range(40):
        shown.keyboard.press("Tab")
        name = shown.evaluate(
            "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
        )
        style = "getComputedStyle(document.activeElement.closest('.choices label') ?? document.activeElement)"
        assert name == "BODY" or shown.evaluate(f"{style}.outlineStyle") != "none", name
        if name == "field-2":
            before = shown.locator("#field-2").input_value()
            shown.keyboard.press("ArrowUp")
            shown.keyboard.press("Shift+ArrowUp")
            assert float(shown.locator("#field-2").input_value()) - float(before) == pytest.approx(110)
            shown.keyboard.press("Control+A")
            shown.keyboard.type("2800")
            shown.get_by_text('"mass": 2800').wait_for()
        seen.append(name)
        if name == "BODY":
            break
    wanted = ["model", "A", "A", "reset", "field-0", "field-1-missing", "field-1", "field-2-missing", "field-2"]
    assert seen[: len(wanted)] == wanted
    assert {"field-3", "field-4", "copy", "glance"} <= set(seen)
    # A screen reader hears of it too.
    shown.locator("#answer:not(.old)").wait_for()
    label = shown.locator("#label").inner_text()
    shown.locator("#announcement", has_text=label).wait_for()


def test_another_model_is_chosen(opened: Any) -> None:
    shown = opened("penguins")
    shown.get_by_label("Model").select_option("mass")
    shown.locator("#label", has_text=re.compile(r"^3,700\.1\d$")).wait_for()
    assert shown.locator("h1").inner_text() == "mass"
    assert shown.url.endswith("#mass")
    shown.go_back()
    shown.locator("h1", has_text="penguins").wait_for()


def test_names_are_not_code(opened: Any, tmp_path: Path) -> None:
    shown = opened("hostile")
    shown.locator("#label", has_text=HOSTILE).wait_for()
    assert f"island {HOSTILE}" in shown.locator("#fields").inner_text()
    assert shown.locator("main img, main script").count() == 0
    assert shown.evaluate("typeof hacked") == "undefined"
    # Nor is a column that is called as a member of every object.
    assert shown.locator("#label:not(:empty)").count() == 1
    assert shown.locator(".warning:visible").count() == 0
    run(shown.locator("#command").inner_text(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["penguins", "mass", "images"])
def test_the_command_that_is_shown_is_answered(opened: Any, model: str, tmp_path: Path) -> None:
    shown = opened(model, width=360)
    if model != "images":
        shown.locator("#label:not(:empty)").wait_for()
    found = run(shown.locator("#command").inner_text(), tmp_path)
    if model == "images":
        assert found["outputs"][0]["shape"] == [1, 3]
    elif model == "penguins":
        answer_of(shown, found["answers"][0]["label"])


def test_models_of_tensors_show_what_they_take(opened: Any) -> None:
    shown = opened("tensors")
    specs = Predictor(MODELS / "tensors.onnx", device="cpu")
    assert [row.split("\t")[1] for row in shown.locator("#specs").inner_text().splitlines()] == [
        spec.name for spec in (*specs.inputs, *specs.outputs)
    ]
    assert "Not verified. The file has no certificate." in shown.locator("footer").inner_text()
    assert not shown.locator("#rows").is_visible()


def test_what_is_said_of_the_verification(opened: Any, browser: Any) -> None:
    certificate = Predictor(MODELS / "four_blobs.onnx", device="cpu").certificate
    assert certificate is not None
    torch = f"against torch {certificate.versions['torch']}"
    said = opened("four_blobs").locator("footer").inner_text()
    assert said.startswith(f"Verified {torch}, and {certificate.rows} reference rows were replayed on this machine. ")
    assert certificate.content_sha256[:12] in said
    with serving(MODELS / "four_blobs.onnx", "--device", "cpu", "--no-verify") as unverified:
        shown = browser.new_page()
        shown.set_default_timeout(HANG * 1000)
        shown.goto(unverified.url)
        shown.locator("footer", has_text=f"Verified at export {torch}. It was not replayed here.").wait_for()
        shown.close()


def run(command: str, folder: Path) -> Any:
    """What a command of curl prints, which is JSON without an error."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    result = subprocess.run(
        ["bash", "-c", f"{command} --silent --show-error"], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert "error" not in found, found
    return found
