from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.scoring.features import features_of


def test_features() -> None:
    assert [feature.name for feature in features_of(Predictor(MODELS / "four_blobs.onnx"))] == ["x1", "x2"]
    assert features_of(Predictor(MODELS / "tensors.onnx")) == ()
