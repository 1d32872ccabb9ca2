"""Strings that look like known categories and are not: what an encoder that trims, folds or cuts takes for one."""

import unicodedata

from table_module import STRINGS

from edge_export.formats.unknown_categories import spellings
from edge_runtime import Feature
from edge_runtime.contract.category_codes import UNKNOWN, encode

ISLAND = STRINGS[0]


def test_the_string_of_each_code() -> None:
    known, unknown = spellings(ISLAND)
    assert known.tolist() == ["", "", "São Tomé", "a b", " ", "nan", "Ünï", "日本"]
    assert (encode(unknown[:, None], (ISLAND,)) == UNKNOWN).all()
    assert len(set(unknown)) == len(unknown)


def test_unknown_strings_of_every_kind() -> None:
    unknown = set(spellings(ISLAND)[1])
    assert {"a b ", " a b", "a b\n", "\ta b", "a b\u200b", "\ufeffa b", "\u00a0a b"} <= unknown  # trims
    assert {"A B", "ÜNÏ", "ünï", "são tomé"} <= unknown  # folds
    assert unicodedata.normalize("NFD", "Ünï") in unknown  # composes
    assert {"a ", " b", "a ba b", "a b.0", "0a b", '"a b"', "\0a b"} <= unknown  # cuts
    assert any(len(string) > 1000 and string.startswith("a b") for string in unknown)  # cuts what is long
    assert {"\t", "None", "null", "0", "true", "🙂", "a\0b"} <= unknown
    # What spells a missing value or a category is not among them.
    assert unknown.isdisjoint(("", " ", "nan", *ISLAND.categories))


def test_letters_that_look_alike() -> None:
    unknown = spellings(Feature("f", "categorical", categories=("Biscoe",)))[1]
    capital, es, o, ie = "\u0412", "\u0441", "\u043e", "\u0435"  # Cyrillic
    assert f"{capital}is{es}{o}{ie}" in unknown


def test_numbers_are_varied_as_they_are_spelled() -> None:
    known, unknown = spellings(Feature("f", "categorical", categories=(1, 12)))
    assert known.tolist() == ["", "", "1", "12"]
    assert {"12.0", "012", "2", "1212", " 12"} <= set(unknown)
    assert "1" not in set(unknown)


def test_a_few_of_a_long_list_are_varied_in_an_order_that_mixes_them() -> None:
    feature = Feature("f", "categorical", categories=tuple(f"category {place:04}" for place in range(1000)))
    unknown = spellings(feature)[1]
    varied = {string.strip() for string in unknown if string.startswith(" category")}
    assert varied == {f"category {place:04}" for place in (0, 199, 399, 599, 799, 999)}
    starts = [string[:3] for string in unknown[:40]]
    assert len(set(starts)) > 8
    assert spellings(feature)[1].tolist() == unknown.tolist()
