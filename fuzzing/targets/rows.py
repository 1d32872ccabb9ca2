"""Rows as people write them: words, CSV, TSV, JSON Lines, and single values."""

import io
import math
from functools import cache

from paths import MODELS

from edge_runtime import Limits, Notation, Predictor
from edge_runtime.cli.answers import Asked, Format, answer_words, answer_writer
from edge_runtime.contract.signature import Feature
from edge_runtime.contract.values import category_string, is_missing, read_value
from edge_runtime.rows.text_rows import read_rows
from fuzzing.mutations import mutated_lines
from fuzzing.target import Check, Target, expect

# The first byte of an input chooses among these.
_MODELS = ("penguins", "islands", "mass", "four_blobs", "three_labels", "sales")
_FORMATS: tuple[Format, ...] = ("text", "json", "csv")
_FEATURES = (
    Feature("a"),
    Feature("a", missing=0.1),
    Feature("a", "boolean"),
    Feature("a", "boolean", missing=0.0),
    Feature("a", "categorical", categories=("Biscoe", "1.0", "true", "007")),
    Feature("a", "categorical", missing=0.5, categories=(1, -2, 2**70)),
    Feature("a", "categorical", categories=("é", " b")),
    Feature("a", notation=Notation(",", " ", "R$", "%")),
    Feature("a", "boolean", words=("nein", "Ja")),
    Feature("a", "date", missing=0.5, order="mdy"),
)


@cache
def _predictor(choice: int) -> Predictor:
    return Predictor(MODELS / f"{_MODELS[choice % len(_MODELS)]}.onnx", device="cpu")


def _text(data: bytes) -> None:
    choice, text = data[0] if data else 0, data[1:].decode(errors="replace")
    predictor = _predictor(choice)
    asked = Asked(_FORMATS[choice % len(_FORMATS)], flag_unseen=choice % 2 == 0)
    notes: list[str] = []
    lines = io.StringIO(text, newline="")
    rows = list(
        read_rows(lines, predictor.required_signature.features, "rows", notes.append, (None, "\t")[choice // 128])
    )
    header, answers = answer_writer(predictor, asked)
    written = answers(predictor.answering.row_reader.tensors_of_read(rows))
    # Labels have no line breaks, but CSV quotes those in what is unlike the training data.
    expect(asked.output_format == "csv" or written.count("\n") == len(rows), "there is not one answer for each row")
    f"{header}{written}{notes}".encode()


def _words(data: bytes) -> None:
    choice, text = data[0] if data else 0, data[1:].decode(errors="replace")
    asked = Asked(_FORMATS[choice % len(_FORMATS)], flag_unseen=choice % 2 == 0)
    answer_words(_predictor(choice), text.split("\0"), asked).encode()


def _value(data: bytes) -> None:
    # As at the shell, which does not take bytes that are not UTF-8 for an error.
    text = data[1:].decode(errors="surrogateescape")
    value = read_value(text, feature := _FEATURES[(data[0] if data else 0) % len(_FEATURES)])
    types = {"categorical": str, "date": int}
    expect(type(value) is types.get(feature.kind, float), "it has another type")
    expect(
        feature.missing is not None or isinstance(value, str) or not math.isnan(value) or feature.kind == "numeric",
        "NaN",
    )
    if not is_missing(text):
        category_string(text).encode()


def _limits(data: bytes) -> None:
    limits = Limits.from_words(data.decode(errors="surrogateescape").split("\0"))
    expect(all(value is None or 0 < value < math.inf for value in vars(limits).values()), "it is not a limit")


def _reading(check: Check) -> Check:
    # The models are opened before memory is limited.
    for choice in range(len(_MODELS)):
        repr(_predictor(choice).answering)
    return check


_TEXTS = (
    b"\0island,bill,mass,ringed,year\nDream,40.5,3000,true,2007\n,,,false,\n Foo ,50.0,9000,0,2050\n",
    b'\0{"island": "Dream", "bill": 40.5, "mass": 3000, "ringed": true, "year": 2007}\n["Dream", 1, 2, false, null]\n',
    b'\x80year\tmass\tother\tbill\tringed\tisland\n2007\t1\tx\t2\t1\t"a\tb"\n',
    b"\3-1,1\n0.5,1e-3\n",
    b'\3{"x1": 1, "x2": -1}\n[1, 2]\n',
    b"\3x2,x1\r\n1,2\r\n",
    b"\1Biscoe\nDream\n",
    "\5sold;price;new;zip;paid\n31.12.2025;1.234,50 €;ja;007;2025-12-31T14:30:00Z\n1/2/2020;(5);Nein;7;\n".encode(),
)
_VALUES = (
    b"1.5",
    b"true",
    b"-2",
    b"NA",
    b" b",
    b"(R$ 1 234,5)",
    b"JA",
    b"12/31/2025 2:30 PM",
    b"2025-12-31T14:30+01:00",
)

TARGETS = (
    Target("rows", lambda: _reading(_text), lambda: _TEXTS, mutated_lines, weight=2),
    Target(
        "words",
        lambda: _reading(_words),
        lambda: (b"\3-1\x001", b"\0mass=3000\0island=Dream\0bill=1\0ringed=1\0year=", b"\1Biscoe"),
    ),
    Target(
        "value",
        lambda: _value,
        lambda: [bytes([place]) + text for place in range(len(_FEATURES)) for text in _VALUES],
    ),
    Target(
        "words of limits",
        lambda: _limits,
        lambda: (b"nodes=5000\0model_bytes=512MiB\0call_seconds=none", b"call_seconds=1.5"),
        weight=0.5,
    ),
)
