"""What a table's rows are in C."""

import pytest
from random_tables import random_table_net

from edge_export.c_code.rows import row_face
from edge_export.errors import ExportError
from edge_runtime.contract.category_codes import last_code
from edge_runtime.contract.signature import Feature, Input, Signature


def signature(*features: Feature) -> Signature:
    return Signature(inputs=(Input("x", features),), labels=("no", "yes"), output="p")


def test_names_are_c_names_and_each_is_there_once() -> None:
    face = row_face(
        signature(Feature("body mass (g)"), Feature("body_mass__g"), Feature("int"), Feature("2nd"), Feature("größe")),
        "net",
    )
    assert [column.field for column in face.columns] == [
        "body_mass__g",
        "body_mass__g_2",
        "int_2",
        "value_2nd",
        "gr__e",
    ]
    assert face.labels == ("NET_LABEL_NO", "NET_LABEL_YES")
    assert face.threshold == "0.5f"


def test_categories_that_look_alike_are_told_apart() -> None:
    feature = Feature("sex", kind="categorical", categories=("male", "MALE", "unknown", "Missing", "ma-le"))
    strings = Signature(inputs=(Input("c", (feature,)),), labels=("no", "yes"), output="p")
    (column,) = row_face(strings, "net").columns
    assert column.type == "net_sex"
    assert len(set(column.codes)) == len(column.codes) == last_code(feature) + 1
    assert column.codes[:3] == ("NET_SEX_UNKNOWN", "NET_SEX_MISSING", "NET_SEX_MALE")


@pytest.mark.parametrize("seed", range(4))
def test_every_feature_of_a_table_is_in_a_row_and_in_a_tensor(seed: int) -> None:
    signature = random_table_net(seed, dates=seed % 2 == 1).signature
    face = row_face(signature, "net")
    assert [column.feature for column in face.columns] == list(signature.features)
    assert [[column.feature for column in one.columns] for one in face.inputs] == [
        list(one.features) for one in signature.inputs
    ]
    assert face.has_dates == any(feature.kind == "date" for feature in signature.features)


def test_no_name_is_that_of_something_else_in_the_header() -> None:
    features = tuple(Feature(name, kind="categorical", categories=("S", "H")) for name in ("row", "answer", "label"))
    face = row_face(Signature(inputs=(Input("MODEL_OK", features),), labels=("no", "yes"), output="p"), "model")
    assert not {column.type for column in face.columns} & {"model_row", "model_answer", "model_label"}
    assert "MODEL_LABELS" not in {code for column in face.columns for code in column.codes}
    assert face.inputs[0].name != "MODEL_OK"


@pytest.mark.parametrize("categories", [("a", "b\ud800"), ("a",)])
def test_text_that_utf_8_cannot_hold_is_refused(categories: tuple[str, ...]) -> None:
    strings = Input("c", (Feature("sex", kind="categorical", categories=categories),))
    labels = ("no", "yes") if len(categories) > 1 else ("no", "\udfff")
    with pytest.raises(ExportError, match=r"'b?.ud.*' cannot be written in UTF-8; rename that label or category"):
        row_face(Signature(inputs=(strings,), labels=labels, output="p"), "net")


def test_no_name_is_that_of_a_function_or_of_a_macro() -> None:
    names = ("verify", "sex", "sex_of", "without", "MODEL_H")
    features = tuple(Feature(name, kind="categorical", categories=("S", "main")) for name in names)
    face = row_face(Signature(inputs=(Input("x", features),), labels=("no", "yes"), output="p"), "model")
    assert [column.type for column in face.columns] == [
        "model_verify_2",
        "model_sex",
        "model_sex_of_2",
        "model_without",
        "model_MODEL_H_2",
    ]
    assert "MODEL_WITHOUT_MAIN" not in face.names
    assert "MODEL_H" not in {column.field for column in face.columns}
    assert len(set(face.names)) == len(face.names)
