"""The isolated process, and what does not fit into its memory."""

import os
import sys

import numpy as np
import pytest
from hostile_models import FOLDER, LIMITS, ROWS
from paths import FOUR_BLOBS

from edge_runtime import IsolatedPredictor, IsolationFailed, Limits, Predictor
from edge_runtime.isolate import process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="models are isolated on POSIX systems")


def test_large_questions_and_answers() -> None:
    rows = np.random.default_rng(0).normal(size=(300_000, 2)).astype(np.float32)
    with IsolatedPredictor(FOUR_BLOBS) as predictor:
        assert (
            predictor.predict_proba(rows).tobytes() == Predictor(FOUR_BLOBS, device="cpu").predict_proba(rows).tobytes()
        )


def test_rows_for_which_there_is_no_memory() -> None:
    with IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=64 * 2**20)) as predictor:
        with pytest.raises(IsolationFailed, match="64 MiB"):
            predictor.run({"x": np.zeros((20_000_000, 2), np.float32)})
        assert predictor.predict([[-1, 1]]).tolist() == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux")
@pytest.mark.parametrize("size", [1, 1000])
def test_a_limit_that_no_model_can_keep(size: int) -> None:
    with pytest.raises(IsolationFailed) as raised:
        IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=size))
    message = str(raised.value)
    assert "raise the limit: limits=Limits(isolated_bytes=...), at the shell --limit isolated_bytes=..." in message
    if "needs more memory" in message:
        shown = {1: "1 byte", 1000: "1,000 bytes"}[size]
        assert f"needs more memory than {shown}; small models take about 32 MiB; " in message
    else:
        assert "perhaps for want of memory" in message


def test_what_small_models_take() -> None:
    with IsolatedPredictor(FOUR_BLOBS, limits=Limits(isolated_bytes=32 * 2**20)) as predictor:
        assert predictor.predict([[-1, 1]]).tolist() == [1]


LESS = """
import json, sys; sys.path[:] = json.loads(sys.argv[2])
from edge_runtime.isolate import child, confinement
limit = confinement.limit
confinement.limit = lambda most: limit(300 * 2**20)
child.main(int(sys.argv[1]))
"""


def test_less_memory_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_START", LESS)
    with (
        IsolatedPredictor(FOLDER / "huge.onnx", limits=LIMITS) as predictor,
        pytest.raises(IsolationFailed, match="than 300 MiB, half of what the machine or its control group has"),
    ):
        predictor.run({"x": ROWS})
