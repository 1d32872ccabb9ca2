from pathlib import Path

import pytest
from paths import MODELS
from written_models import message

from edge_runtime import InvalidModel, ModelMetadata, Predictor
from edge_runtime.engine import model_files


@pytest.fixture
def metadata() -> ModelMetadata:
    onnx = pytest.importorskip("onnx")
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3], producer_name: "somebody", domain: "org.birds",
            model_version: 5, doc_string: "sings", metadata_props: ["labels" : "tit\\nröd", "empty" : ""]>
        birds (float[n] x) => (float[n] y) { y = Relu(x) }"""
    )
    onnx.helper.set_model_props(model, {"labels": "tit\nröd", "empty": ""})
    model.graph.doc_string = "of birds"
    return Predictor(model.SerializeToString(), device="cpu").metadata


def test_what_a_file_says(metadata: ModelMetadata) -> None:
    assert metadata == ModelMetadata(
        custom={"labels": "tit\nröd", "empty": ""},
        producer="somebody",
        graph_name="birds",
        graph_description="of birds",
        description="sings",
        domain="org.birds",
        version=5,
        opsets={"ai.onnx": 17, "ai.onnx.ml": 3},
    )


def test_what_a_file_does_not_say() -> None:
    metadata = Predictor(MODELS / "islands.onnx", device="cpu").metadata
    assert metadata.version is None
    assert metadata.producer == ""
    assert list(metadata.custom) == ["edge_predict.signature"]
    assert metadata.opsets == {"ai.onnx": 16, "ai.onnx.ml": 3}


def test_a_large_file_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "HELD_SIZE", 0)
    path = tmp_path / "model.onnx"
    path.write_bytes((MODELS / "outputs.onnx").read_bytes())
    predictor, other = Predictor(path, device="cpu"), Predictor(path, device="cpu")
    assert predictor.metadata.opsets == {"ai.onnx": 16}
    path.write_bytes((MODELS / "islands.onnx").read_bytes())
    assert predictor.metadata.opsets == {"ai.onnx": 16}
    assert other.metadata.opsets == {}
    assert other.metadata.graph_name == "outputs"


def test_what_is_not_text() -> None:
    content = (MODELS / "four_blobs.onnx").read_bytes().replace(b"edge-predict", b"\xff" * 12, 1)
    predictor = Predictor(content, device="cpu")
    with pytest.raises(InvalidModel, match=r"^what the model says about itself is not UTF-8 text$"):
        predictor.metadata  # noqa: B018
    assert predictor.run({"x": [[-1, 1]]})["probability"].shape == (1, 1)


def test_operator_sets_in_forms_that_no_writer_writes() -> None:
    # ONNX Runtime skips a version that is a text, and the last field may be one; it also skips groups, which begin with
    # wire type 3 and end with 4.
    content = (MODELS / "outputs.onnx").read_bytes()
    predictor = Predictor(content + message((8, message((1, "birds"), (2, b"")))), device="cpu")
    assert predictor.metadata.opsets == {"ai.onnx": 16, "birds": 0}
    predictor = Predictor(
        content + message((8, message((1, "birds"), (2, 1)) + bytes([9 << 3 | 3, 9 << 3 | 4]))), device="cpu"
    )
    with pytest.raises(InvalidModel, match="its operator sets cannot be read"):
        predictor.metadata  # noqa: B018
