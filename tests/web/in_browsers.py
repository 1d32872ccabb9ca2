"""The npm package in the browsers of this machine: it reads, answers and verifies as Python does."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import FOUR_BLOBS, ROOT
from tensor_models import IMAGE, image_probabilities
from web_pages import PAGES, Evaluate, site
from web_verdicts import IN_A_PAGE, absent

from edge_runtime import Predictor

ROWS = [
    {"plain": "b", "year": 2001, "island": "São Tomé", "mass": "4.5", "smoker": True, "kind": 5, "ringed": None},
    {
        "plain": "Dream",
        "year": "1999",
        "island": None,
        "mass": "",
        "smoker": 0,
        "kind": "12",
        "ringed": "true",
        "depth": 1,
    },
    {
        "plain": "?!",
        "year": 1e6,
        "island": "日本",
        "mass": 3,
        "smoker": "false",
        "kind": None,
        "ringed": 1,
        "depth": "NA",
    },
]
DATES = [["31.12.2023 14:30", "2021-06-01"], [None, "2021-06-01T08:00:00+02:00"], ["2024-02-29", "2024-02-29"]]
WASM = "/runtime/web/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"
# Opens the artifact at a path and answers rows, each part as Python's method of the name does.
ANSWER = """async ([path, rows]) => {
    const { Predictor } = await import("/runtime/web/dist/index.js");
    const predictor = await Predictor.load(path);
    const found = [await predictor.predictProba(rows), await predictor.predict(rows), predictor.unseen(rows)];
    await predictor.close();
    return found;
}"""


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(request: pytest.FixtureRequest) -> str:
    if reason := absent(request.param):
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture(scope="module")
def page(browser: str, artifacts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluate]:
    folder = tmp_path_factory.mktemp("site")
    for name, path in artifacts.items():
        (folder / f"{name}.onnx").symlink_to(path.absolute())
    example = tmp_path_factory.mktemp("example")
    package = ROOT / "runtime" / "web"
    (example / "node_modules").mkdir()
    for name, path in {
        "index.html": ROOT / "examples" / "web" / "index.html",
        "model.onnx": FOUR_BLOBS,
        "node_modules/edge-predict": package,
        "node_modules/onnxruntime-web": package / "node_modules" / "onnxruntime-web",
    }.items():
        (example / name).symlink_to(path)
    with site(artifacts=folder, example=example) as address, PAGES[browser](address) as evaluate:
        yield evaluate


def test_the_conformance_file(page: Evaluate) -> None:
    replay = """async () => {
        const { differences } = await import("/tests/web/replay.mjs");
        return differences(new URL("/tests/", location));
    }"""
    assert page(replay, None) == []


def test_every_artifact_passes(page: Evaluate, artifacts: dict[str, Path]) -> None:
    found = {name: page(IN_A_PAGE, f"/artifacts/{name}.onnx") for name in artifacts}
    assert {name: one["problem"] for name, one in found.items()} == dict.fromkeys(artifacts)
    assert any(one["tolerance_used"] > 0 for one in found.values())


@pytest.mark.parametrize(("name", "rows"), [("example", [[-1, 1], ["1", 0.5]]), ("table", ROWS), ("dates", DATES)])
def test_rows_are_answered_as_in_python(page: Evaluate, artifacts: dict[str, Path], name: str, rows: Any) -> None:
    predictor = Predictor(artifacts[name], device="cpu")
    probabilities, labels, unseen = page(ANSWER, [f"/artifacts/{name}.onnx", rows])
    np.testing.assert_allclose(probabilities, predictor.predict_proba(rows), rtol=1e-5)
    assert labels == predictor.predict(rows).tolist()
    assert unseen == predictor.unseen(rows)


def test_images(page: Evaluate) -> None:
    images = np.random.default_rng(1).normal(size=(3, *IMAGE)).astype(np.float32)
    answer = """async ([shape, numbers]) => {
        const { Predictor } = await import("/runtime/web/dist/index.js");
        const predictor = await Predictor.load("/tests/runtime/models/images.onnx");
        return predictor.predictProba({ data: Float32Array.from(numbers), shape });
    }"""
    found = page(answer, [list(images.shape), images.ravel().tolist()])
    np.testing.assert_allclose(found, image_probabilities(images), rtol=1e-5)


def test_a_module_of_the_users_own(page: Evaluate, artifacts: dict[str, Path]) -> None:
    """Without a signature: tensors by name in, tensors by name out."""
    predictor = Predictor(artifacts["convolutions"], device="cpu")
    image = np.random.default_rng(2).normal(size=(2, 1, 12, 12)).astype(np.float32)
    run = """async ([path, shape, numbers]) => {
        const { Predictor } = await import("/runtime/web/dist/index.js");
        const { output } = await (await Predictor.load(path)).run({ image: { data: numbers, shape } });
        return [output.dtype, [...output.shape], [...output.data]];
    }"""
    dtype, shape, numbers = page(run, ["/artifacts/convolutions.onnx", list(image.shape), image.ravel().tolist()])
    expected = predictor.run({"image": image})["output"]
    assert (dtype, shape) == ("float32", list(expected.shape))
    np.testing.assert_allclose(np.reshape(numbers, shape), expected, rtol=1e-4, atol=1e-5)


def test_the_example_of_the_docs(page: Evaluate) -> None:
    """A form that answers as one types, and says what is wrong with a value."""
    type_in = """async () => {
        const frame = document.createElement("iframe"), answers = [];
        frame.src = "/example/";
        document.body.append(frame);
        const said = async () => {
            const before = answers.at(-1) ?? "";
            for (;;) {
                const text = frame.contentDocument?.querySelector("output")?.textContent ?? "";
                if (text !== before) return answers.push(text);
                await new Promise((resolve) => setTimeout(resolve, 20));
            }
        };
        await said();
        const field = frame.contentDocument.querySelector("[name=x2]");
        for (const value of ["-1", "-1,5"]) {
            field.value = value;
            field.dispatchEvent(new Event("input", { bubbles: true }));
            await said();
        }
        return answers;
    }"""
    first, second, third = page(type_in, None)
    assert (first, third) == ("1, with probability 0.993", "x2: '-1,5' is not a number")
    assert second.startswith("0, with probability 0.")


def test_errors_name_the_row_and_the_feature(page: Evaluate) -> None:
    refused = """async () => {
        const { InvalidInput, Predictor } = await import("/runtime/web/dist/index.js");
        const predictor = await Predictor.load("/tests/runtime/models/four_blobs.onnx");
        const error = await predictor.predict([[1, 2], { x1: 1, x2: "one" }]).catch((error) => error);
        return [error instanceof InvalidInput, error.message, error.row, error.feature];
    }"""
    assert page(refused, None) == [True, "x2: 'one' is not a number", 1, "x2"]


def test_webassembly_may_be_passed(page: Evaluate) -> None:
    """As a page does it that is one file: ONNX Runtime asks for nothing."""
    answer = """async ([wasm, path]) => {
        const content = async (address) => (await fetch(address)).arrayBuffer();
        const [binary, model] = [await content(wasm), await content(path)];
        const { Predictor } = await import("/runtime/web/dist/index.js");
        const asked = [];
        globalThis.fetch = (address) => (asked.push(String(address)), Promise.reject(new Error("offline")));
        return [await (await Predictor.load(model, { wasm: binary })).predict([[-1, 1]]), asked];
    }"""
    # What was loaded into the page is not there in a frame of it.
    in_a_frame = f"""async (paths) => {{
        const frame = document.createElement("iframe");
        frame.src = "/index.html";
        await new Promise((resolve) => {{ frame.onload = resolve; document.body.append(frame); }});
        return frame.contentWindow.eval({json.dumps(f"({answer})")})(paths);
    }}"""
    assert page(in_a_frame, [WASM, "/tests/runtime/models/four_blobs.onnx"]) == [[1], []]
