"""Pages of `edge-export --page` in the browser of this machine: forms, answers and pictures. Run by `make test-web`."""

import re
from typing import Any

import numpy as np
import pytest
from browsers import answer_of, assert_readable
from page_models import HOSTILE
from paths import FOUR_BLOBS, MODELS

from edge_runtime import Predictor


def test_it_is_verified_where_it_is_opened(opened: Any) -> None:
    shown, certificate = opened("four_blobs"), Predictor(FOUR_BLOBS, device="cpu").certificate
    assert certificate is not None
    said = shown.locator("footer").inner_text()
    assert said.startswith(f"Verified in this browser against torch {certificate.versions['torch']}")
    assert f"{certificate.rows} reference rows" in said
    used = re.search(r"the worst element is at (\d+)% of its tolerance", said)
    assert used is not None
    assert 0 < int(used[1]) <= 100
    shown.locator("summary").click()
    assert shown.locator("footer tbody tr").count() == len({batch.kind for batch in certificate.reference})
    assert not shown.locator("#problem").is_visible()


def test_a_changed_file_says_so_above_its_answers(opened: Any) -> None:
    shown = opened("changed")
    assert shown.locator("footer").inner_text().startswith("Not verified.")
    shown.get_by_text("Do not use these answers. This file does not compute here what torch computed").wait_for()


@pytest.mark.parametrize(
    ("model", "scheme", "width"),
    [
        *(("penguins", scheme, width) for scheme in ("light", "dark") for width in (360, 1400)),
        ("mass", "dark", 360),
        ("four_blobs", "light", 360),
        ("colours", "dark", 1400),
        ("tensors", "light", 360),
        ("wide", "light", 1400),
    ],
)
def test_it_fits_and_can_be_read(opened: Any, model: str, scheme: str, width: int) -> None:
    shown = opened(model, scheme, width)
    assert_readable(shown, width)


def test_a_row_is_answered_while_one_types(opened: Any) -> None:
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
    shares = shown.locator("#bars .share").all_inner_texts()
    for share, probability in zip(shares, predictor.predict_proba([row])[0], strict=True):
        assert share == ("under 0.1%" if probability < 0.0005 else f"{probability:.1%}")
    assert shown.locator("#field-1-warning").inner_text() == "is missing, but never was in training"
    shown.get_by_label("mass", exact=True).fill("heavy")
    answer_of(shown, "No answer")
    assert shown.locator("#field-2-warning").inner_text() == "'heavy' is not a number"
    shown.get_by_role("button", name="Typical values").click()
    shown.locator("#unseen").wait_for(state="hidden")


def test_values_as_people_write_them(opened: Any) -> None:
    shown, predictor = opened("sales"), Predictor(MODELS / "sales.onnx", device="cpu")
    row = {"sold": "31.12.2025", "price": "1.234,50 €", "new": False, "zip": "007", "paid": None}
    shown.get_by_label("price", exact=True).fill("1.234,50 €")
    shown.get_by_text("nein", exact=True).click()
    shown.get_by_label("sold", exact=True).fill("31.12.2025")
    shown.get_by_label("paid is missing").check()
    answer_of(shown, f"{predictor.predict_one(row):,.6g}")


def test_regions_have_the_colours_of_the_answers(opened: Any) -> None:
    shown, predictor = opened("four_blobs"), Predictor(FOUR_BLOBS, device="cpu")
    across, up = predictor.signature.features  # type: ignore[union-attr]
    shown.wait_for_function("document.querySelector('#plane').ariaLabel?.includes('form: 1')")
    colours = [shown.evaluate(f"getComputedStyle(document.body).getPropertyValue('--label-{n}')") for n in (0, 1)]
    wanted = [np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) for colour in colours]
    places = [(float(x), float(y)) for x in np.linspace(0.1, 0.9, 9) for y in np.linspace(0.1, 0.9, 9)]
    pixels = shown.evaluate(
        """(places) => {
          const { width, height } = document.querySelector("#plane");
          const { data } = document.querySelector("#plane").getContext("2d").getImageData(0, 0, width, height);
          return places.map(([x, y]) => {
            const [across, down] = [Math.round(68 + x * (width - 80)), Math.round(12 + (1 - y) * (height - 56))];
            return [...data.slice(4 * (down * width + across), 4 * (down * width + across) + 3)];
          });
        }""",
        places,
    )
    checked = 0
    for (x, y), pixel in zip(places, pixels, strict=True):
        found = predictor.predict_one([value_at(across, x), value_at(up, y)])
        # Not on a boundary, nor under the mark of the row.
        if found.probability > 0.9 and abs(x - 0.5) + abs(y - 0.5) > 0.2:
            assert int(np.argmin([np.abs(np.array(pixel) - colour).sum() for colour in wanted])) == found.label
            checked += 1
    assert checked > 20


def value_at(feature: Any, place: float) -> float:
    """A value on an axis, which goes a little beyond the range in training."""
    margin = 0.05 * (feature.maximum - feature.minimum)
    return float(feature.minimum - margin + place * (feature.maximum - feature.minimum + 2 * margin))


