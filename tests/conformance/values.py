"""Features and the values that hosts read for them, names that are spelled alike, and likely values of a row."""

import random
from typing import Any

from edge_runtime import Feature, Notation

COMMON: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2.5, 1e39, "", " ", "NA", "nan", "null", "?", "inf", " 1 ", "1.0", "a", "true"),
)
NUMBERS: tuple[Any, ...] = (
    *(7, 0.1, 1e-5, 1e-7, 123456.789, 1e16, 1e21, 3.4e38, -1e300, 2**53 - 1, "NaN", "-Infinity", "+inf", "1.", ".5"),
    *(
        "+1",
        "-0",
        "1e3",
        "1E+3",
        "1e400",
        "1e39",
        "-1e39",
        "3.4028235e38",
        "1_0",
        "0x1",
        "1e",
        "--1",
        "٣",
        "१२",
        "\uff11\uff12",
    ),
    *("\u2212" + "5", "1,5", "1 5", "\x1c1\x1c", "\x1c٣", "\u20031\u2003"),
    *("\ufeff1", "\x851", "infinite", "9" * 400, "x" * 500),
)
AMOUNTS: tuple[Any, ...] = (
    *(
        "1,234.5",
        "1.234,5",
        "1 234.5",
        "1\u202f234",
        "1'234",
        "1\u2019234.5",
        "1,234,567",
        "12,34",
        "0,123",
        "1,5",
        "1.5",
    ),
    *(
        "$5",
        "-$5",
        "$-5",
        "($5)",
        "$ 5",
        "5$",
        "5 €",
        "-1.234,50 €",
        "€5",
        "5%",
        "16.4 %",
        "(16.4%)",
        "5 kg",
        "kg",
        "()",
    ),
    *("\u22125", "+ 5", "- 5", "+-5", "(-5)", "1e3", "1e400", "INF", "Infinity", "7.", ",5", ".5", "٣", "$", 1234.5),
)
WORDS: tuple[Any, ...] = (
    *("TRUE", " False", "ja", "Nein", "JA", "yes", "0", "2", "0.0"),
    *("1.0", "1e0", "True", "false", "maybe", 7, 42),
    *(
        "Biscoe",
        " Biscoe ",
        "biscoe",
        "Dream",
        "São Tomé",
        "Sa\u0303o Tome\u0301",
        "007",
        "7",
        "7.0",
        "2.50",
        "+7",
        "é",
    ),
    *(
        "日本",
        "a\tb",
        "a'b",
        'a"b',
        "a'\"b",
        "a\\b",
        "a\x00b",
        "a\u200bb",
        "\U0001f600",
        "x" * 500,
        2**53 - 1,
        1e16,
        1e22,
    ),
    *([1], "1.5", "-0", "1_0", "٤٢", "99999999999999999999"),
)
DATES: tuple[Any, ...] = (
    *(
        "2025-12-31",
        "2024-02-29",
        "2023-02-29",
        "1900-02-29",
        "2025/12/31",
        "2025.1.2",
        "2025-1/2",
        "31.12.2025",
        "12/31/2025",
    ),
    *(
        "1-2-2025",
        " 2025-12-31 ",
        "2025-12-31T14:30",
        "2025-12-31t14:30",
        "2025-12-31 14:30:05.75",
        "2025-12-31 14:30:05,75",
    ),
    *(
        "2025-12-31, 2:30 PM",
        "2025-12-31 12:00 am",
        "2025-12-31 13:00 pm",
        "2025-12-31 0:30 AM",
        "2025-12-31T14:30:05Z",
    ),
    *(
        "2025-12-31 14:30 UTC",
        "2025-12-31T14:30+02:00",
        "2025-12-31T14:30-0130",
        "2025-12-31T14:30+05",
        "2025-12-31T14:30+24:00",
    ),
    *(
        "2025-12-31 24:00",
        "2025-12-31 14:60",
        "2025-12-31 14:30:60",
        "2025-13-01",
        "2025-00-01",
        "2025-01-32",
        "32.1.2025",
    ),
    *(
        "0001-01-01",
        "0000-01-01",
        "9999-12-31T23:59:59",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00+01:00",
        "25-12-31",
    ),
    *(
        "0099-03-01",
        "2025-12-31\u200314:30",
        "\uff12\uff10\uff12\uff15-12-31",
        1735603200,
        20251231,
        "12:30",
        "2025-12-31T",
        "31 Dec 2025",
    ),
)
FEATURES: tuple[tuple[Feature, tuple[Any, ...]], ...] = (
    (Feature("number"), (*COMMON, *NUMBERS)),
    (Feature("number", missing=0.1), (*COMMON, *NUMBERS)),
    (Feature("price", missing=0.0, notation=Notation(",", ".", "", "€")), (*COMMON, *AMOUNTS)),
    (Feature("price", notation=Notation(".", ",", "$")), (*COMMON, *AMOUNTS)),
    (Feature("price", notation=Notation(",", "", "USD")), AMOUNTS),
    (Feature("weight", notation=Notation(".", " ", "", "kg")), AMOUNTS),
    (Feature("fraction", notation=Notation(".", "'", "", "%")), AMOUNTS),
    (Feature("flag", "boolean"), (*COMMON, *WORDS)),
    (Feature("flag", "boolean", missing=0.1, words=("nein", "ja")), (*COMMON, *WORDS)),
    (Feature("island", "categorical", missing=0.1, categories=("Biscoe", "Dream", "São Tomé")), (*COMMON, *WORDS)),
    (Feature("code", "categorical", categories=("007", "1", "2.5", "a")), (*COMMON, *WORDS)),
    (Feature("code", "categorical", missing=0.1, categories=(1, 7, 42)), (*COMMON, *WORDS)),
    (Feature("word", "categorical", categories=("True", "false", "maybe")), (*COMMON, *WORDS)),
    (Feature("grade", "categorical", categories=("1.0", "2.0")), (*COMMON, *WORDS)),
    (Feature("sold", "date", missing=0.1), (*COMMON, *DATES)),
    (Feature("sold", "date", order="dmy"), (*COMMON, *DATES)),
    (Feature("sold", "date", order="mdy"), DATES),
)
NAMES = (
    *(("mas", ("mass", "island")), ("Mass", ("mass",)), ("MASS", ("mass", "Mass")), ("iland", ("mass", "island"))),
    *(("bill_length", ("bill_length_mm", "bill_depth_mm")), ("bill_lenght_mm", ("bill_length_mm", "bill_depth_mm"))),
    *(
        ("depth", ("bill_length_mm", "bill_depth_mm")),
        ("x", ("x1", "x2")),
        ("x3", ("x1", "x2")),
        ("", ("a",)),
        ("ab", ()),
    ),
    *(
        ("--mass", ("mass",)),
        ("ssam", ("mass",)),
        ("größe", ("grösse", "größer")),
        ("a'b", ("a'c'", "a'b c")),
        ("日本", ("日本語",)),
    ),
    *(("completely_different", ("mass",)), ("aaaa", ("aaab", "aaba", "baaa")), ("abcabba", ("cbabac", "abcdabba"))),
)


def likely(feature: Feature, draws: random.Random) -> list[Any]:
    """Values of a feature for a row, within the range in training and beyond, and one that is missing."""
    low = -3.0 if feature.minimum is None else feature.minimum
    high = 3.0 if feature.maximum is None else feature.maximum
    number = round(draws.uniform(low - (high - low), high + (high - low)), 3)
    match feature.kind:
        case "numeric":
            return [number, number, str(number), int(number), None]
        case "boolean":
            return [True, False, 0, "true", None]
        case "date":
            return ["2024-02-29", "2025-12-31 14:30", "1950-07-01T08:00:00+02:00", "2071-01-01", None]
    return [*map(str, feature.categories), *feature.categories, "never seen", None]
