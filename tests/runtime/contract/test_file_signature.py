"""A signature must describe the graph that it comes with, or answers would be wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import entry_in
from paths import FOUR_BLOBS, MODELS

from edge_runtime import InvalidModel, Predictor, TensorSpec
from edge_runtime.contract.file_signature import signature_in
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name": "x2"}], "name": "x"}]', b'"name": "x2"}], "name": "y"}]'),
        (b'"output": "probability"', b'"output": "linear_1   "'),
        (b'{"features": [{"kind"', b'{"features": [{"mind"'),
    ],
)
def test_a_signature_that_is_not_of_this_graph(old: bytes, new: bytes) -> None:
    content = FOUR_BLOBS.read_bytes()
    assert content.count(old) == 1
    with pytest.raises(InvalidModel, match="the signature"):
        Predictor(content.replace(old, new))


def test_a_label_too_many() -> None:
    content = (MODELS / "three_labels.onnx").read_bytes()
    # One label too many, in as many bytes.
    old, new = b'"labels": ["right", "up", "left"]', b'"labels":["right","u","p","left"]'
    assert len(old) == len(new)
    assert content.count(old) == 1
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        Predictor(content.replace(old, new))


def with_changed_signature(model: str, old: bytes, new: bytes) -> tuple[bytes, str, str]:
    """A model, its signature, and this with `new` in place of `old`."""
    content = (MODELS / f"{model}.onnx").read_bytes()
    signature = entry_in(content, SIGNATURE_KEY)
    changed = signature.replace(old.decode(), new.decode())
    assert changed != signature
    return content, signature, changed


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("penguins", b'"name": "text"}', b'"name": "texd"}'),
        ("penguins", b'"kind": "boolean"', b'"kind": "categorical", "categories": ["a"]'),
        ("penguins", b', {"kind": "boolean", "name": "ringed"}', b""),
        ("mass", b', {"kind": "numeric", "maximum": 21.5, "minimum": 13.0, "missing": 0.1, "name": "depth"}', b""),
        ("penguins", b', "ringed"', b""),
        ("islands", b'"kind": "categorical"', b'"kind": "numeric"'),
        ("islands", b'"name": "text"}', b'"name": "x"}'),
        ("mass", b'"output": "value"', b'"output": "valve"'),
        ("mass", b'"task": "regression"', b'"labels": ["a", "b"], "task": "multiclass_classification"'),
        ("three_labels", b'"task": "multiclass_classification"', b'"task": "regression"'),
    ],
)
def test_a_signature_of_a_table_that_is_not_of_this_graph(
    model: str, old: bytes, new: bytes, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    content, signature, changed = with_changed_signature(model, old, new)
    assert signature.encode() in content
    # Of two entries of metadata with one key the later counts.
    with pytest.raises(InvalidModel, match="the signature"):
        Predictor(with_metadata(content, "edge_predict.signature", changed), device="cpu")
    Predictor(with_metadata(content, "edge_predict.signature", signature), device="cpu")


def spec(name: str, type_: str, *shape: int | str | None) -> TensorSpec:
    return TensorSpec(name, f"tensor({type_})", shape)


def test_tensors_that_it_does_not_describe() -> None:
    text = Predictor(MODELS / "penguins.onnx", device="cpu").required_signature.to_json()
    x, strings, output = (
        spec("x", "float", "b", 3),
        spec("text", "string", "b", 2),
        spec("probabilities", "float", "b", 3),
    )
    signature = signature_in({SIGNATURE_KEY: text}, [strings, x], [spec("more", "int64", "b"), output])
    assert signature is not None
    assert signature.to_json() == text
    for inputs, outputs in (
        ([x], [output]),
        ([x, strings, spec("z", "float", "b", 1)], [output]),
        ([spec("x", "float", "b", 4), strings], [output]),
        ([spec("x", "float", "b", None), strings], [output]),
        ([spec("x", "float", "b", 3, 1), strings], [output]),
        ([spec("x", "int64", "b", 3), strings], [output]),
        ([x, spec("text", "bfloat16", "b", 2)], [output]),
        ([x, strings], [spec("probabilities", "float", "b", 2)]),
        ([x, strings], [spec("probabilities", "float", "b")]),
        ([x, strings], [spec("probabilities", "int64", "b", 3)]),
        ([x, strings], []),
    ):
        with pytest.raises(InvalidModel, match="the signature does not describe this graph; export the model again"):
            signature_in({SIGNATURE_KEY: text}, inputs, outputs)


def test_numbers_are_of_one_type() -> None:
    text = Predictor(MODELS / "two_inputs.onnx", device="cpu").required_signature.to_json()
    value = spec("value", "float", "b", 1)
    assert signature_in({SIGNATURE_KEY: text}, [spec("a", "double", "b", 1), spec("b", "double", "b", 1)], [value])
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        signature_in({SIGNATURE_KEY: text}, [spec("a", "double", "b", 1), spec("b", "float", "b", 1)], [value])


def test_no_signature() -> None:
    assert signature_in({"more": "text"}, [], []) is None


@pytest.mark.parametrize(
    ("model", "old", "new"),
    [
        ("images", b'"name": "image"', b'"name": "inage"'),
        ("images", b'[{"name": "image"}]', b'[{"name": "image"}, {"name": "mask"}]'),
        ("words", b', {"name": "mask"}', b""),
        ("images", b'"labels": ["cat", "dog", "fox"]', b'"labels": ["cat", "dog"]'),
        ("images", b'"output": "probabilities"', b'"output": "image"'),
        ("images", b'"task": "multiclass_classification"', b'"task": "regression"'),
    ],
)
def test_a_signature_of_tensors_that_is_not_of_this_graph(
    model: str, old: bytes, new: bytes, with_metadata: Callable[[bytes, str, str], bytes]
) -> None:
    content, _, changed = with_changed_signature(model, old, new)
    with pytest.raises(InvalidModel, match="does not describe this graph"):
        Predictor(with_metadata(content, SIGNATURE_KEY, changed), device="cpu")


def test_tensors_of_any_shape_and_type() -> None:
    text = Predictor(MODELS / "words.onnx", device="cpu").required_signature.to_json()
    output = spec("probability", "float16", "b", 1)
    for ids, mask in ((spec("ids", "float"), spec("mask", "bfloat16", 1, 2, None)), (spec("ids", "string", 3),) * 2):
        signature = signature_in({SIGNATURE_KEY: text}, [ids, TensorSpec("mask", mask.type, mask.shape)], [output])
        assert signature is not None
        assert not signature.has_features


def test_a_damaged_one_is_refused_at_opening_and_before_the_old_model_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(FOUR_BLOBS.read_bytes())
    predictor = Predictor(path)
    damaged = FOUR_BLOBS.read_bytes().replace(b'"name": "x2"}', b'"mane": "x2"}')
    assert damaged != FOUR_BLOBS.read_bytes()
    path.write_bytes(damaged)
    for open_it in (lambda: Predictor(path), predictor.reload):
        with pytest.raises(InvalidModel, match="the signature is damaged: it has no 'name'"):
            open_it()
    assert predictor.predict_one([-1, 1]).label == 1
