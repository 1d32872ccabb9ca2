"""Pieces of answers in every format, as the rows one by one are answered."""

import json

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
    pieces = Pieces(Format(kind), predictor.signature, [], top, flag_unseen)  # type: ignore[arg-type]
    found = (pieces.header(answered) + bytes(pieces.of(answered))).decode()
    header, lines = answer_writer(predictor, Asked(kind, flag_unseen, top))  # type: ignore[arg-type]
    expected = header + lines(predictor.answering.row_reader.tensors(ROWS))
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