def test_the_row_is_moved_in_the_picture(opened: Any) -> None:
    shown, predictor = opened("four_blobs"), Predictor(FOUR_BLOBS, device="cpu")
    box = shown.locator("#plane").bounding_box()
    shown.locator("#plane").click(position={"x": box["width"] - 40, "y": 40})
    values = [float(shown.get_by_label(name, exact=True).input_value()) for name in ("x1", "x2")]
    assert min(values) > 1
    answer_of(shown, str(predictor.predict_one(values).label))


def test_the_axes_can_be_chosen(opened: Any) -> None:
    shown = opened("sales", width=360)
    shown.get_by_label("Across").select_option("price")
    assert shown.get_by_label("Up").input_value() != shown.get_by_label("Across").input_value()
    shown.wait_for_function("document.querySelector('#plane').ariaLabel?.startsWith('The answers for price')")


def test_the_keyboard_is_enough(opened: Any) -> None:
    shown = opened("sales", width=360)
    seen: list[str] = []
    for _ in range(40):
        shown.keyboard.press("Tab")
        name = shown.evaluate(
            "document.activeElement.id || document.activeElement.name || document.activeElement.tagName"
        )
        style = (
            "getComputedStyle(document.activeElement.closest('.choices label, .drop')?.querySelector('.button') ?? "
            "document.activeElement.closest('.choices label') ?? document.activeElement)"
        )
        assert name == "BODY" or shown.evaluate(f"{style}.outlineStyle") != "none", name
        if name == "BODY":
            break
        seen.append(name)
    fields = ["reset", "field-0", "field-1-missing", "field-1", "field-2", "field-3", "field-4-missing", "field-4"]
    assert seen[: len(fields)] == fields
    assert seen[len(fields) :] == ["across", "up", "file", "glance"]
    # A screen reader hears of it too.
    label = shown.locator("#label").inner_text()
    shown.locator("#announcement", has_text=label).wait_for()


def test_dates_that_stand_for_none(opened: Any) -> None:
    shown = opened("endless", width=360)
    assert not shown.locator("#problem").is_visible()
    box = shown.locator("#plane").bounding_box()
    shown.get_by_label("Across").select_option("sold")
    shown.locator("#plane").click(position={"x": box["width"] - 6, "y": 40})
    assert shown.get_by_label("sold", exact=True).input_value() == "9999-12-31"
    shown.locator("#label.none").wait_for(state="detached")


def test_the_mark_is_where_a_date_is_as_people_write_it(opened: Any) -> None:
    shown, predictor = opened("sales"), Predictor(MODELS / "sales.onnx", device="cpu")
    row = {"sold": "05.12.2022", "price": 600, "new": True, "zip": "007", "paid": None}
    shown.get_by_label("Across").select_option("sold")
    shown.get_by_label("paid is missing").check()
    shown.get_by_label("price", exact=True).fill("600")
    shown.get_by_label("sold", exact=True).fill("05.12.2022")
    answer_of(shown, f"{predictor.predict_one(row):,.6g}")
    # From 2020-01-01 to 2025-12-31, and a little more on both sides.
    place = (1069 / 2191 + 0.05) / 1.1
    marked = shown.evaluate(
        """(place) => {
          const canvas = document.querySelector("#plane"), { width, height } = canvas;
          const across = Math.round(68 + place * (width - 80));
          const { data } = canvas.getContext("2d").getImageData(across, 0, 1, height);
          const text = getComputedStyle(document.body).getPropertyValue("--text").slice(1);
          const colour = [0, 2, 4].map((at) => parseInt(text.slice(at, at + 2), 16));
          let found = 0;
          for (let y = 0; y < height; y += 1) found += colour.every((one, at) => data[4 * y + at] === one) ? 1 : 0;
          return found;
        }""",
        place,
    )
    assert marked > 9


def test_a_window_may_be_narrower_than_the_margins_of_the_picture(opened: Any) -> None:
    shown = opened("four_blobs")
    shown.set_viewport_size({"width": 100, "height": 900})
    answer_of(shown, shown.locator("#label").inner_text())
    shown.set_viewport_size({"width": 360, "height": 900})
    shown.locator("#plane").click(position={"x": 100, "y": 40})


def test_names_are_not_code(opened: Any) -> None:
    shown = opened("hostile")
    shown.locator("#label", has_text=HOSTILE).wait_for()
    assert f"island {HOSTILE}" in shown.locator("#fields").inner_text()
    assert shown.locator("main img, main script").count() == 0
    assert shown.evaluate("typeof hacked") == "undefined"
    assert shown.locator(".warning:visible").count() == 0


def test_models_of_tensors_show_what_they_take(opened: Any) -> None:
    shown = opened("tensors")
    specs = Predictor(MODELS / "tensors.onnx", device="cpu")
    assert [row.split("\t")[1] for row in shown.locator("#specs").inner_text().splitlines()] == [
        spec.name for spec in (*specs.inputs, *specs.outputs)
    ]
    assert not shown.locator("#rows").is_visible()
