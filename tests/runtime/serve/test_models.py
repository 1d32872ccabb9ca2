import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from concurrency import HANG
from paths import FOUR_BLOBS, MODELS
from served import app_of
from servers import ask_soon
from wrong_answers import wrong

from edge_runtime import OutOfResources, Predictor
from edge_runtime.contract.workload import Workload
from edge_runtime.serve import ServedModels
from edge_runtime.serve.refusals import Refused


def test_answers_are_the_predictors() -> None:
    predictor = Predictor(FOUR_BLOBS, device="cpu")
    opened = ServedModels({"blobs": predictor})["blobs"].opened
    rows = np.array([[-1, 1], [1, 1]], np.float32)
    assert np.array_equal(asyncio.run(opened.answers({"x": rows})), predictor.predict_proba(rows))
    assert np.array_equal(
        asyncio.run(opened.run({"x": rows}, ("probability",)))[0], predictor.run({"x": rows})["probability"]
    )


def test_callers_whose_inputs_do_not_have_as_many_rows_are_not_joined(
    with_metadata: Callable[[bytes, str, str], bytes],
) -> None:
    content = (MODELS / "penguins.onnx").read_bytes()
    joined = with_metadata(content, "edge_predict.workload", Workload(True, 1e6, 40).to_json())
    opened = ServedModels({"m": Predictor(joined, device="cpu")})["m"].opened
    assert opened.predictor.has_independent_rows

    def feed(rows: int, texts: int) -> dict[str, Any]:
        return {"x": np.full((rows, 3), rows), "text": np.full((texts, 2), "Biscoe", object)}

    async def at_once() -> list[Any]:
        # So many rows may be joined then. Of these three requests, both inputs together would have as many.
        await opened.run(feed(8, 8), ("probabilities",))
        calls = [opened.run(feed(*sizes), ("probabilities",)) for sizes in ((3, 1), (2, 2), (1, 3))]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    few, (alone,), many = asyncio.run(at_once())
    assert str(few) == "batch must be the same everywhere: x has 3, text 1"
    assert str(many) == "batch must be the same everywhere: x has 1, text 3"
    assert np.array_equal(alone, opened.predictor.run(feed(2, 2))["probabilities"])


def test_a_request_keeps_to_the_file_that_it_has_begun_with(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    models = ServedModels({"m": Predictor(file, device="cpu")})
    model, begun = models["m"], models["m"].opened
    assert not model.reload()
    assert model.opened is begun
    replace(file, (MODELS / "images.onnx").read_bytes())
    assert model.reload()
    assert [spec.name for spec in begun.predictor.inputs] == ["x"]
    assert asyncio.run(begun.run({"x": np.zeros((1, 2))}, ("probability",)))[0].shape == (1, 1)
    assert [spec.name for spec in model.opened.predictor.inputs] == ["image"]


def test_a_file_that_cannot_be_used_is_refused_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    models = ServedModels({"m": Predictor(file, device="cpu")})
    model, begun = models["m"], models["m"].opened
    replace(file, FOUR_BLOBS.read_bytes()[:1000])
    for _ in range(3):
        assert not model.reload()
    assert model.opened is begun
    assert caplog.text.count("m was changed, and cannot be used; the old one goes on answering") == 1
    file.unlink()
    assert not model.reload()
    replace(file, FOUR_BLOBS.read_bytes())
    assert model.reload()
    text = models.metrics.text().decode()
    assert 'edge_serve_reloads_total{model="m",result="refused"} 2.0' in text
    assert 'edge_serve_reloads_total{model="m",result="taken"} 1.0' in text


def test_files_are_followed_whatever_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    model = ServedModels({"m": Predictor(file, device="cpu")})["m"]
    nothing: dict[str, bool] = {}
    with monkeypatch.context() as broken:
        broken.setattr(Predictor, "reload", lambda self: nothing["bug"])
        replace(file, FOUR_BLOBS.read_bytes())
        assert not model.reload()
        assert not model.reload()
    assert caplog.text.count("KeyError: 'bug'") == 1
    replace(file, FOUR_BLOBS.read_bytes())
    assert model.reload()


def test_a_file_that_cannot_be_opened_for_now_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    models = ServedModels({"m": Predictor(file, device="cpu")})
    model = models["m"]

    def fail(self: Predictor) -> bool:
        raise OutOfResources("m cannot be read: Too many open files")

    replace(file, FOUR_BLOBS.read_bytes())
    with monkeypatch.context() as short:
        short.setattr(Predictor, "reload", fail)
        assert [model.reload() for _ in range(3)] == [False] * 3
    assert caplog.text.count("but is tried again: m cannot be read: Too many open files") == 1
    # Nothing has changed but that it can be opened now.
    assert model.reload()
    assert 'result="refused"' not in models.metrics.text().decode()


def test_files_are_followed_without_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    models = ServedModels({"m": Predictor(file, device="cpu")})
    submit = models.others.submit
    refused: list[int] = []

    def without(*arguments: Any) -> Any:
        if len(refused) < 3:
            refused.append(1)
            raise RuntimeError("can't start new thread")
        return submit(*arguments)

    monkeypatch.setattr(models.others, "submit", without)

    follow_until_reloaded(models, file)
    assert len(refused) == 3


def test_a_model_that_was_opened_from_its_content_is_not_reloaded() -> None:
    assert not ServedModels({"m": Predictor(FOUR_BLOBS.read_bytes(), device="cpu")})["m"].reload()


def test_files_are_followed(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    shutil.copy(FOUR_BLOBS, file)
    models = ServedModels({"m": Predictor(file, device="cpu")})
    follow_until_reloaded(models, file)


def follow_until_reloaded(models: ServedModels, file: Path) -> None:
    """Follow the file of the model "m", and replace it, until the new one is answered from."""
    begun = models["m"].opened

    async def follow() -> None:
        following = asyncio.create_task(models.follow_files(0.01))
        replace(file, FOUR_BLOBS.read_bytes())
        async with asyncio.timeout(HANG):
            while models["m"].opened is begun:
                await asyncio.sleep(0.01)
        following.cancel()

    asyncio.run(follow())


def replace(file: Path, content: bytes) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.replace(file)


def test_an_unknown_name() -> None:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")})
    with pytest.raises(Refused, match=r"no model 'b'; the server has blobs") as refused:
        models.named("b")
    assert refused.value.status == 404


@pytest.mark.parametrize("name", ["each row twice", "one row", "no rows", "three axes, hidden"])
@pytest.mark.parametrize("workload", [None, Workload(True, 1e3, 40)])
def test_wrong_answers_are_sent_to_nobody(name: str, workload: Workload | None) -> None:
    app = app_of({"m": Predictor(wrong(name, "binary", workload=workload), device="cpu")})
    rows = json.dumps({"rows": [[1, 2], [3, 4]]}).encode()
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
    paths = {"/models/m/predict": rows, "/v2/models/m/infer": json.dumps({"inputs": [tensor]}).encode()}
    if workload is None:
        # The file does not say that the rows of tensors are counted.
        del paths["/v2/models/m/infer"]

    async def ask_all() -> list[Any]:
        # Joined ones, and later one that comes alone.
        together = [ask_soon(app, path, body) for path, body in paths.items() for _ in range(8)]
        return [*await asyncio.gather(*together), *[await ask_soon(app, path, body) for path, body in paths.items()]]

    for response in asyncio.run(ask_all()):
        assert response.status == 500
        assert "the model" in response.json["error"]
