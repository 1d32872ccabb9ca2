"""On a machine with an NVIDIA GPU: the same answers there."""

import numpy as np
import pytest
from paths import FOUR_BLOBS as MODEL

from edge_runtime import DeviceUnavailable, Predictor

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def on_cuda() -> Predictor:
    try:
        return Predictor(MODEL, device="cuda")
    except DeviceUnavailable as error:
        pytest.skip(str(error))


def test_auto_leaves_a_small_model_on_the_cpu(on_cuda: Predictor) -> None:
    assert on_cuda.provider == "CUDAExecutionProvider"
    assert Predictor(MODEL).provider == "CPUExecutionProvider"
    # It says nothing of what its rows take.
    assert Predictor(MODEL.with_name("three_labels.onnx")).provider == "CUDAExecutionProvider"


def test_same_answers_as_on_the_cpu(on_cuda: Predictor) -> None:
    on_cpu = Predictor(MODEL, device="cpu")
    for batch in (1, 2, 37, 4096):
        rows = np.random.default_rng(batch).normal(size=(batch, 2)).astype(np.float32)
        # Without TF32 the difference is that of the order of summation.
        np.testing.assert_allclose(on_cuda.predict_proba(rows), on_cpu.predict_proba(rows), rtol=0, atol=1e-6)


def test_a_device_that_is_not_there(on_cuda: Predictor) -> None:
    with pytest.raises(DeviceUnavailable):
        Predictor(MODEL, device="cuda:99")
