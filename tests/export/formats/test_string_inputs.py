"""Strings in place of codes: as operators in the graph, and as what a file is run on."""

import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from exports import onnx_bytes, the_one
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto
from onnx_models import to_bytes
from table_module import NUMBERS, STRINGS, signature
from torch import Tensor, nn

from edge_export import Export, ExportError
from edge_export.capture.capture import capture
from edge_export.cli.command import main
from edge_export.formats.onnx_file import load_onnx, onnx_model
from edge_export.formats.string_inputs import as_strings, string_features, with_string_inputs
from edge_runtime import Predictor, Signature
from edge_runtime.contract.category_codes import UNKNOWN, codes_of, encode
from edge_runtime.contract.metadata_keys import SIGNATURE_KEY
from edge_runtime.contract.signature import Feature, Input
from edge_runtime.engine.coded_strings import with_code_inputs


def model_of_codes(columns: int) -> ModelProto:
    """A graph that gives the codes that it is given."""
    helper, kind = onnx.helper, onnx.TensorProto.INT64
    tensors = [helper.make_tensor_value_info(name, kind, ["batch", columns]) for name in ("text", "codes")]
    graph = helper.make_graph([helper.make_node("Identity", ["text"], ["codes"])], "g", tensors[:1], tensors[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def described(features: tuple[Feature, ...]) -> Signature:
    return Signature((Input("text", features),), "codes", (0, 1))


def encoder(features: tuple[Feature, ...]) -> onnxruntime.InferenceSession:
    """The same with string inputs."""
    content = to_bytes(with_string_inputs(model_of_codes(len(features)), described(features)))
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def like(text: str) -> st.SearchStrategy[str]:
    forms = (unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC"))
    return st.sampled_from([text, f" {text}", f"{text} ", f"{text}\u200b", text.upper(), text[1:], *forms])


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    categories = draw(st.lists(WORDS.filter(bool), min_size=1, max_size=8, unique=True))
    return Feature("f", "categorical", categories=tuple(categories))


@given(st.data())
def test_the_graph_gives_the_codes_that_the_encoder_gives(data: st.DataObject) -> None:
    columns = tuple(data.draw(st.lists(features(), min_size=1, max_size=3)))
    session = encoder(columns)
    cells = [
        st.one_of(WORDS, st.just(""), st.sampled_from(list(codes_of(feature))).flatmap(like)) for feature in columns
    ]
    rows = data.draw(st.lists(st.tuples(*cells), min_size=1, max_size=8))
    strings = np.array(rows, object).reshape(len(rows), len(columns))
    np.testing.assert_array_equal(session.run(None, {"text": strings})[0], encode(strings, columns))
    # For calls of many rows the runtime takes the encoders off again.
    content = with_code_inputs(
        to_bytes(with_string_inputs(model_of_codes(len(columns)), described(columns))), {"text": columns}
    )
    assert content is not None
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    without = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(without.run(None, {"text": encode(strings, columns)})[0], encode(strings, columns))


@given(st.lists(features(), min_size=1, max_size=3).map(tuple), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_codes_are_spelled_and_encoded_back(columns: tuple[Feature, ...], rows: int, seed: int) -> None:
    sizes = [len(feature.categories) + 2 for feature in columns]
    codes = np.random.default_rng(seed).integers(0, sizes, (rows, len(columns)))
    strings = as_strings({"text": codes, "x": codes}, described(columns))
    assert strings["x"] is codes
    assert strings["text"].dtype == object
    np.testing.assert_array_equal(encode(strings["text"], columns), codes)
    np.testing.assert_array_equal(as_strings({"text": codes}, described(columns))["text"], strings["text"])


def test_an_unknown_category_is_spelled_in_many_ways() -> None:
    strings = as_strings({"text": np.full((300, 3), UNKNOWN)}, signature())["text"]
    decomposed = unicodedata.normalize("NFD", "Ünï")
    assert {"\t", "None", "0", "a b ", "A B", "🙂", "a b\u200b", "  ", decomposed} <= set(strings[:, 0])
    assert "" not in strings[:, 0]
    assert max(map(len, strings[:, 0])) > 1000
    assert {"DREAM", "Dream ", " Dream"} <= set(strings[:, 2])
    assert "dream" not in set(strings[:, 2])


def test_a_number_that_is_not_a_code() -> None:
    for wrong in ([0, 5, 0], [-1, 0, 0]):
        with pytest.raises(ExportError, match=r"^text holds numbers that are not category codes of its features$"):
            as_strings({"text": np.array([wrong])}, signature())


def test_which_inputs_are_strings() -> None:
    assert string_features(signature()) == {"text": STRINGS}
    assert string_features(signature(strings=False)) == {}
    assert string_features(None) == {}


def test_nothing_changes_without_strings() -> None:
    model = model_of_codes(3)
    assert with_string_inputs(model, None) is model
    assert with_string_inputs(model, signature(strings=False)) is model
    x = {"x": np.zeros((1, 5), np.float32)}
    assert as_strings(x, None)["x"] is x["x"]


def test_the_model_of_codes_stays_as_it_is() -> None:
    model, same = model_of_codes(3), model_of_codes(3)
    changed = with_string_inputs(model, described(STRINGS))
    assert changed != model
    assert model == same
    assert to_bytes(changed) == to_bytes(with_string_inputs(model, described(STRINGS)))


def test_a_category_that_utf_8_cannot_hold() -> None:
    with pytest.raises(ExportError, match=r"f: the category 'a\\ud800' cannot be written in UTF-8"):
        encoder((Feature("f", "categorical", categories=("a\ud800",)),))


def test_the_file_is_standard(table_exports: list[Export]) -> None:
    made = the_one(table_exports, "onnx")
    proto = onnx.load_from_string(made.content)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ir_version == 8
    assert {known.domain: known.version for known in proto.opset_import} == {"": 18, "ai.onnx.ml": 2}
    predictor = Predictor(made.content)
    assert list(map(str, predictor.inputs)) == ["x: float32 [batch, 5]", "text: string [batch, 3]"]
    assert made.certificate is not None
    assert {batch.inputs["text"].dtype.name for batch in made.certificate.reference} == {"object"}


class Branches(nn.Module):
    """Takes its strings within a branch, and one of its names is what their codes would be called."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.signature = Signature((Input("text", STRINGS),), "probability", (0, 1))
        self.text_codes = nn.Embedding(8, 1)

    def forward(self, text: Tensor) -> Tensor:
        def first(codes: Tensor) -> Any:
            return self.text_codes(codes[:, 0])

        def second(codes: Tensor) -> Any:
            return self.text_codes(codes[:, 1])

        return torch.sigmoid(torch.cond(text.sum() > 9, first, second, (text,)))


def test_strings_in_a_branch() -> None:
    module = Branches()
    program = capture(module, torch.zeros(3, 3, dtype=torch.int64))
    codes_alone = onnx_model(program)
    assert [tensor.type.tensor_type.elem_type for tensor in codes_alone.graph.input] == [onnx.TensorProto.INT64]
    content = onnx_bytes(program)
    for row in (["日本", "12", "b"], ["São Tomé", "1", "x"]):
        strings = np.array([row] * 2, object)
        codes = encode(strings, STRINGS)
        with torch.no_grad():
            expected = module(torch.from_numpy(codes))
        found = Predictor(content).run({"text": strings})["probability"]
        np.testing.assert_allclose(found, expected, atol=1e-6)
        # While it is compared with torch it is given codes, which become strings again.
        np.testing.assert_array_equal(load_onnx(content)({"text": codes})["probability"], found)


class TwoStrings(nn.Module):
    """Its arguments are in another order than in its signature, and one of two string inputs has one column."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        inputs = (Input("x", NUMBERS[2:3]), Input("words", STRINGS[:1]), Input("text", STRINGS[1:]))
        self.signature = Signature(inputs, "value", (), "regression")
        self.tables = nn.ModuleList(nn.Embedding(len(feature.categories) + 2, 1) for feature in STRINGS)

    def forward(self, text: Tensor, words: Tensor, x: Tensor) -> Tensor:
        codes = torch.cat([words, text], dim=1)
        return torch.stack([x, *(table(codes[:, column]) for column, table in enumerate(self.tables))]).sum(0)


ARGUMENTS = {"text": np.zeros((2, 2), np.int64), "words": np.zeros((2, 1), np.int64), "x": np.zeros((2, 1), np.float32)}


def two_strings() -> TwoStrings:
    return TwoStrings()


def assert_answers(file: bytes | Path) -> None:
    rows = {"text": [["12", "dream"]], "words": [["São Tomé"]], "x": [[3]]}
    found = Predictor(file).run({name: np.array(row) for name, row in rows.items()})
    with torch.no_grad():
        expected = TwoStrings()(torch.tensor([[4, 3]]), torch.tensor([[2]]), torch.tensor([[3.0]]))
    np.testing.assert_allclose(found["value"], expected, atol=1e-6)


def test_arguments_in_another_order() -> None:
    assert_answers(onnx_bytes(capture(TwoStrings(), ARGUMENTS)))


@pytest.mark.slow
def test_weights_of_the_users_module_with_strings(command: Callable[..., Any], tmp_path: Path) -> None:
    torch.save(TwoStrings().state_dict(), tmp_path / "model.pt")
    np.savez(tmp_path / "example.npz", **ARGUMENTS)  # type: ignore[arg-type]
    place = ["--module", f"{__name__}:two_strings", "--example", tmp_path / "example.npz"]
    result = command(main, tmp_path / "model.pt", *place, "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert_answers(tmp_path / "model.onnx")


@pytest.mark.slow
def test_a_saved_program_with_strings(command: Callable[..., Any], tmp_path: Path) -> None:
    arguments = tuple(torch.from_numpy(values) for values in ARGUMENTS.values())
    rows = torch.export.Dim("rows")
    exported = torch.export.export(TwoStrings().eval(), arguments, dynamic_shapes=[{0: rows}] * 3)
    extra = {SIGNATURE_KEY: TwoStrings().signature.to_json()}
    torch.export.save(exported, tmp_path / "model.pt2", extra_files=extra)
    result = command(main, tmp_path / "model.pt2", "--format", "onnx")
    assert (result.code, result.err) == (0, "")
    assert_answers(tmp_path / "model.onnx")
