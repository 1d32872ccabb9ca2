import pytest

from edge_runtime import InvalidModel
from edge_runtime.contract import schema


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("labels"), "the signature is damaged: it has no 'labels'"),
        (TypeError("5 is not a string"), "the signature is damaged: 5 is not a string"),
        (AttributeError("a"), "the signature is damaged: a"),
        (OverflowError("a"), "the signature is damaged: a"),
        (RecursionError("a"), "the signature is damaged: a"),
        (ValueError("a"), "the signature is damaged: a"),
        (InvalidModel("the signature is too new"), "the signature is too new"),
    ],
)
def test_what_goes_wrong_in_reading_is_an_invalid_model(error: Exception, message: str) -> None:
    with pytest.raises(InvalidModel) as raised, schema.reading("the signature"):
        raise error
    assert str(raised.value) == message


def test_errors_of_the_code_itself_pass() -> None:
    with pytest.raises(ZeroDivisionError), schema.reading("the signature"):
        _ = 1 / 0


@pytest.mark.parametrize("version", [1, 2, 3])
def test_versions_that_are_read(version: int) -> None:
    document = {"schema_version": version, "more": 5}
    assert schema.checked(document, 3, "the signature") is document


@pytest.mark.parametrize("version", [0, -1, True, 1.0, "1", None])
def test_not_a_version(version: object) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        schema.checked({"schema_version": version}, 3, "the signature")
    assert str(raised.value) == f"schema_version is {version!r}"


def test_a_newer_version() -> None:
    message = (
        "the signature has schema version 4, and this edge-predict reads versions up to 3; "
        "upgrade it with pip install --upgrade edge-predict"
    )
    with pytest.raises(InvalidModel) as raised:
        schema.checked({"schema_version": 4}, 3, "the signature")
    assert str(raised.value) == message


@pytest.mark.parametrize("document", [None, [], "{}", 1])
def test_not_an_object(document: object) -> None:
    with pytest.raises(TypeError, match=r"^it is not an object$"):
        schema.checked(document, 3, "the signature")


def test_strings() -> None:
    assert schema.text("a") == "a"
    with pytest.raises(TypeError, match=r"^5 is not a string$"):
        schema.text(5)


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\uDFFF": 1}', r'["\ud83d", "\ude00"]'])
def test_half_a_character_cannot_be_written_anywhere(text: str) -> None:
    with pytest.raises(InvalidModel, match="is half a character"), schema.reading("the signature"):
        schema.parsed(text)


def test_whole_characters_may_be_escaped() -> None:
    assert schema.parsed(r'["\ud83d\ude00", "\u00e9"]') == ["\U0001f600", "é"]


def test_half_characters_are_looked_for_in_plain_types() -> None:
    schema.refuse_half_characters({("a", "b"): b"\xed\xa0\x80", "c": {1, 2}})
    with pytest.raises(ValueError, match="half a character"):
        schema.refuse_half_characters({"c": {1}, "d": ["\udc80"]})
