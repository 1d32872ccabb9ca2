"""Pieces of answers in every format, as the rows one by one are answered."""

import json
from typing import Any

import conformal_models
import pytest
from paths import MODELS

from edge_runtime import Predictor
from edge_runtime.cli.answers import Asked, answer_writer
from edge_runtime.contract.limits import Limits
from edge_runtime.scoring.block_answers import BlockAnswers
from edge_runtime.scoring.formats import Format
from edge_runtime.scoring.options import Options
from edge_runtime.scoring.pieces import Pieces
from edge_runtime.scoring.sources import open_source

ROWS = [["Dream", 40.5, 3000, True, 2007], ["Nowhere", 4.0, float("nan"), False, 2009], ["", 50.0, 9e9, True, 2008]]


@pytest.mark.parametrize("kind", ["text", "json", "csv"])
@pytest.mark.parametrize("flag_unseen", [False, True])
@pytest.mark.parametrize("top", [None, 1, 2, 9])
def test_they_are_the_answers_of_the_rows(kind: str, flag_unseen: bool, top: int | None) -> None:
    import pyarrow as pa

    predictor = Predictor(MODELS / "penguins.onnx")
    options = Options(top=top, flag_unseen=flag_unseen)
    names = predictor.required_signature.feature_names
    table = pa.table({name: [row[place] for row in ROWS] for place, name in enumerate(names)})
    source = open_source(table, options, Limits())
    (block,) = source.blocks(None, list(names))
    answered = BlockAnswers(predictor, list(names), options).parsed(block)
    pieces = Pieces(Format(kind), predictor.signature, [], options)  # type: ignore[arg-type]
    found = (pieces.header(answered) + bytes(pieces.of(answered))).decode()
    header, lines = answer_writer(predictor, Asked(kind, flag_unseen, top))  # type: ignore[arg-type]
    expected = header + lines(predictor.answering.row_reader.tensors(ROWS))
    assert len(found.splitlines()) == len(expected.splitlines())
    assert_same_lines(kind, found, expected)


@pytest.mark.parametrize("kind", ["text", "json", "csv"])
@pytest.mark.parametrize("flag_unseen", [False, True])
@pytest.mark.parametrize("top", [None, 2])
@pytest.mark.parametrize("interval", [0.5, 0.9])
@pytest.mark.parametrize("model", ["values", "labels", "two_labels", "scaled"])
def test_intervals_are_those_of_the_rows(
    kind: str, flag_unseen: bool, top: int | None, interval: float, model: str
) -> None:
    import pyarrow as pa

    predictor = Predictor(getattr(conformal_models, model)())
    signature = predictor.required_signature
    top = top if signature.labels else None
    rows: Any = {"labels": ROWS, "two_labels": [["Dream", 2007], ["Foo", 2009], ["Biscoe", None]]}.get(
        model, [[40.0, 15.0], [1e6, 1.5], [-7.0, 21.0]]
    )
    options = Options(top=top, flag_unseen=flag_unseen, interval=interval, keep=("note",))
    names = [*signature.feature_names, "note"]
    columns = [[row[place] for row in rows] for place in range(len(names) - 1)]
    table = pa.table([*columns, ["a", "b", "c"]], names=names)
    (block,) = open_source(table, options, Limits()).blocks(None, names)
    answered = BlockAnswers(predictor, names, options).parsed(block)
    pieces = Pieces(Format(kind), signature, ["note"], options)  # type: ignore[arg-type]
    found = (pieces.header(answered) + bytes(pieces.of(answered))).decode()
    header, lines = answer_writer(predictor, Asked(kind, flag_unseen, top, interval=interval))  # type: ignore[arg-type]
    expected = (header + lines(predictor.answering.row_reader.tensors(rows))).splitlines()
    notes = ["note", "a", "b", "c"] if kind == "csv" else ["a", "b", "c"]
    before = {"text": "note {}  {}", "csv": "{},{}", "json": '{{"note": "{}", {}'}[kind]
    rest = [line[1:] if kind == "json" else line for line in expected]
    assert_same_lines(kind, found, "\n".join(map(before.format, notes, rest)))


def assert_same_lines(kind: str, found: str, expected: str) -> None:
    assert len(found.splitlines()) == len(expected.splitlines())
    for one, other in zip(found.splitlines(), expected.splitlines(), strict=True):
        if kind == "json":
            assert json.loads(one) == json.loads(other)
        elif kind == "text":
            assert one == other
        else:
            assert [_number(cell) for cell in one.split(",")] == [_number(cell) for cell in other.split(",")]


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
