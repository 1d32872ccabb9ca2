"""Files that are given to a page: tables, and pictures. Run by `make test-web`."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_models import COLOURS, colours_model, png
from paths import MODELS

from edge_runtime import Predictor, score

ROWS = """bill;island;mass;ringed;year;comment
46,5;Biscoe;4500;true;2007;"several
lines; and ""quotes""\"
wide;Dream;3000;true;2007;
39,1;Torgersen;3750,5;false;;plain
1;2

39,1;Foo;9000;true;1999;
""
39,1; "Dream";  3000 ;wrong ;2007;
40,5; Dream ;3000;true;2007;" twice "
40;Dream;3000;true;2007;"never closed
"""


def give(shown: Any, field: str, path: Path) -> dict[str, str]:
    """Choose a file, and return what can be downloaded then, by name."""
    shown.locator(field).set_input_files(path)
    shown.locator("#table-result .downloads").wait_for()
    found = {}
    for link in shown.locator("#table-result a").all():
        with shown.expect_download() as download:
            link.click()
        found[download.value.suggested_filename] = Path(download.value.path()).read_text("utf-8")
    return found


def test_a_table_is_answered_as_by_the_command(opened: Any, tmp_path: Path) -> None:
    path, scores, rejects = tmp_path / "rows.csv", tmp_path / "scores.csv", tmp_path / "rejects.csv"
    path.write_text(ROWS)
    score(MODELS / "penguins.onnx", path, scores, keep="all", rejects=rejects, device="cpu")
    shown = opened("penguins")
    found = give(shown, "#file", path)
    assert found["rows.rejects.csv"] == rejects.read_text()
    assert [row[:7] for row in cells(found["rows.scores.csv"])] == [row[:7] for row in cells(scores.read_text())]
    numbers = [[float(one) for one in row[7:]] for row in cells(found["rows.scores.csv"])[1:]]
    assert np.allclose(numbers, [[float(one) for one in row[7:]] for row in cells(scores.read_text())[1:]], atol=1e-6)
    state = shown.locator("#table-state").inner_text()
    assert state.startswith("rows.csv: 9 rows: 4 scored, 5 rejected. In 1 row a value is unlike the training data.")
    assert shown.locator(".rejects").inner_text().splitlines() == [
        "line 4: bill: 'wide' is not a number written like '1234,50'",
        "line 6: 2 values, but the header has 6 columns",
        "line 9: 1 value, but the header has 6 columns",
        "line 10: ringed: 'wrong' is neither true nor false",
        "line 12: not CSV: a quote is never closed",
    ]


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("bill,mass\n1,2\n", "line 1: as a header the line lacks island, ringed, year"),
        ('bill,"island,mass,ringed,year\n1,Dream,2,true,2007\n', "line 1: not CSV: a quote is never closed"),
        (
            "place,bil,weight,flag,yr\nDream,40,3000,true,2007\n",
            "line 1: mass: 'weight' is not a number, and as a header the line lacks island, bill, mass, ringed, year; "
            "'bil' is not a feature; did you mean 'bill'?",
        ),
        ("Island,a,b,c,d\nDream,40,3000,true,2007\n", "line 1: as a header the line lacks island, bill, mass"),
        ("bill,bill,island,mass,ringed,year\n1,1,Dream,2,true,2007\n", "the header names bill more than once"),
    ],
)
def test_a_file_that_is_not_a_table(opened: Any, tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "rows.csv").write_text(text)
    shown = opened("penguins")
    shown.locator("#file").set_input_files(tmp_path / "rows.csv")
    shown.locator("#table-state", has_text=reason).wait_for()
    assert shown.locator("#table-result").inner_text() == ""


def test_a_file_is_dropped(opened: Any) -> None:
    shown = opened("mass")
    shown.evaluate("""() => {
      const data = new DataTransfer();
      data.items.add(new File(["\\ufeffdepth\\tbill\\tvalue\\n17\\t44\\t1\\n"], "two.tsv"));
      document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }""")
    shown.locator("#table-state", has_text="two.tsv: 1 row: 1 scored, 0 rejected.").wait_for()
    assert "Not kept, since the answers have these names: value." in shown.locator("#table-state").inner_text()


@pytest.mark.parametrize("colour", range(3))
def test_a_picture_is_answered_as_by_python(opened: Any, tmp_path: Path, colour: int) -> None:
    shown = opened("colours", "dark", 360)
    # Above and below the middle, which is cut out, and right of it, other colours.
    pixels = np.full((32, 24, 3), 200, np.uint8)
    pixels[8:16, :12] = 40
    pixels[8:16, :12, colour] = 200
    (tmp_path / "picture.png").write_bytes(png(pixels))
    shown.locator("#picture-file").set_input_files(tmp_path / "picture.png")
    shown.locator("#label", has_text=COLOURS[colour]).wait_for()
    predictor = Predictor(colours_model(), device="cpu")
    for scaling, width, low in (("0 to 1", 1, 0), ("\N{MINUS SIGN}1 to 1", 2, -1)):
        shown.get_by_label("Scaling of the pixels").select_option(scaling)
        tensor = (pixels[8:24:2, ::2] / 255 * width + low).transpose(2, 0, 1)[None]
        probability = predictor.predict_proba(tensor).max()
        shown.locator("#note", has_text=f"{probability:.1%}").wait_for()
    assert "The file does not say how the numbers of its pictures are scaled" in shown.locator("#picture").inner_text()
    (tmp_path / "not.png").write_bytes(b"text")
    shown.locator("#picture-file").set_input_files(tmp_path / "not.png")
    shown.get_by_text("not.png is not a picture that this browser reads", exact=True).first.wait_for()
