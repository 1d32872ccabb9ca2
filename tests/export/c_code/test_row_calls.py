"""Rows as programs hold them: answers are those of tensors, and code that takes one thing for another is refused."""

import functools
import re
from dataclasses import replace

import numpy as np
import pytest
from c_models import model_of
from onnx import TensorProto, helper

from edge_export.c_code.compiler import compilers, load_c
from edge_export.c_code.files import CCode, c_code
from edge_export.c_code.row_calls import load_rows
from edge_export.c_code.static_graph import static_graph
from edge_export.errors import ExportError
from edge_export.tensors import Tensors
from edge_runtime.contract.dates import LAST_SECOND, MISSING_DATE
from edge_runtime.contract.signature import Feature, Input, Signature

COMMAND = (*compilers()[0], "-O1", "-ffp-contract=off")
SIGNATURE = Signature(
    (
        Input("x", (Feature("mass"), Feature("age", missing=0.1), Feature("flag", "boolean"))),
        Input(
            "text",
            (
                Feature("sex", "categorical", categories=("f", "m"), missing=0.1),
                Feature("code", "categorical", categories=(1, 22, 3)),
            ),
        ),
        Input("date", (Feature("day", "date", 0.0, 1e9), Feature("night", "date", 0.0, 1e9, missing=0.1))),
    ),
    "probabilities",
    ("a", "b", "ü"),
    "multiclass_classification",
    columns=("code", "night", "mass", "sex", "age", "flag", "day"),
)
ROWS: Tensors = {
    "x": np.array([[1, 2, 0], [-3, np.nan, 1], [4, 1, 1]], np.float32),
    "text": np.array([[2, 3], [1, 4], [0, 2]]),
    "date": np.array([[0, 86400], [LAST_SECOND, MISSING_DATE], [10**9, 5]]),
}


@functools.cache
def code_of(signature: Signature = SIGNATURE) -> CCode:
    """A network with a weight of its own for each column and answer."""
    outputs = max(1, len(signature.labels)) if signature.task != "binary_classification" else 1
    last = {"binary_classification": "Sigmoid", "regression": "Identity"}.get(signature.task, "Softmax")
    weights = np.random.default_rng(0).normal(size=(7, outputs)).astype(np.float32)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "half", "x"], ["numbers"]),
        helper.make_node("Cast", ["text"], ["codes"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["date"], ["seconds"], to=TensorProto.FLOAT),
        helper.make_node("Atan", ["seconds"], ["dates"]),
        helper.make_node("Concat", ["numbers", "codes", "dates"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "weights"], ["scores"]),
        helper.make_node(last, ["scores"], [signature.output]),
    ]
    inputs = {name: values[:1] for name, values in ROWS.items()}
    constants = {"weights": weights, "half": np.array(0.5, np.float32)}
    return c_code(static_graph(model_of(nodes, inputs, [signature.output], constants), {}), signature, "net")


def answers(code: CCode, rows: Tensors = ROWS, signature: Signature = SIGNATURE) -> tuple[Tensors, Tensors]:
    """What the rows get as rows, and as tensors."""
    run = load_c(code, COMMAND, is_batched=True)
    return load_rows(code, signature, COMMAND, run)(rows), run(rows)


def test_a_value_that_is_not_of_its_column_is_refused_and_later_rows_are_answered() -> None:
    x, text, date = (ROWS[name].repeat(3, 0) for name in ("x", "text", "date"))
    x[0, 2], x[1, 2], text[3, 1], date[5, 0] = 0.5, np.nan, 1, MISSING_DATE
    found, expected = answers(code_of(), {"x": x, "text": text, "date": date})
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])


def swapped(text: str, some: str, others: str) -> str:
    """`text` with two parts in each other's places."""
    assert text.count(some) == text.count(others) == 1
    return text.replace(some, "\0").replace(others, some).replace("\0", others)


@pytest.mark.parametrize(
    ("some", "others"),
    [
        ("        row->mass,", "        row->age,"),
        ("        (int64_t)row->sex,", "        (int64_t)row->code,"),
        ("        row->day,", "        row->night,"),
        ("= found[i];", "= found[2 - i];"),
    ],
)
def test_fields_that_are_swapped_change_the_answers(some: str, others: str) -> None:
    code = code_of()
    source = swapped(code.source, some, others) if others in code.source else code.source.replace(some, others)
    assert source != code.source
    rows = {name: values[:1] for name, values in ROWS.items()}
    try:
        found, expected = answers(replace(code, source=source), rows)
    except ExportError as error:
        assert "and the probabilities are" in str(error)  # noqa: PT017
        return
    assert np.abs(found["probabilities"] - expected["probabilities"]).max() > 1e-3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r'"f", NET_SEX_F\b', '"f", NET_SEX_M', r"net_sex_of\('f'\) gives 3 in C, and the code is 2"),
        (r"text == NULL \|\|", "text == NULL &&", r"net_code_of\(''\) gives 0 in C, and the code is 1"),
        (r'"a",', '"A",', "the C code calls the label 'a' b'A'"),
        (r"answer->label = \(net_label\)best", "answer->label = NET_LABEL_A", "answers with the label 0 and its prob"),
        (r"found\[best\];\n    return", "found[0];\n    return", "answers with the label [12] and its probability"),
        (r"while \(done < count &&", "while (done + 1 < count &&", "with the row .* must answer, alone and in a batch"),
        (r"row->flag != 0 && row->flag != 1", "row->flag < 0", "with the row .*'flag': 0.5.* must refuse"),
        (r"\(int\)row->code > 4", "(int)row->code > 3", "with the row .*'code': 4.* must answer"),
        (r"row->night != INT64_MIN && ", "", r"with the row .*'night': -9223372036854775808.* must answer"),
    ],
)
def test_damage_to_what_is_around_the_network_is_refused(old: str, new: str, message: str) -> None:
    code = code_of()
    source, count = re.subn(old, new.replace("\\", "\\\\"), code.source)
    assert count
    rows = {name: values.repeat(2, 0) for name, values in ROWS.items()}
    rows["x"][4, 2] = 0.5
    with pytest.raises(ExportError, match=message):
        answers(replace(code, source=source), rows)


def test_a_threshold_is_held() -> None:
    signature = replace(SIGNATURE, labels=(False, True), task="binary_classification", threshold=0.25)
    code = code_of(signature)
    found, expected = answers(code, ROWS, signature)
    np.testing.assert_array_equal(found["probabilities"], expected["probabilities"])
    with pytest.raises(ExportError, match="answers with the label"):
        answers(replace(code, source=code.source.replace("> 0.25f", "> 0.9f")), ROWS, signature)
    with pytest.raises(ExportError, match="answers with the label"):
        answers(replace(code, source=code.source.replace("= 1 - found[0]", "= found[0]")), ROWS, signature)


def test_not_a_number_has_the_first_label_as_in_python() -> None:
    code = code_of()
    source = code.source.replace("    int best = 0;", "    found[1] = NAN;\n    found[2] = 1;\n    int best = 0;")
    found, _ = answers(replace(code, source=source))
    assert np.isnan(found["probabilities"][:, 1]).all()


def test_regression() -> None:
    signature = replace(SIGNATURE, labels=(), task="regression", output="value")
    found, expected = answers(code_of(signature), ROWS, signature)
    np.testing.assert_array_equal(found["value"], expected["value"])
