"""Texts in front of a graph, and codes as texts."""

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table_module import TEXTS, OnlyNumbers, OnlyTexts, Table, example, signature
from torch import Tensor, nn

from edge_export import ExportError, ParityError, export, pipeline
from edge_export.capture.capture import capture
from edge_export.formats.onnx_file import onnx_model as onnx_bytes
from edge_export.formats.string_inputs import as_strings
from edge_export.formats.string_inputs import with_string_inputs as with_text
from edge_runtime import Predictor, Signature
from edge_runtime.contract.category_codes import codes_of, encode
from edge_runtime.contract.certificate import Certificate
from edge_runtime.contract.signature import Feature, Input

Protos = Callable[[onnx.ModelProto], None]


def front(features: tuple[Feature, ...]) -> onnxruntime.InferenceSession:
    """A graph that gives the codes that it is given, with texts before it."""
    helper, kind = onnx.helper, onnx.TensorProto.INT64
    tensors = [helper.make_tensor_value_info(name, kind, ["batch", len(features)]) for name in ("text", "codes")]
    graph = helper.make_graph([helper.make_node("Identity", ["text"], ["codes"])], "g", tensors[:1], tensors[1:])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    content = with_text(proto.SerializeToString(), Signature((Input("text", features),), "codes", (0, 1)))
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def like(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(
        [
            text,
            f" {text}",
            f"{text} ",
            f"{text}\u200b",
            text.upper(),
            text[1:],
            *(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC")),
        ]
    )


TEXT = st.characters(exclude_categories=["Cs"])
WORDS = st.text(TEXT, max_size=6)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    categories = draw(st.lists(WORDS.filter(bool), min_size=1, max_size=8, unique=True))
    return Feature("f", "categorical", categories=tuple(categories))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_front_gives_the_codes_that_the_encoder_gives(data: st.DataObject) -> None:
    columns = tuple(data.draw(st.lists(features(), min_size=1, max_size=3)))
    session = front(columns)
    cells = [
        st.one_of(WORDS, st.just(""), st.sampled_from(list(codes_of(feature))).flatmap(like)) for feature in columns
    ]
    rows = data.draw(st.lists(st.tuples(*cells), min_size=1, max_size=8))
    texts = np.array(rows, object).reshape(len(rows), len(columns))
    np.testing.assert_array_equal(session.run(None, {"text": texts})[0], encode(texts, columns))


@settings(max_examples=60, deadline=None)
@given(st.lists(features(), min_size=1, max_size=3).map(tuple), st.integers(0, 40), st.randoms())
def test_codes_are_spelled_and_encoded_back(columns: tuple[Feature, ...], rows: int, random: object) -> None:
    sizes = [len(feature.categories) + 2 for feature in columns]
    codes = np.array([[random.randrange(size) for size in sizes] for _ in range(rows)], np.int64)  # type: ignore[attr-defined]
    codes = codes.reshape(rows, len(columns))
    described = Signature((Input("text", columns),), "codes", (0, 1))
    texts = as_strings({"text": codes, "x": codes}, described)
    assert texts["x"] is codes
    assert texts["text"].dtype == object
    np.testing.assert_array_equal(encode(texts["text"], columns), codes)
    np.testing.assert_array_equal(as_strings({"text": codes}, described)["text"], texts["text"])


def test_what_is_unknown_is_spelled_in_many_ways() -> None:
    described = signature()
    texts = as_strings({"text": np.zeros((300, 3), np.int64)}, described)["text"]
    nfd = unicodedata.normalize("NFD", "Ünï")
    assert {"\t", "None", "0", "a b ", "A B", "🙂", "a b\u200b", "  ", nfd} <= set(texts[:, 0])
    assert "" not in texts[:, 0]
    assert max(map(len, texts[:, 0])) > 1000
    assert {"DREAM", "Dream ", " Dream"} <= set(texts[:, 2])
    assert "dream" not in set(texts[:, 2])
    with pytest.raises(ExportError, match="text holds codes that stand for nothing"):
        as_strings({"text": np.array([[0, 5, 0]])}, described)


def test_nothing_changes_where_there_are_no_texts() -> None:
    assert with_text(b"anything", None) == b"anything"
    assert with_text(b"anything", signature(texts=False)) == b"anything"


def test_a_category_that_is_no_text() -> None:
    with pytest.raises(ExportError, match=r"f: the category 'a\\ud800' is no text that ONNX can hold"):
        front((Feature("f", "categorical", categories=("a\ud800",)),))


def test_the_file_is_standard_and_the_same_every_time(tmp_path: Path) -> None:
    module = Table()
    (made,) = export(module, example(module), tmp_path / "model.onnx")
    (again,) = export(module, example(module), tmp_path / "again.onnx")
    assert made.content == again.content
    proto = onnx.load_from_string(made.content)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version == 8
    assert {known.domain: known.version for known in proto.opset_import} == {"": 18, "ai.onnx.ml": 2}
    assert [str(spec) for spec in Predictor(made.content).inputs] == [
        "x: float32 [batch, 5]",
        "text: string [batch, 3]",
    ]
    assert made.certificate is not None
    assert {batch.inputs["text"].dtype.name for batch in made.certificate.reference} == {"object"}


class Branches(nn.Module):
    """Takes its texts within a branch, and one of its names is what a front would like to take."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.signature = Signature((Input("text", TEXTS),), "probability", (0, 1))
        self.text_codes = nn.Embedding(8, 1)

    def forward(self, text: Tensor) -> Tensor:
        first, second = (lambda codes: self.text_codes(codes[:, 0])), (lambda codes: self.text_codes(codes[:, 1]))
        return torch.sigmoid(torch.cond(text.sum() > 9, first, second, (text,)))


def test_texts_in_a_branch(tmp_path: Path) -> None:
    module = Branches()
    (made,) = export(module, torch.zeros(3, 3, dtype=torch.int64), tmp_path / "model.onnx")
    texts = np.array([["日本", "12", "b"]] * 2, object)
    with torch.no_grad():
        expected = module(torch.from_numpy(encode(texts, TEXTS)))
    np.testing.assert_allclose(Predictor(made.content).run({"text": texts})["probability"], expected, atol=1e-6)


def encoder(proto: onnx.ModelProto, column: int) -> dict[str, onnx.AttributeProto]:
    node = [node for node in proto.graph.node if node.op_type == "LabelEncoder"][column]
    return {attribute.name: attribute for attribute in node.attribute}


def swap_keys(proto: onnx.ModelProto) -> None:
    keys = encoder(proto, 0)["keys_strings"].strings
    keys[2], keys[3] = keys[3], keys[2]


def wrong_default(proto: onnx.ModelProto) -> None:
    encoder(proto, 1)["default_int64"].i = 1


def one_off(proto: onnx.ModelProto) -> None:
    encoder(proto, 2)["values_int64s"].ints[3] -= 1


def swap_columns(proto: onnx.ModelProto) -> None:
    concat = next(node for node in proto.graph.node if node.op_type == "Concat" and "codes" in node.output[0])
    concat.input[1], concat.input[2] = concat.input[2], concat.input[1]


def known_stripped(proto: onnx.ModelProto) -> None:
    encoder(proto, 0)["keys_strings"].strings.append(b"a b ")
    encoder(proto, 0)["values_int64s"].ints.append(3)


def no_gap(proto: onnx.ModelProto) -> None:
    encoder(proto, 0)["values_int64s"].ints[0] = 0


MUTATIONS = [swap_keys, wrong_default, one_off, swap_columns, known_stripped, no_gap]


@pytest.mark.parametrize("mutate", MUTATIONS)
@pytest.mark.parametrize("kind", ["onnx", "ort"])
def test_a_wrong_front_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mutate: Protos, kind: str) -> None:
    def with_wrong_text(content: bytes, described: Signature | None) -> bytes:
        proto = onnx.load_from_string(with_text(content, described))
        mutate(proto)
        return proto.SerializeToString()

    monkeypatch.setattr(pipeline, "with_text", with_wrong_text)
    module = OnlyTexts("regression")
    with pytest.raises(ParityError, match=r"model\.\w+ does not compute what torch computes.* for text \['"):
        export(module, example(module), tmp_path / "model.onnx", formats=[kind])
    assert not list(tmp_path.iterdir())


def test_a_certificate_with_another_text_is_caught(tmp_path: Path) -> None:
    module = Table()
    (made,) = export(module, example(module), tmp_path / "model.onnx")
    proto = onnx.load_from_string(made.content)
    entry = next(entry for entry in proto.metadata_props if entry.key == "edge_predict.certificate")
    plain = json.loads(entry.value)
    assert plain["schema_version"] == 2
    texts = plain["reference"][0]["inputs"]["text"]
    assert texts["dtype"] == "string"
    place = next(place for place, text in enumerate(texts["data"]) if text == "日本")
    texts["data"][place] = "Ünï"
    entry.value = json.dumps(plain, ensure_ascii=False, sort_keys=True)
    assert Certificate.from_json(entry.value).rows
    found = Predictor(proto.SerializeToString()).verify()
    assert not found.passed
    assert any("rows like the training data: probability" in problem for problem in found.problems)


@pytest.mark.parametrize("kind", ["onnx", "torchscript", "ort"])
def test_anybody_can_see_a_mismatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    build = pipeline.torchscript_bytes

    def with_wrong_text(content: bytes, described: Signature | None) -> bytes:
        proto = onnx.load_from_string(with_text(content, described))
        swap_keys(proto)
        return proto.SerializeToString()

    def with_wrong_weight(program: object) -> bytes:
        next(iter(program.module.parameters())).view(-1)[0] += 0.25  # type: ignore[attr-defined]
        found = build(program)  # type: ignore[arg-type]
        next(iter(program.module.parameters())).view(-1)[0] -= 0.25  # type: ignore[attr-defined]
        return found

    monkeypatch.setattr(pipeline, "with_text", with_wrong_text)
    monkeypatch.setattr(pipeline, "torchscript_bytes", with_wrong_weight)
    module = Table("regression")
    with pytest.raises(ParityError) as raised:
        export(module, example(module), tmp_path / "model.onnx", formats=[kind], reproduce=tmp_path / "shown")
    worst = raised.value.comparison.worst
    assert worst is not None
    assert worst.inputs[1].startswith("text ['")
    inputs = np.load(tmp_path / "shown" / "inputs.npz", allow_pickle=False)
    np.testing.assert_array_equal(encode(inputs["text"].astype(object), TEXTS), worst.tensors["text"])
    command = [sys.executable, "reproduce.py"]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path / "shown", check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    found, expected = re.findall(r"value\[\d+, 0\]: ([\d.]+), torch: ([\d.]+),", shown.stdout)[0]
    assert (float(found), float(expected)) == pytest.approx((worst.found, worst.float32), rel=1e-6)


def test_signatures_that_do_not_fit() -> None:
    module = Table()
    x, text = example(module)
    for given_, message in [
        (
            (x, text.int()),
            "the signature says that text holds texts, of which the module takes the codes in int64",
        ),
        ((x, text[:, :2]), r"the signature describes inputs .*\('text', 3\).* takes .*\('text', 2\)"),
        ((x.long(), text), "the signature says that x holds numbers; the module takes int64"),
    ]:
        anything = Anything(module.signature)
        with pytest.raises(ExportError, match=message):
            capture(anything, given_)
    with pytest.raises(ExportError, match=r"the signature describes inputs .*'text'.*the module takes \[\('x', 5\)\]"):
        capture(OnlyNumbers(), (x,), signature=signature())
    module.texts.tables[0] = nn.Embedding(7, 3)
    with pytest.raises(ExportError, match=r"fails on the code 7 of island, of which there are 8 \(0 for unknown"):
        capture(module, (x, text))


class Anything(nn.Module):
    def __init__(self, described: Signature) -> None:
        super().__init__()
        self.signature = described

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        return torch.sigmoid(x.float().sum(1, keepdim=True) + text.float().sum(1, keepdim=True))


def test_codes_are_taken_without_the_front() -> None:
    program = capture(OnlyTexts(), example(OnlyTexts()))
    session = onnxruntime.InferenceSession(onnx_bytes(program), providers=["CPUExecutionProvider"])
    assert [tensor.type for tensor in session.get_inputs()] == ["tensor(int64)"]
