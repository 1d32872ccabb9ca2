import asyncio

import numpy as np
import pytest
from paths import FOUR_BLOBS

from edge_runtime import Predictor
from edge_runtime.serve import ServedModels
from edge_runtime.serve.refusals import Refused


def test_answers_are_the_predictors() -> None:
    predictor = Predictor(FOUR_BLOBS, device="cpu")
    opened = ServedModels({"blobs": predictor})["blobs"].opened
    rows = np.array([[-1, 1], [1, 1]], np.float32)
    assert np.array_equal(asyncio.run(opened.answers({"x": rows})), predictor.predict_proba(rows))
    assert np.array_equal(
        asyncio.run(opened.run({"x": rows}, ["probability"]))[0], predictor.run({"x": rows})["probability"]
    )


def test_an_unknown_name() -> None:
    models = ServedModels({"blobs": Predictor(FOUR_BLOBS, device="cpu")})
    with pytest.raises(Refused, match=r"no model 'b'; the server has blobs") as refused:
        models.named("b")
    assert refused.value.status == 404
