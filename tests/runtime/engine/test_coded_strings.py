"""What stands before a graph for strings is cut off; models that are not exactly so are not cut."""

import pytest
from coded_models import AXIS, CODES, WORDS, encoder, string_encoders, text_model
from hypothesis import given
from hypothesis import strategies as st
from paths import MODELS
from written_models import INT64, STRING, attribute, graph, message, node, value

from edge_runtime import Feature
from edge_runtime.engine.coded_strings import with_code_inputs

FEATURES = (WORDS, CODES)

BRANCH = graph([node("Identity", ["text_text_0"], ["inner"])], outputs=[value("inner", ["rows", 1], STRING)])
OTHER = Feature("word", "categorical", categories=(*WORDS.categories[:-1], "other"))
UNLIKE = {
    "one more category": [encoder(Feature("word", "categorical", categories=(*WORDS.categories, "more")), 0)],
    "another category": [encoder(OTHER, 0)],
    "another default": [encoder(WORDS, 0, default=1)],
    "one more attribute": [encoder(WORDS, 0, attribute("default_float", 3))],
    "one more attribute of the same name": [encoder(WORDS, 0, attribute("default_int64", 1))],
}


@pytest.mark.parametrize("nodes", UNLIKE.values(), ids=UNLIKE)
def test_other_encoders_are_not_cut(nodes: list[bytes]) -> None:
    split, _, *others = string_encoders(FEATURES)
    assert with_code_inputs(text_model(nodes=[split, *nodes, *others]), {"text": FEATURES}) is None


def also_taken(name: str, kind: int = STRING) -> bytes:
    """A model one of whose values within is taken by something else, too."""
    return text_model(more=[node("Identity", [name], ["more"])], outputs=[value("more", None, kind)])


MODELS_UNLIKE = {
    "the input is taken elsewhere": also_taken("text"),
    "a column is taken elsewhere": also_taken("text_text_1"),
    "a code is taken elsewhere": also_taken("text_codes_1", INT64),
    "a column is taken in a branch": text_model(more=[node("If", ["x"], ["z"], attribute("then_branch", BRANCH))]),
    "a column is an output": text_model(outputs=[value("text_text_0", ["rows", 1], STRING)]),
    "columns of another width": text_model(widths=[2, 0]),
    "columns in another order": text_model(
        nodes=[*string_encoders(FEATURES)[:-1], node("Concat", ["text_codes_1", "text_codes_0"], ["text_codes"], AXIS)]
    ),
    "other columns": text_model(
        nodes=[*string_encoders(FEATURES)[:-1], node("Concat", ["text_codes_0", "text_codes_0"], ["text_codes"], AXIS)]
    ),
    "another axis": text_model(
        nodes=[
            *string_encoders(FEATURES)[:-1],
            node("Concat", ["text_codes_0", "text_codes_1"], ["text_codes"], attribute("axis", -1)),
        ]
    ),
    "another operator": text_model(
        nodes=[
            *string_encoders(FEATURES)[:-1],
            node("Concat", ["text_codes_0", "text_codes_1"], ["text_codes"], AXIS, domain="own"),
        ]
    ),
    "two graphs": text_model() + message((7, b"")),
    "training": text_model() + message((20, b"")),
    "no graph": b"",
    "no model": b"\xff" * 9,
    "other columns of the signature": text_model((CODES, WORDS)),
    "penguins": (MODELS / "penguins.onnx").read_bytes(),
}


@pytest.mark.parametrize("content", MODELS_UNLIKE.values(), ids=MODELS_UNLIKE)
def test_other_models_are_not_cut(content: bytes) -> None:
    assert with_code_inputs(content, {"text": FEATURES}) is None
    assert with_code_inputs(text_model(), {"text": FEATURES}) is not None


@given(st.data())
def test_damaged_models_are_cut_or_not(data: st.DataObject) -> None:
    content = bytearray(text_model())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = with_code_inputs(bytes(content), {"text": FEATURES})
    assert found is None or isinstance(found, bytes)
