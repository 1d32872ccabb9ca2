"""Which files a model refers to, wherever in it a tensor may be."""

from pathlib import Path

import pytest
from external_models import adding, external_tensor, model_of, node, tensor_attribute
from external_models import field as message
from paths import MODELS

from edge_runtime import InvalidModel
from edge_runtime.engine import external_files as module
from edge_runtime.engine.external_files import external_files

ADD = message(1, node("Add", ["x", "w"], ["y"]))
W = external_tensor("w.bin")
SPARSE = message(1, W) + message(2, external_tensor("i.bin"))
GRAPH = ADD + message(5, W)

# Where a tensor may be, and the files that the model refers to then.
MODELS_WITH_FILES = {
    "a weight": (adding("w.bin"), {"w.bin"}),
    "two weights": (model_of(ADD, message(5, W), message(5, external_tensor("sub/v.bin"))), {"w.bin", "sub/v.bin"}),
    "a sparse weight": (model_of(ADD, message(15, SPARSE)), {"w.bin", "i.bin"}),
    "a constant": (model_of(message(1, node("Constant", [], ["w"], tensor_attribute("value", W)))), {"w.bin"}),
    "constants": (model_of(message(1, node("Of", [], ["w"], message(1, "values") + message(10, W)))), {"w.bin"}),
    "a sparse constant": (model_of(message(1, node("Of", [], ["w"], message(22, SPARSE)))), {"w.bin", "i.bin"}),
    "sparse constants": (model_of(message(1, node("Of", [], ["w"], message(23, SPARSE)))), {"w.bin", "i.bin"}),
    "a subgraph": (model_of(message(1, node("If", ["x"], ["y"], message(6, GRAPH)))), {"w.bin"}),
    "subgraphs": (model_of(message(1, node("If", ["x"], ["y"], message(11, GRAPH)))), {"w.bin"}),
    "a function": (
        model_of(ADD, more=message(25, message(7, node("Of", [], [], tensor_attribute("v", W))))),
        {"w.bin"},
    ),
    "a default of a function": (model_of(ADD, more=message(25, message(11, tensor_attribute("v", W)))), {"w.bin"}),
    "what trains it": (model_of(ADD, more=message(20, message(2, GRAPH))), {"w.bin"}),
    "what was not written by ONNX's tools": (
        model_of(ADD, message(5, message(13, message(2, "w.bin") + message(1, "location")))),
        {"w.bin"},
    ),
    "none": ((MODELS / "penguins.onnx").read_bytes(), set()),
    "metadata of that name": (model_of(ADD, more=message(14, message(1, "location") + message(2, "Berlin"))), set()),
    "a value of that name": (model_of(message(1, node("Add", ["x", "location"], ["y"]))), set()),
}


@pytest.mark.parametrize("name", MODELS_WITH_FILES)
def test_the_files_of_a_model(name: str, tmp_path: Path) -> None:
    content, expected = MODELS_WITH_FILES[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for model in (content, path):
        found = external_files(model, tmp_path, "the model")
        assert found == {place: tmp_path / place for place in expected}


@pytest.mark.parametrize("name", MODELS_WITH_FILES)
@pytest.mark.parametrize("small", [0, 10, 50, 100])
def test_what_is_large_is_looked_into(name: str, small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", small)
    content, expected = MODELS_WITH_FILES[name]
    assert external_files(content, Path(), "the model").keys() == expected


def test_a_model_without_a_place_for_its_files_is_refused() -> None:
    with pytest.raises(InvalidModel, match=r"the model has weights in w\.bin; pass their folder as data_folder"):
        external_files(adding("w.bin"), None, "the model")


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    content = adding("w.bin")
    with pytest.raises(InvalidModel, match="the model is not an ONNX file, or is damaged"):
        external_files(content[:-5], tmp_path, "the model")
    with pytest.raises(InvalidModel, match="the model is not an ONNX file, or is damaged"):
        external_files(content.replace(b"w.bin", b"\xff.bin"), tmp_path, "the model")
